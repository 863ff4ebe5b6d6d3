// The frames of Scenehub, generated from its models by docs/reference/generate.py: do not edit.

/** WebSocket subprotocols: how frames are written. */
export const FLAVOURS = ["scenehub.v1.msgpack", "scenehub.v1.json"] as const;

/** Why the hub ends a session: 40xx do not come back, 41xx with a new token, 42xx later, 43xx afresh. */
export const CLOSE = {
  SUPERSEDED: 4000,
  FORBIDDEN: 4001,
  PROJECT_NOT_FOUND: 4002,
  UNSUPPORTED_VERSION: 4003,
  PROTOCOL_VIOLATION: 4004,
  REMOVED: 4005,
  TOKEN_EXPIRED: 4100,
  TOKEN_INVALID: 4101,
  STOPPING: 4200,
  STORE_AWAY: 4201,
  TOO_SLOW: 4202,
  RATE_LIMITED: 4203,
  SILENT: 4204,
  INTERNAL: 4205,
  FULL: 4206,
  HELLO_TIMEOUT: 4207,
  HISTORY_REPLACED: 4300,
  CLIENT_ID_TAKEN: 4301,
  DIVERGED: 4302,
} as const;

/** What `welcome.limits` announces where an operator has not changed it. */
export const DEFAULT_LIMITS: Limits = {
  frame_bytes: 1048576,
  ops_per_edit: 200,
  edit_bytes: 786432,
  in_flight: 64,
  edits_per_second: 200,
  edit_burst: 400,
  presence_per_second: 60,
  presence_bytes: 1024,
  outbox_bytes: 4194304,
  presence_outbox_bytes: 262144,
  room_queue_bytes: 67108864,
  scenes: 500,
  props: 200,
  memories: 500,
  members: 1500,
};

/** Who an edit is from, as the hub vouches for it; the client is part of the edit's id. */
export interface Actor {
  user: Id;
  kind?: ActorKind;
  run?: Id | null;
}

/** What sort of member acts. */
export type ActorKind = "person" | "brain" | "system";

/** A newer token for this session. */
export interface Auth {
  t: "auth";
  token: string;
}

/** A component that was built for a revision of a scene, before its pointer moves. */
export interface BuildNews {
  t: "build";
  scene: Id;
  seq: number;
  status?: string;
  detail?: Value;
}

/** The hub will close this session; come back after `retry_ms`. */
export interface Bye {
  t: "bye";
  code: number;
  words?: string;
  retry_ms?: number;
}

/** Stop a run. */
export interface Cancel {
  t: "cancel";
  run: Id;
}

/** A cell as it travels: value, seq of its write, and that write's client, counter and user. */
export type CellRow = [value: Value, seq: number, client: string, n: number, user: string];

/** What a client sends; unknown keys are refused by name. */
export type ClientFrame =
  | Hello
  | SendEdit
  | SendPresence
  | Sync
  | Cancel
  | Auth
  | Ping;

/** Edits that are durable: `seq` is the first one's, the others follow without a gap. */
export interface Commit {
  t: "commit";
  seq: number;
  edits: CommitRow[];
}

/** An edit in a commit. Its body is here only for those who cannot know it from a relay. */
export interface CommitRow {
  id: EditId;
  at: number;
  /** Per field: which edit's value, whose, written at which seq. */
  overwrote?: [FieldKey, EditId, string, number][];
  edit?: Edit | null;
  actor?: Actor | null;
  /** The whole state of scenes that it revived. */
  restored?: { [key: string]: { [key: string]: CellRow } } | null;
}

/** By the system: where a scene's build stands and what is published. */
export interface ComponentSet {
  kind: "component.set";
  id: Id;
  component?: Value;
  diagnostics?: Value;
}

