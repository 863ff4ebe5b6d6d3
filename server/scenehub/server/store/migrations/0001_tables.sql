-- The tables of a hub. Wrong states are refused here, whoever writes.
--
-- `writers` of an entity says for each of its fields that was ever written who wrote it last:
-- {"field": [seq, client, n, user]}; a property is the field "props.<key>". A property that was removed is in
-- `writers` but not in `props`. Limits mirror the protocol's.

CREATE DOMAIN hub_id AS text COLLATE "C" CHECK (VALUE ~ '^[A-Za-z0-9_-]{1,64}$');

CREATE FUNCTION time_of(ms bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN to_timestamp(ms / 1000.0);

CREATE FUNCTION ms_of(at timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN round(extract(epoch FROM at) * 1000)::bigint;

CREATE TABLE projects (
    id             hub_id PRIMARY KEY,
    epoch          hub_id NOT NULL,
    seq            bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
    head_client    hub_id,
    head_n         bigint CHECK (head_n > 0),
    committed_at   timestamptz,
    access_version bigint NOT NULL DEFAULT 0 CHECK (access_version >= 0),
    log_start      bigint NOT NULL DEFAULT 1,
    name           text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    fps            integer NOT NULL CHECK (fps BETWEEN 1 AND 240),
    width          integer NOT NULL CHECK (width BETWEEN 16 AND 16384),
    height         integer NOT NULL CHECK (height BETWEEN 16 AND 16384),
    props          jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(props) = 'object'),
    writers        jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(writers) = 'object'),
    created_at     timestamptz NOT NULL DEFAULT now(),
    deleted_at     timestamptz,
    CONSTRAINT projects_head_names_the_edit_at_seq
        CHECK (num_nulls(head_client, head_n, committed_at) = CASE WHEN seq = 0 THEN 3 ELSE 0 END),
    CONSTRAINT projects_log_starts_within_history CHECK (log_start BETWEEN 1 AND seq + 1)
) WITH (fillfactor = 60);

CREATE TABLE members (
    project_id hub_id NOT NULL REFERENCES projects ON DELETE CASCADE,
    user_id    hub_id NOT NULL,
    role       text NOT NULL CHECK (role IN ('owner', 'editor', 'commenter', 'viewer')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX members_of_user ON members (user_id);

-- The access version is part of every commit's fence: a change of rights stops what was allowed under the old ones.
CREATE FUNCTION members_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE projects SET access_version = access_version + 1 WHERE id = OLD.project_id;
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.project_id <> OLD.project_id) THEN
        UPDATE projects SET access_version = access_version + 1 WHERE id = NEW.project_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER members_change_access AFTER INSERT OR UPDATE OR DELETE ON members
    FOR EACH ROW EXECUTE FUNCTION members_changed();

-- One row a replica and project: `counter` is the last one that has an outcome, a commit unless it is in `rejects`.
CREATE TABLE clients (
    project_id hub_id NOT NULL REFERENCES projects ON DELETE CASCADE,
    client_id  hub_id NOT NULL,
    user_id    hub_id NOT NULL,
    counter    bigint NOT NULL DEFAULT 0 CHECK (counter >= 0),
    generation bigint NOT NULL DEFAULT 0 CHECK (generation >= 0),
    rejects    jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(rejects) = 'array' AND jsonb_array_length(rejects) <= 128),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, client_id)
) WITH (fillfactor = 60);

CREATE TABLE edits (
    project_id   hub_id NOT NULL REFERENCES projects ON DELETE CASCADE,
    seq          bigint NOT NULL CHECK (seq > 0),
    client_id    hub_id NOT NULL,
    n            bigint NOT NULL CHECK (n > 0),
    digest       bytea NOT NULL CHECK (octet_length(digest) = 16),
    user_id      hub_id NOT NULL,
    actor        text NOT NULL CHECK (actor IN ('person', 'brain', 'system')),
    run_id       hub_id,
    asked_run    hub_id,
    undoes_client hub_id,
    undoes_n     bigint CHECK (undoes_n > 0),
    base_epoch   hub_id NOT NULL,
    base         bigint NOT NULL CHECK (base >= 0),
    guarded      boolean NOT NULL,
    saw          jsonb CHECK (jsonb_array_length(saw) > 0),
    format       smallint NOT NULL CHECK (format > 0),
    ops          jsonb NOT NULL CHECK (jsonb_array_length(ops) > 0),
    replaced     jsonb NOT NULL CHECK (jsonb_typeof(replaced) = 'array'),
    overwrote    jsonb CHECK (jsonb_array_length(overwrote) > 0),
    restored     jsonb CHECK (jsonb_typeof(restored) = 'object'),
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (project_id, seq),
    CONSTRAINT edits_have_one_place_each UNIQUE (project_id, client_id, n),
    CONSTRAINT edits_undo_an_edit CHECK ((undoes_client IS NULL) = (undoes_n IS NULL))
);
CREATE INDEX edits_that_overwrote ON edits (project_id, seq) WHERE overwrote IS NOT NULL;

