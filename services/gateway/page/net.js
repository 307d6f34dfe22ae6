// The WebSocket: hello, resume, move, and reconnection with jittered backoff.

import { CODES, FRAME_TYPE, PROTOCOL_VERSION, SCHEMA_HASH, decode, encode } from "./codec.js";

const RESUME_KEY = "arena.resume-token";
const BACKOFF_MIN_MS = 200, BACKOFF_MAX_MS = 5000;
const PING_MS = 1000;
const SILENCE_MAX_MS = 6000; // no answer to six pings: the way is dead, whatever the socket says
const WELCOME_MAX_MS = 8000;
const FORMER_MAX_MS = 2000; // the new way shows the match long before, or never
const OF_MATCH = new Set(["event", "owner"]);
const FATAL = new Set([CODES.Version, CODES.Banned, CODES.TakenOver]);

const store = {
  read() { try { return sessionStorage.getItem(RESUME_KEY); } catch { return null; } },
  write(token) { try { if (token) sessionStorage.setItem(RESUME_KEY, token); else sessionStorage.removeItem(RESUME_KEY); } catch { /* memory holds it */ } },
};

/**
 * Keeps one session alive over sockets and gateways.
 * `on` gets: message(kind, fields), frame(bytes), link("up" | "down" | "moving"), fatal(code, text), rtt(ms).
 */
export class Link {
  #socket = null;
  #next = null; // the socket a move opens beside the old one
  #former = null; // the socket a session moves from, until the new one shows the match
  #started = true; // the match's start has come on the socket there is: inputs go over it
  #resume = store.read();
  #failures = 0;
  #timers = new Set();
  #endpoint = "";
  #lastHeard = 0;
  #stopped = false;
  #outbox = [];
  #leaving = false; // a move was told: what is said now is for the next gateway
  #unanswered = null; // what was said last, until something comes that may be the answer
  counts = { connects: 0, resumes: 0, moves: 0, drops: 0 };

