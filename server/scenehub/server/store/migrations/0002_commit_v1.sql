-- The one way into a project's history, and the admission of a client.
--
-- Functions carry a version: a node that runs an older release goes on calling the one it knows.

CREATE FUNCTION rows_of_v1(rows jsonb, projects text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT coalesce(jsonb_agg(entry), '[]')
        FROM jsonb_array_elements(rows) AS entry
        WHERE entry ->> 'project_id' = ANY (projects)
    );

-- Stores the batches of many projects in one transaction; returns the projects whose fence held. A project that moved
-- on drops out, an error undoes everything. Every argument but the first is an array of records, each with the id of
-- its project; times are in milliseconds UTC.
--
-- The rows of the projects are locked first, in the order of their ids. Only then are fences and counters read: each
-- statement of a function has its own snapshot, so what is read is what holds until the transaction ends. In a single
-- statement with CTEs a batch of rejects alone, which leaves the project's row as it is, would be judged by
-- counters from before the lock.
CREATE FUNCTION scenehub_commit_v1(
    locked text[], fences jsonb, counters jsonb, new_edits jsonb, new_scenes jsonb, changed_scenes jsonb, codes jsonb,
    new_messages jsonb, changed_messages jsonb, memories jsonb, new_proposals jsonb
) RETURNS text[] LANGUAGE plpgsql
-- It touches few rows, by key, in tables that may have grown a thousandfold since its plan was made.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    passing  text[];
    expected bigint;
    stored   bigint;
    code     record;
    latest   record;
