// A client of Scenehub in plain JavaScript, without our library; docs/howto/write-a-client.md explains it.
//
// node minimal.mjs ws://127.0.0.1:8787/v1/projects/PROJECT/ws TOKEN [EDITS] adds a scene and counts in one of its
// properties. It comes back by itself when the line is cut. Frames go to standard error. Needs Node 22 (20 and 21 with
// --experimental-websocket), or a browser: nothing here is Node's own but the lines at the end.
//
// It keeps the confirmed state by applying each edit as it is committed; minimal.py takes it from `state` alone.

const AGAIN = ["counter_gap", "too_many_in_flight", "rate_limited", "store_away", "read_only"];
const key = (id) => id.join(".");

class Client {
  id = crypto.randomUUID();
  counter = 0;
  attempt = 0;
  pause = 100;
  position = null; // [epoch, seq, id of the edit at seq]
  cells = new Map(); // "kind id" → field → value
  relays = new Map(); // edits of others that are not saved yet
  pending = []; // own edits without an outcome, in order

  constructor(url, token, changed) {
    Object.assign(this, { url, token, changed });
  }

  edit(...ops) {
    const [epoch, base] = this.position ?? ["none", 0];
    this.pending.push({ id: [this.id, ++this.counter], epoch, base, ops });
    this.pump();
  }

  open() {
    const socket = (this.socket = new WebSocket(this.url, "scenehub.v1.json"));
    Object.assign(this, { joined: false, sent: 0, parts: [] });
    let beat, silence;
    const alive = () => {
      clearTimeout(silence);
      silence = setTimeout(() => socket.close(), 25_000);
    };
    socket.onopen = () => {
      const { token, id, counter, position } = this;
      this.say("hello", { token, client: id, counter, position, attempt: ++this.attempt });
      beat = setInterval(() => this.say("ping"), 8_000);
      alive();
    };
    socket.onmessage = ({ data }) => {
      alive();
      console.error("←", data);
      this.hear(JSON.parse(data));
      this.pump();
      this.changed(this);
    };
    socket.onerror = () => {}; // the close follows
    socket.onclose = ({ code }) => {
      clearInterval(beat);
      clearTimeout(silence);
      if (this.socket !== socket) return; // ended on purpose
      this.joined = false;
      console.error("✂", code);
      if ((code >= 4000 && code < 4200) || code === 4301) throw new Error(`the hub does not want this client back: ${code}`);
      if (code >= 4300 && code < 4400) this.position = null;
      setTimeout(() => this.open(), this.pause * (0.5 + Math.random() / 2));
      this.pause = Math.min(2 * this.pause, 10_000);
    };
  }

  end() {
    const { socket } = this;
    this.socket = null;
    socket.close();
  }

  say(t, more = {}) {
    console.error("→", JSON.stringify({ t, ...more, ...("token" in more && { token: "…" }) }));
    this.socket.send(JSON.stringify({ t, ...more }));
  }

  pump() {
    if (!this.joined) return;
    for (const edit of this.pending.slice(0, this.limits.in_flight)) {
      if (edit.id[1] <= this.sent) continue;
      this.sent = edit.id[1];
      this.say("edit", { edit });
    }
  }

  hear(frame) {
    if (frame.t === "welcome") this.limits = frame.limits;
    else if (frame.t === "state") this.replace(frame);
    else if (frame.t === "relay") this.relays.set(key(frame.edit.id), frame.edit);
    else if (frame.t === "commit" && this.joined) this.confirm(frame);
    else if (frame.t === "reject") this.settle(frame.id);
    else if (frame.t === "unsaved" && !frame.held && frame.ids?.some(([client]) => client === this.id)) this.socket.close();
    else if (frame.t === "error" && AGAIN.includes(frame.code)) this.socket.close(); // the next hello tells what to send
    else if (frame.t === "error") throw new Error(frame.words);
    else if (frame.t === "bye") this.pause = frame.retry_ms ?? this.pause;
  }

  replace(frame) {
    this.parts = frame.part ? [...this.parts, frame] : [frame];
    if (this.parts.length < frame.parts) return;
    if (frame.reason === "snapshot") this.cells.clear();
    else if (frame.since > this.position[1]) return this.say("sync", { position: this.position });
    for (const [kind, id, cells] of this.parts.flatMap((part) => part.entities)) this.write(kind, id, valuesOf(cells));
    this.relays = new Map(frame.relays.map(({ edit }) => [key(edit.id), edit]));
    this.pending = this.pending.filter((edit) => edit.id[1] > (frame.outcomes?.counter ?? 0));
    Object.assign(this, { position: frame.position, joined: true, pause: 100 });
  }

  confirm(frame) {
    for (const [place, { id, edit, restored }] of frame.edits.entries()) {
      const seq = frame.seq + place;
      if (seq <= this.position[1]) continue;
      const body = edit ?? this.relays.get(key(id)) ?? this.pending.find((own) => key(own.id) === key(id));
      if (seq > this.position[1] + 1 || !body) return this.say("sync", { position: this.position });
      body.ops.forEach((op) => this.apply(op));
      for (const [scene, cells] of Object.entries(restored ?? {})) this.write("scene", scene, valuesOf(cells));
      this.position = [this.position[0], seq, id];
      this.settle(id);
    }
  }

  settle(id) {
    this.relays.delete(key(id));
    this.pending = this.pending.filter((edit) => key(edit.id) !== key(id));
  }

  apply({ kind, id, key, set, ...added }) {
    const [entity, verb] = kind.split(".");
    const { props = {}, ...fields } = set ?? added;
    for (const [name, value] of Object.entries(props)) fields[`props.${name}`] = value;
    if (["add", "delete", "restore"].includes(verb)) fields.deleted = verb === "delete";
    this.write(entity, id ?? key ?? "project", fields);
  }

  write(kind, id, fields) {
    const known = fields.deleted ? {} : this.cells.get(`${kind} ${id}`);
    this.cells.set(`${kind} ${id}`, { ...known, ...fields });
  }
}

const valuesOf = (cells) => Object.fromEntries(Object.entries(cells).map(([field, [value]]) => [field, value]));

// What it is used for here.

const [url, token, edits = "10"] = process.argv.slice(2);
const scene = crypto.randomUUID();
let counted = 0;
const client = new Client(url, token, (client) => {
  if (!client.joined || client.pending.length) return;
  if (counted < Number(edits) - 1) return client.edit({ kind: "scene.set", id: scene, set: { props: { count: ++counted } } });
  console.log(JSON.stringify({ client: client.id, connections: client.attempt, scene: client.cells.get(`scene ${scene}`) }));
  client.end();
});
client.edit({ kind: "scene.add", id: scene, position: "a0", name: "Counting", duration: 30 });
client.open();