/** What an author wants: frozen from the moment it is first sent. */
export interface Edit {
  id: EditId;
  epoch: Id;
  /** The seq that the author had confirmed, in `epoch`. */
  base: number;
  ops: (ProjectSet | SceneAdd | SceneSet | SceneMove | SceneDelete | SceneRestore | MessageAdd | MessageSet | MemorySet | ComponentSet | ProposalSet)[];
  /** Reject rather than overwrite what another client wrote after `base`. */
  guarded?: boolean;
  /** Relays that the author had in view on the fields it writes: no notice for those. */
  saw?: EditId[];
  /** Code that was written on top of an unsaved edit: it is stale unless that edit is what stands there. */
  upon?: Foundation[];
  undoes?: EditId | null;
  run?: Id | null;
}

/** An edit's id: the client that made it and the client's counter, contiguous from 1. */
export type EditId = [client: Id, n: number];

/** Kind, id and cells (by field) of an entity. */
export type EntityRow = [kind: string, id: string, cells: { [key: string]: CellRow }];

/** A frame was refused; `id` names the edit if it was one, which the hub has not taken. */
export interface Error {
  t: "error";
  /** One of `ErrorCode`; a newer hub may know more. */
  code: string;
  words: string;
  culprit?: string | null;
  id?: EditId | null;
  /** For `counter_gap`: the counter that the hub waits for. */
  expected?: number | null;
}

export type ErrorCode =
  | "malformed"
  | "unknown_frame"
  | "unexpected_frame"
  | "rate_limited"
  | "invalid"
  | "unknown_op"
  | "too_large"
  | "forbidden"
  | "read_only"
  | "stale"
  | "scene_deleted"
  | "not_found"
  | "id_taken"
  | "quota"
  | "client_id_taken"
  | "counter_gap"
  | "too_many_in_flight"
  | "unauthenticated"
  | "token_expired"
  | "project_not_found"
  | "unsupported_version"
  | "store_away"
  | "stopping"
  | "internal";

/** The address of a field: kind and id of its entity, and its name; a property's is `props.<key>`. */
export type FieldKey = [kind: string, id: string, field: string];

/** The unsaved edit, another's relay or an own one, that a scene's code was written on top of. */
export type Foundation = [scene: Id, relay: EditId];

/** The first frame: who I am and what I have. `counter` is the last one I ever used as this client. */
export interface Hello {
  t: "hello";
  token: string;
  client: Id;
  counter?: number;
  /** The lowest and the highest protocol minor that the client speaks. */
  minor?: [number, number];
  position?: Position | null;
  /** How many connections this client has opened, this one included: the latest one counts. */
  attempt?: number;
  /** Send a snapshot whatever the position is: it only says since when conflicts are to be told. */
  whole?: boolean;
  agent?: string;
}

/** What the hub sends; pass over keys, frames and kinds that you do not know. */
export type HubFrame =
  | Welcome
  | State
  | Relay
  | Commit
  | Reject
  | Unsaved
  | PresenceNews
  | RunNews
  | BuildNews
  | RoleNews
  | Pong
  | Error
  | Bye;

/** An id made by a client, unique in the installation. */
export type Id = string;

/** What a session may do; clients obey before they send. */
export interface Limits {
  /** Largest frame in either direction; larger states come in parts. */
  frame_bytes?: number;
  ops_per_edit?: number;
  edit_bytes?: number;
  /** Edits of a client that may wait for their outcome at the hub. */
  in_flight?: number;
  edits_per_second?: number;
  edit_burst?: number;
  presence_per_second?: number;
  presence_bytes?: number;
  /** Bytes waiting for a slow reader before its stream is cut and replaced by a delta. */
  outbox_bytes?: number;
  /** Bytes waiting for a reader above which it gets no presence. */
  presence_outbox_bytes?: number;
  /** Bytes of unsaved edits a room holds before it hands edits back. */
  room_queue_bytes?: number;
  /** Living scenes in a project. */
  scenes?: number;
  /** Properties of one scene or of the project. */
  props?: number;
  memories?: number;
  /** Sessions of a room on one node. */
  members?: number;
}