BEGIN
    IF current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    PERFORM FROM projects WHERE id = ANY (locked) ORDER BY id FOR NO KEY UPDATE;

    SELECT coalesce(array_agg(f.project_id), '{}') INTO passing
    FROM jsonb_to_recordset(fences) AS f (project_id text, epoch text, seq bigint, client text, n bigint, access bigint)
    CROSS JOIN LATERAL (SELECT * FROM projects WHERE id = f.project_id OFFSET 0) p -- OFFSET 0: by key, never by scan
    WHERE p.deleted_at IS NULL AND p.epoch = f.epoch AND p.seq = f.seq AND p.access_version = f.access
      AND p.head_client IS NOT DISTINCT FROM f.client AND p.head_n IS NOT DISTINCT FROM f.n
      AND f.project_id <> ALL (ARRAY(
          SELECT c.project_id
          FROM jsonb_to_recordset(counters) AS c (project_id text, client_id text, user_id text, before bigint)
          LEFT JOIN clients r ON r.project_id = c.project_id AND r.client_id = c.client_id
          WHERE coalesce(r.counter, 0) <> c.before OR r.user_id <> c.user_id
      ));
    IF passing = '{}' THEN
        RETURN passing;
    END IF;
    IF cardinality(passing) < cardinality(locked) THEN
        fences := rows_of_v1(fences, passing);
        counters := rows_of_v1(counters, passing);
        new_edits := rows_of_v1(new_edits, passing);
        new_scenes := rows_of_v1(new_scenes, passing);
        changed_scenes := rows_of_v1(changed_scenes, passing);
        codes := rows_of_v1(codes, passing);
        new_messages := rows_of_v1(new_messages, passing);
        changed_messages := rows_of_v1(changed_messages, passing);
        memories := rows_of_v1(memories, passing);
        new_proposals := rows_of_v1(new_proposals, passing);
    END IF;

    INSERT INTO clients AS r (project_id, client_id, user_id, counter, rejects)
    SELECT c.project_id, c.client_id, c.user_id, c.after, jsonb_path_query_array(c.rejects, '$[last - 127 to last]')
    FROM jsonb_to_recordset(counters)
        AS c (project_id text, client_id text, user_id text, after bigint, rejects jsonb)
    ON CONFLICT (project_id, client_id) DO UPDATE SET
        counter = excluded.counter,
        seen_at = excluded.seen_at,
        rejects = CASE WHEN excluded.rejects = '[]' THEN r.rejects
                  ELSE jsonb_path_query_array(r.rejects || excluded.rejects, '$[last - 127 to last]') END;

    IF new_edits = '[]' THEN
        RETURN passing;
    END IF;

    INSERT INTO edits (
        project_id, seq, client_id, n, digest, user_id, actor, run_id, asked_run, undoes_client, undoes_n, base_epoch,
        base, guarded, saw, format, ops, replaced, overwrote, restored, created_at)
    SELECT project_id, seq, client_id, n, decode(digest, 'hex'), user_id, actor, run_id, asked_run, undoes_client,
        undoes_n, base_epoch, base, guarded, saw, format, ops, replaced, overwrote, restored, time_of(at)
    FROM jsonb_to_recordset(new_edits) AS e (
        project_id text, seq bigint, client_id text, n bigint, digest text, user_id text, actor text, run_id text,
        asked_run text, undoes_client text, undoes_n bigint, base_epoch text, base bigint, guarded boolean, saw jsonb,
        format smallint, ops jsonb, replaced jsonb, overwrote jsonb, restored jsonb, at bigint);
    GET DIAGNOSTICS stored = ROW_COUNT;
    SELECT sum(f.new_seq - f.seq) INTO expected
    FROM jsonb_to_recordset(fences) AS f (seq bigint, new_seq bigint);
    IF stored <> expected THEN
        RAISE EXCEPTION 'a batch says that it has % edits, it has %', expected, stored;
    END IF;

    UPDATE projects p SET
        seq = f.new_seq,
        head_client = f.new_client,
        head_n = f.new_n,
        committed_at = time_of(f.last_at),
        name = coalesce(f.name, p.name),
        fps = coalesce(f.fps, p.fps),
        width = coalesce(f.width, p.width),
        height = coalesce(f.height, p.height),
        props = CASE WHEN f.props IS NULL THEN p.props ELSE (p.props || f.props) - f.unset END,
        writers = CASE WHEN f.writers IS NULL THEN p.writers ELSE p.writers || f.writers END
    FROM jsonb_to_recordset(fences) AS f (
        project_id text, seq bigint, new_seq bigint, new_client text, new_n bigint, first_at bigint, last_at bigint,
        name text, fps integer, width integer, height integer, props jsonb, unset text[], writers jsonb)
    WHERE p.id = f.project_id AND p.id = ANY (passing) AND f.new_seq > f.seq AND coalesce(p.committed_at < time_of(f.first_at), true);
    GET DIAGNOSTICS stored = ROW_COUNT;
    SELECT count(*) INTO expected
    FROM jsonb_to_recordset(fences) AS f (seq bigint, new_seq bigint)
    WHERE f.new_seq > f.seq;
    IF stored <> expected THEN
        RAISE EXCEPTION 'the time of a commit is not after that of the commit before';
    END IF;

    IF new_scenes <> '[]' THEN
        INSERT INTO scenes (
            id, project_id, name, position, duration, trim_start, tsx_code, props, component, diagnostics, writers,
            created_at, deleted_at)
        SELECT id, project_id, name, position, duration, trim_start, tsx_code, props - unset, component, diagnostics,
            writers, time_of(at), time_of(deleted_at)
        FROM jsonb_to_recordset(new_scenes) AS s (
            id text, project_id text, name text, position text, duration integer, trim_start integer, tsx_code text,
            props jsonb, unset text[], component jsonb, diagnostics jsonb, writers jsonb, at bigint, deleted_at bigint);
    END IF;

    IF changed_scenes <> '[]' THEN
        -- A code that is not changed is handed on as it is stored: its pages are not written again.
        UPDATE scenes s SET
            name = coalesce(c.name, s.name),
            position = coalesce(c.position, s.position),
            duration = coalesce(c.duration, s.duration),
            trim_start = coalesce(c.trim_start, s.trim_start),
            tsx_code = coalesce(c.tsx_code, s.tsx_code),
            props = CASE WHEN c.props IS NULL THEN s.props ELSE (s.props || c.props) - c.unset END,
            component = CASE WHEN c.writers ? 'component' THEN c.component ELSE s.component END,
            diagnostics = CASE WHEN c.writers ? 'diagnostics' THEN c.diagnostics ELSE s.diagnostics END,
            deleted_at = CASE WHEN c.writers ? 'deleted' THEN time_of(c.deleted_at) ELSE s.deleted_at END,
            writers = s.writers || c.writers
        FROM jsonb_to_recordset(changed_scenes) AS c (
            id text, project_id text, name text, position text, duration integer, trim_start integer, tsx_code text,
            props jsonb, unset text[], component jsonb, diagnostics jsonb, writers jsonb, deleted_at bigint)
        WHERE s.id = c.id AND s.project_id = c.project_id;
        GET DIAGNOSTICS stored = ROW_COUNT;
        IF stored <> jsonb_array_length(changed_scenes) THEN
            RAISE EXCEPTION 'a batch changes a scene that its project does not have';
        END IF;
    END IF;

    FOR code IN
        SELECT * FROM jsonb_to_recordset(codes) AS c (
            scene_id text, tsx_code text, user_id text, client_id text, actor text, run_id text, seq bigint, at bigint)
        ORDER BY seq
    LOOP
        SELECT i.version, i.created_at, i.client_id = code.client_id AND i.actor = code.actor
            AND i.run_id IS NOT DISTINCT FROM code.run_id AS same_author
        INTO latest
        FROM scene_iterations i WHERE i.scene_id = code.scene_id ORDER BY i.version DESC LIMIT 1;
        IF latest.same_author AND time_of(code.at) < latest.created_at + interval '30 seconds' THEN
            UPDATE scene_iterations i SET tsx_code = code.tsx_code, seq = code.seq, changed_at = time_of(code.at)
            WHERE i.scene_id = code.scene_id AND i.version = latest.version;
        ELSIF latest.version IS NOT NULL OR code.tsx_code <> '' THEN
            INSERT INTO scene_iterations
                (scene_id, version, tsx_code, user_id, client_id, actor, run_id, seq, created_at, changed_at)
            VALUES (code.scene_id, coalesce(latest.version, 0) + 1, code.tsx_code, code.user_id, code.client_id,
                code.actor, code.run_id, code.seq, time_of(code.at), time_of(code.at));
        END IF;
    END LOOP;

    IF new_messages <> '[]' THEN
        INSERT INTO messages (id, project_id, seq, author, text, scene_id, asks, writers, created_at, deleted_at)
        SELECT id, project_id, seq, author, text, scene, asks, writers, time_of(at), time_of(deleted_at)
        FROM jsonb_to_recordset(new_messages) AS m (
            id text, project_id text, seq bigint, author text, text text, scene text, asks boolean, writers jsonb,
            at bigint, deleted_at bigint);
    END IF;

    IF changed_messages <> '[]' THEN
        UPDATE messages m SET
            text = coalesce(c.text, m.text),
            deleted_at = CASE WHEN c.writers ? 'deleted' THEN time_of(c.deleted_at) ELSE m.deleted_at END,
            writers = m.writers || c.writers
        FROM jsonb_to_recordset(changed_messages)
            AS c (id text, project_id text, text text, writers jsonb, deleted_at bigint)
        WHERE m.id = c.id AND m.project_id = c.project_id;
        GET DIAGNOSTICS stored = ROW_COUNT;
        IF stored <> jsonb_array_length(changed_messages) THEN
            RAISE EXCEPTION 'a batch changes a message that its project does not have';
        END IF;
    END IF;

    IF memories <> '[]' THEN
        INSERT INTO project_memory (project_id, key, value, writers)
        SELECT project_id, id, value, writers
        FROM jsonb_to_recordset(memories) AS m (project_id text, id text, value jsonb, writers jsonb)
        ON CONFLICT (project_id, key) DO UPDATE SET value = excluded.value, writers = excluded.writers;
    END IF;

    IF new_proposals <> '[]' THEN
        INSERT INTO proposals AS p (id, project_id, scene, field, text, base, run, status, writers, created_at)
        SELECT id, project_id, scene, field, text, base, run, status, writers, time_of(at)
        FROM jsonb_to_recordset(new_proposals) AS n (
            id text, project_id text, scene text, field text, text text, base bigint, run text, status text,
            writers jsonb, at bigint)
        ON CONFLICT (id) DO UPDATE SET
            scene = CASE WHEN excluded.writers ? 'scene' THEN excluded.scene ELSE p.scene END,
            field = CASE WHEN excluded.writers ? 'field' THEN excluded.field ELSE p.field END,
            text = CASE WHEN excluded.writers ? 'text' THEN excluded.text ELSE p.text END,
            base = CASE WHEN excluded.writers ? 'base' THEN excluded.base ELSE p.base END,
            run = CASE WHEN excluded.writers ? 'run' THEN excluded.run ELSE p.run END,
            status = CASE WHEN excluded.writers ? 'status' THEN excluded.status ELSE p.status END,
            writers = p.writers || excluded.writers
            WHERE p.project_id = excluded.project_id;
        GET DIAGNOSTICS stored = ROW_COUNT;
        IF stored <> jsonb_array_length(new_proposals) THEN
            RAISE EXCEPTION 'a batch changes a proposal of another project';
        END IF;
    END IF;

    RETURN passing;