  constructor(account, seen, playing, on) {
    this.account = account;
    this.seen = seen; // () => {ack_tick, ack_event}
    this.playing = playing; // () => whether there is a match that a new socket will go on with
    this.on = on;
    setInterval(() => this.#ping(), PING_MS);
    addEventListener("online", () => { if (!this.#socket) this.#reconnect(0); });
  }

  /** Opens the first connection. */
  start() { this.#open(); }

  get up() { return this.#socket !== null; }

  /** Sends a message; what is more than an input waits for a lost connection, and for the next one, which is opened at once. */
  send(kind, fields) {
    const socket = kind === "input" && !this.#started ? this.#former : this.#socket;
    const bytes = encode(kind, fields), keeps = kind !== "input" && kind !== "ping";
    if (socket?.readyState === WebSocket.OPEN && !(keeps && this.#leaving)) {
      socket.send(bytes);
      if (keeps) this.#unanswered = bytes;
    } else if (keeps) {
      this.#hold(bytes);
      if (this.#leaving && !this.#next) this.#open();
    }
  }

  #hold(bytes) { if (this.#outbox.length < 8) this.#outbox.push(bytes); }

  /** Starts a new session, for example under another name. */
  async renew() {
    this.#resume = null;
    store.write(null);
    this.account.forget();
    this.#socket?.close(1000);
  }

  #url() {
    if (this.#endpoint) return `${this.#endpoint}/v1/play`;
    return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/play`;
  }

  async #open() {
    let token = this.#resume, fields;
    if (token) {
      fields = { version: PROTOCOL_VERSION, schema: SCHEMA_HASH, token, ...this.seen() };
    } else {
      try {
        token = await this.account.token();
      } catch (error) {
        if (error.status === 403) return this.#fatal(CODES.Banned, error.message);
        return this.#reconnect();
      }
      fields = { version: PROTOCOL_VERSION, schema: SCHEMA_HASH, token };
    }
    if (this.#stopped) return;
    this.#connect(fields);
  }

  #connect(hello) {
    const socket = new WebSocket(this.#url());
    socket.binaryType = "arraybuffer";
    this.#next = socket;
    const patience = this.#after(WELCOME_MAX_MS, () => socket.close());
    socket.onopen = () => socket.send(encode("hello", hello));
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket && !socket.welcomed) this.#cancel(patience);
      this.#receive(socket, new Uint8Array(data));
    };
    socket.onclose = ({ code, reason }) => { this.#cancel(patience); this.#closed(socket, code, reason); };
  }

  #receive(socket, bytes) {
    this.#lastHeard = performance.now();
    if (bytes[0] === FRAME_TYPE) {
      if (socket === this.#socket) this.#retire();
      if (socket === this.#socket || socket === this.#former) this.on.frame(bytes);
      return;
    }
    let kind, fields;
    try { [kind, fields] = decode(bytes); } catch (error) { console.warn("message dropped:", error.message); return; }
    if (kind === "welcome") this.#welcome(socket, fields);
    else if (kind === "pong") this.on.rtt(((performance.now() * 1000 - fields.sent_us) >>> 0) / 1000);
    else if (kind === "move") this.#move(fields);
    else if (socket === this.#former && OF_MATCH.has(kind)) this.on.message(kind, fields);
    else if (socket === this.#socket || socket === this.#next) {
      if (kind === "start" || kind === "queue") this.#started = true;
      if (!OF_MATCH.has(kind)) this.#unanswered = null;
      if (kind === "queue") this.#retire(); // there is no match to go on with
      this.on.message(kind, fields);
    }
  }

  #welcome(socket, welcome) {
    socket.welcomed = true;
    this.#leaving = false;
    const old = this.#socket;
    this.#socket = socket;
    this.#next = null;
    this.#failures = 0;
    this.#keep(welcome.resume_token);
    this.counts.connects += 1;
    if (welcome.resumed) this.counts.resumes += 1;
    const playing = welcome.resumed && this.playing();
    this.#started = !playing;
    this.#retire();
    if (old && old !== socket) {
      this.counts.moves += 1;
      this.#former = old;
      if (playing) this.#after(FORMER_MAX_MS, () => { if (this.#former === old) this.#retire(); });
      else this.#retire();
    }
    this.on.link("up");
    this.on.message("welcome", welcome);
    for (const bytes of this.#outbox.splice(0)) socket.send(bytes);
    this.#ping();
  }

  // The new socket has taken over.
  #retire() {
    const former = this.#former;
    this.#former = null;
    if (!former) return;
    former.onclose = null;
    former.close(1000);
  }

  // The gateway goes away: the new socket is opened first, the old one closes once the new one shows the match.
  #move({ endpoint, resume_token, after_ms, within_ms }) {
    this.#keep(resume_token);
    this.#endpoint = endpoint;
    this.on.link("moving");
    this.#leaving = true;
    if (this.#unanswered) this.#hold(this.#unanswered); // it came too late there
    this.#unanswered = null;
    const wait = after_ms + Math.random() * Math.max(0, within_ms - after_ms);
    this.#after(wait, () => { if (this.#leaving && !this.#next) this.#open(); });
  }

  #closed(socket, code, reason) {
    if (socket === this.#next) {
      this.#next = null;
      if (this.#socket && !this.#stopped) this.#after(this.#backoff(), () => this.#open());
      else this.#lost(code, reason);
      return;
    }
    if (socket === this.#former) { this.#former = null; return; }
    if (socket !== this.#socket && this.#socket) return;
    if (this.#next) { this.#socket = null; return; } // the new socket is on its way already
    if (this.#socket) this.counts.drops += 1;
    this.#socket = null;
    this.#lost(code, reason);
  }

  #lost(code, reason) {
    if (FATAL.has(code)) return this.#fatal(code, reason);
    if (code === CODES.ResumeExpired) { this.#keep(null); this.on.message("expired", {}); }
    if (code === CODES.Unauthorized) { this.#keep(null); this.account.forget(); }
    this.on.link("down");
    this.#endpoint = code === CODES.Moved ? this.#endpoint : "";
    this.#reconnect();
  }

  #fatal(code, text) {
    this.#stopped = true;
    this.on.link("down");
    this.on.fatal(code, text);
  }

  #reconnect(wait = this.#backoff()) { if (!this.#stopped) this.#after(wait, () => { if (!this.#socket && !this.#next) this.#open(); }); }

  // Full jitter: a gateway that died must not be met by all its players at once.
  #backoff() {
    const limit = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures);
    this.#failures += 1;
    return limit / 4 + Math.random() * limit * 0.75;
  }

  #keep(token) { this.#resume = token; store.write(token); }

  #ping() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    if (this.#lastHeard && performance.now() - this.#lastHeard > SILENCE_MAX_MS) return this.#silent();
    this.send("ping", { sent_us: (performance.now() * 1000) >>> 0 });
  }

  #silent() {
    const socket = this.#socket;
    socket.onclose = null;
    socket.close();
    this.#lastHeard = 0;
    this.#closed(socket, 1006, "");
  }

  #after(ms, act) {
    const timer = setTimeout(() => { this.#timers.delete(timer); act(); }, ms);
    this.#timers.add(timer);
    return timer;
  }

  #cancel(timer) { clearTimeout(timer); this.#timers.delete(timer); }
}