/** A member of a project as others see it, by client: two tabs of one person are two members. */
export interface Member {
  client: Id;
  user: Id;
  name: string;
  colour: string;
  role: Role;
  kind?: ActorKind;
  idle?: boolean;
  presence?: Presence | null;
}

/** Write a preference of the project; null removes it. */
export interface MemorySet {
  kind: "memory.set";
  key: string;
  value: Value;
}

/** Add a chat message; `scene` is the scene it is about, `asks` asks the brain for a run. */
export interface MessageAdd {
  kind: "message.add";
  id: Id;
  text: string;
  scene?: Id | null;
  asks?: boolean;
}

/** Fields of a chat message that may change after it was added. */
export interface MessageFields {
  text?: string;
  deleted?: boolean;
}

/** Change or delete a chat message. */
export interface MessageSet {
  kind: "message.set";
  id: Id;
  set: MessageFields;
}

/** A write that was overwritten by somebody who had not seen it; told to both, also on resume. */
export interface Notice {
  key: FieldKey;
  lost: EditId;
  lost_user: string;
  lost_seq: number;
  lost_value?: Value;
  by: EditId;
  by_user: string;
  by_seq: number;
}

/** What became of the client's own edits: all up to `counter` are committed but those in `rejects`. */
export interface Outcomes {
  counter: number;
  rejects?: RejectRow[];
  conflicts?: Notice[];
}

/** Are you there? Answered by `pong` with the same nonce. */
export interface Ping {
  t: "ping";
  nonce?: number;
}

/** Alive; `checksum` is of the confirmed state at `seq`. */
export interface Pong {
  t: "pong";
  nonce?: number;
  seq: number;
  checksum: number;
  at?: number;
}

/** A place in a project's history: comparable only within an epoch, and checked by the id at seq. */
export type Position = [epoch: string, seq: number, id: EditId | null];

/**
 * Where a member is. `selection` in UTF-16 units of the field's text, `cursor` in units that senders agree
 * upon, `playhead` in frames.
 */
export interface Presence {
  scene?: Id | null;
  field?: string | null;
  selection?: [number, number] | null;
  cursor?: [number, number] | null;
  playhead?: number | null;
  /** What the member is busy with, in words; the brain says here what it is doing. */
  activity?: string | null;
}

/** Members who came or changed, where members are now, and clients that are gone. */
export interface PresenceNews {
  t: "presence";
  members?: Member[];
  moved?: { [key: string]: Presence };
  gone?: string[];
  /** `members` is everybody: whoever is not named is gone. */
  whole?: boolean;
}

/** Fields of the project; width and height in pixels, fps in frames a second. */
export interface ProjectFields {
  name?: string;
  fps?: number;
  width?: number;
  height?: number;
  props?: { [key: string]: Value };
}

/** Write fields of the project. */
export interface ProjectSet {
  kind: "project.set";
  set: ProjectFields;
}

/** Fields of a proposal: a version of a scene's field that a person accepts or dismisses. */
export interface ProposalFields {
  scene?: Id;
  field?: string;
  text?: string;
  base?: number;
  run?: Id | null;
  status?: "open" | "accepted" | "dismissed";
}

/** By the system: add a proposal or change it. */
export interface ProposalSet {
  kind: "proposal.set";
  id: Id;
  set: ProposalFields;
}

/** An edit that can never be saved: everybody drops it, its author keeps what was typed. */
export interface Reject {
  t: "reject";
  id: EditId;
  /** One of `ErrorCode`; a newer hub may know more. */
  code: string;
  words?: string;
  culprit?: string | null;
  /** For `stale`, to the author: kind, id, field, value and seq of what stands there. */
  current?: [string, string, string, Value, number][];
}

/** An own edit that was rejected while its author was away. */
export interface RejectRow {
  n: number;
  /** One of `ErrorCode`; a newer hub may know more. */
  code: string;
  words: string;
}