END $$;

-- Binds a client to its user, counts its session, and reads what its resume needs, in one snapshot that is taken after
-- the client's row is locked. `taken` when the id is another user's; no row when there is no such project.
CREATE FUNCTION scenehub_admit_v1(project text, client text, member text, at_epoch text, at_seq bigint, at_client text,
    at_n bigint)
RETURNS TABLE (
    epoch text, seq bigint, head_client text, head_n bigint, access_version bigint,
    taken boolean, counter bigint, generation bigint, rejects jsonb, digests jsonb, known boolean, overwrites jsonb
) LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    sessions bigint;
BEGIN
    INSERT INTO clients AS r (project_id, client_id, user_id, generation)
    SELECT p.id, client, member, 1 FROM projects p WHERE p.id = project AND p.deleted_at IS NULL
    ON CONFLICT (project_id, client_id) DO UPDATE SET generation = r.generation + 1, seen_at = excluded.seen_at
        WHERE r.user_id = excluded.user_id
    RETURNING r.generation INTO sessions;

    RETURN QUERY
    WITH head AS (
        SELECT p.*, at_epoch = p.epoch AND CASE
            WHEN at_seq = 0 THEN at_client IS NULL
            ELSE EXISTS (
                SELECT FROM edits e
                WHERE e.project_id = p.id AND e.seq = at_seq AND e.client_id = at_client AND e.n = at_n)
            END AS known
        FROM projects p WHERE p.id = project AND p.deleted_at IS NULL
    )
    SELECT h.epoch::text, h.seq, h.head_client::text, h.head_n, h.access_version,
        sessions IS NULL, r.counter, r.generation, r.rejects,
        (SELECT jsonb_object_agg(e.n, encode(e.digest, 'hex')) FROM edits e
         WHERE e.project_id = h.id AND e.client_id = client AND e.n > r.counter - 128),
        coalesce(h.known, false),
        CASE WHEN h.known THEN (
            SELECT jsonb_agg(jsonb_build_object(
                'seq', e.seq, 'client', e.client_id, 'n', e.n, 'user', e.user_id, 'overwrote', e.overwrote)
                ORDER BY e.seq)
            FROM edits e
            WHERE e.project_id = h.id AND e.seq > at_seq AND e.overwrote IS NOT NULL
              AND (e.client_id = client OR e.overwrote @> jsonb_build_array(jsonb_build_object('client', client)))
        ) END
    FROM head h JOIN clients r ON r.project_id = h.id AND r.client_id = client;
END $$;