CREATE TABLE scenes (
    id          hub_id PRIMARY KEY,
    project_id  hub_id NOT NULL REFERENCES projects ON DELETE CASCADE,
    name        text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    position    text COLLATE "C" NOT NULL CHECK (position ~ '^[0-9A-Za-z]{1,200}$'),
    duration    integer NOT NULL CHECK (duration BETWEEN 1 AND 10000000),
    trim_start  integer NOT NULL CHECK (trim_start BETWEEN 0 AND 10000000),
    tsx_code    text NOT NULL CHECK (octet_length(tsx_code) <= 1048576), -- bytes: characters would unpack it each time
    props       jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(props) = 'object'),
    component   jsonb,
    diagnostics jsonb,
    writers     jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    deleted_at  timestamptz CHECK (deleted_at >= created_at),
    CONSTRAINT scenes_know_the_writers_of_what_they_must_have CHECK
        (writers ?& ARRAY['deleted', 'name', 'position', 'duration', 'trim_start', 'tsx_code'])
) WITH (fillfactor = 80);
CREATE INDEX scenes_in_order ON scenes (project_id, position, id);

-- The versions of a scene's code. A client that writes on within 30 s of its version's first text replaces the text; any
-- other writer begins a new version, so a text that somebody else overwrites stays.
CREATE TABLE scene_iterations (
    scene_id   hub_id NOT NULL REFERENCES scenes ON DELETE CASCADE,
    version    integer NOT NULL CHECK (version > 0),
    tsx_code   text NOT NULL CHECK (octet_length(tsx_code) <= 1048576),
    user_id    hub_id NOT NULL,
    client_id  hub_id NOT NULL,
    actor      text NOT NULL CHECK (actor IN ('person', 'brain', 'system')),
    run_id     hub_id,
    seq        bigint NOT NULL CHECK (seq > 0),
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL CHECK (changed_at >= created_at),
    PRIMARY KEY (scene_id, version),
    CONSTRAINT scene_iterations_are_of_one_edit_each UNIQUE (scene_id, seq)
);

CREATE TABLE messages (
    id         hub_id PRIMARY KEY,
    project_id hub_id NOT NULL REFERENCES projects ON DELETE CASCADE,
    seq        bigint NOT NULL CHECK (seq > 0),
    author     hub_id NOT NULL,
    text       text NOT NULL CHECK (octet_length(text) <= 131072),
    scene_id   hub_id, -- what it is about; the scene may be gone or yet to come
    asks       boolean NOT NULL,
    writers    jsonb NOT NULL CHECK (writers ?& ARRAY['deleted', 'text', 'scene', 'asks', 'author', 'at']),
    created_at timestamptz NOT NULL,
    deleted_at timestamptz CHECK (deleted_at >= created_at)
);
CREATE INDEX messages_by_seq ON messages (project_id, seq, id);
CREATE INDEX messages_by_time ON messages (project_id, created_at);

-- What a project prefers; it changes by edits.
CREATE TABLE project_memory (
    project_id hub_id NOT NULL REFERENCES projects ON DELETE CASCADE,
    key        text COLLATE "C" NOT NULL CHECK (key ~ '^[^.]{1,64}$'),
    value      jsonb, -- NULL: removed
    writers    jsonb NOT NULL CHECK (writers ? 'value'),
    PRIMARY KEY (project_id, key)
);

-- What a user prefers, whatever the project; it changes by HTTP under its own version.
CREATE TABLE memory (
    user_id    hub_id NOT NULL,
    key        text COLLATE "C" NOT NULL CHECK (key ~ '^[^.]{1,64}$'),
    value      jsonb NOT NULL,
    version    bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);

CREATE TABLE components (
    hash       text COLLATE "C" PRIMARY KEY CHECK (hash ~ '^[0-9a-f]{64}$'),
    bytes      integer NOT NULL CHECK (bytes > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE runs (
    id           hub_id PRIMARY KEY,
    project_id   hub_id NOT NULL REFERENCES projects ON DELETE CASCADE,
    message_id   hub_id REFERENCES messages ON DELETE SET NULL,
    requested_by hub_id NOT NULL,
    status       text NOT NULL DEFAULT 'waiting'
                 CHECK (status IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    ended_at     timestamptz CHECK (ended_at >= created_at),
    CONSTRAINT runs_end_when_they_are_over CHECK ((ended_at IS NOT NULL) = (status IN ('done', 'failed', 'cancelled'))),
    CONSTRAINT runs_are_asked_for_once UNIQUE (message_id)
);
CREATE INDEX runs_of_project ON runs (project_id, created_at);

CREATE TABLE proposals (
    id         hub_id PRIMARY KEY,
    project_id hub_id NOT NULL REFERENCES projects ON DELETE CASCADE,
    scene      hub_id,
    field      text CHECK (char_length(field) BETWEEN 1 AND 200),
    text       text CHECK (octet_length(text) <= 1048576),
    base       bigint,
    run        hub_id,
    status     text CHECK (status IN ('open', 'accepted', 'dismissed')),
    writers    jsonb NOT NULL CHECK (jsonb_typeof(writers) = 'object' AND writers <> '{}'),
    created_at timestamptz NOT NULL
);
CREATE INDEX proposals_of_project ON proposals (project_id);

CREATE TABLE share_links (
    id           hub_id PRIMARY KEY,
    project_id   hub_id NOT NULL REFERENCES projects ON DELETE CASCADE,
    token_digest bytea NOT NULL UNIQUE CHECK (octet_length(token_digest) = 32), -- the token itself is nowhere
    role         text NOT NULL CHECK (role IN ('editor', 'commenter', 'viewer')),
    created_by   hub_id NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz CHECK (expires_at > created_at),
    revoked_at   timestamptz CHECK (revoked_at >= created_at)
);
CREATE INDEX share_links_of_project ON share_links (project_id);