/** Somebody's edit, valid but not saved yet. */
export interface Relay {
  t: "relay";
  edit: Edit;
  actor: Actor;
}

/** A relay within a state. */
export interface RelayRow {
  edit: Edit;
  actor: Actor;
}

/** What a member may do. */
export type Role = "owner" | "editor" | "commenter" | "viewer";

/** What you may do has changed. */
export interface RoleNews {
  t: "role";
  role: Role;
  read_only?: boolean;
  words?: string;
  /** After `auth`, the time left on the new token in milliseconds. */
  token_ms?: number | null;
}

/** How a run goes; text and code come in chunks addressed by message and offset. */
export interface RunNews {
  t: "run";
  run: Id;
  status?: string;
  message?: Id | null;
  offset?: number;
  chunk?: string;
  detail?: Value;
}

/** Add a scene at a position. */
export interface SceneAdd {
  kind: "scene.add";
  id: Id;
  position: string;
  name: string;
  duration: number;
  trim_start?: number;
  tsx_code?: string;
  props?: { [key: string]: Value };
}

/** Leave a tombstone for a scene. */
export interface SceneDelete {
  kind: "scene.delete";
  id: Id;
}

/** Fields of a scene; duration and trim_start in frames, tsx_code with \n line ends. */
export interface SceneFields {
  name?: string;
  duration?: number;
  trim_start?: number;
  tsx_code?: string;
  props?: { [key: string]: Value };
}

/** Give a scene another position. */
export interface SceneMove {
  kind: "scene.move";
  id: Id;
  position: string;
}

/** Revive a deleted scene under its own id. */
export interface SceneRestore {
  kind: "scene.restore";
  id: Id;
}

/** Write fields of a scene; a property set to null is removed. */
export interface SceneSet {
  kind: "scene.set";
  id: Id;
  set: SceneFields;
}

/** An edit; `age` in milliseconds since it was made. */
export interface SendEdit {
  t: "edit";
  edit: Edit;
  age?: number;
}

/** Where I am now: replaces what I said before. */
export interface SendPresence {
  t: "presence";
  presence: Presence;
}

/**
 * A delta or a snapshot, in `parts`; the last part carries relays and outcomes and takes effect. It replaces
 * the fields it names (everything, if a snapshot) and the whole set of relays; nothing is merged.
 */
export interface State {
  t: "state";
  reason: "delta" | "snapshot";
  /** Why it is a snapshot: first, asked, epoch_changed, unknown_position, log_thinned. */
  why?: string;
  part?: number;
  parts?: number;
  position: Position;
  /** The seq that a delta builds upon: who has not confirmed it cannot use the delta. */
  since?: number | null;
  entities?: EntityRow[];
  relays?: RelayRow[];
  outcomes?: Outcomes | null;
  /** False while the hub cannot save. */
  saving?: boolean;
}

/** Send me `state` from this position (a snapshot without one). */
export interface Sync {
  t: "sync";
  position?: Position | null;
}

/** Edits that are not saved. `held`: the hub goes on trying; else they are the author's again. */
export interface Unsaved {
  t: "unsaved";
  ids?: EditId[];
  held?: boolean;
  why?: string;
  retry_ms?: number | null;
}

/**
 * A free JSON value: integers within ±(2^53 − 1), no U+0000, no lone surrogates, no key `__proto__`, 32 deep
 * at most.
 */
export type Value = null | boolean | number | string | Value[] | { [key: string]: Value };

/** The answer to `hello`; `state` follows. */
export interface Welcome {
  t: "welcome";
  session: number;
  client: Id;
  user: Id;
  role: Role;
  project: Id;
  epoch: string;
  limits: Limits;
  members?: Member[];
  minor?: number;
  features?: string[];
  /** Time left on the token in milliseconds; null when it does not expire. */
  token_ms?: number | null;
  at?: number;
}
