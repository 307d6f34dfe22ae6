// Messages between browser and gateway: the twin of arena_wire::play. docs/protocol.md is the text,
// tests/vectors/play.json the examples that both must reproduce. Field names are those of the vectors.

import { BitReader, BitWriter, DecodeError } from "./bits.js";

export { DecodeError };
export { FRAME_TYPE, decodeFrame, decodeView, emptyView, peekFrame, splitFrame } from "./frame.js";

export const PROTOCOL_VERSION = 1;
/** FNV-1a of the schema text in docs/protocol.md: a gateway of another schema says "reload". */
export const SCHEMA_HASH = 0x38541a9f;
export const FIRE = 1;
export const SEATS = 16;

/** Codes that end a connection for good: resuming would end the same way. */
export const CODES = {
  BadMessage: 4000, Version: 4001, Unauthorized: 4002, ResumeExpired: 4003, TooFast: 4004, TooBig: 4005, TooSlow: 4006,
  TakenOver: 4007, Banned: 4008, Moved: 4009, Overloaded: 4010, HelloTimeout: 4011, Idle: 4012, Internal: 4013,
  OutOfPlace: 4014, Replayed: 4015, QueueRefused: 4100, PartyUnknown: 4101, NotLeader: 4102, MatchGone: 4103, Unavailable: 4104,
};

const MAX = { token: 2048, label: 63, name: 96, id: 13, code: 6, text: 512, endpoint: 255, rules: 61440, regions: 16, party: 16, own: 1024 };

const CLIENT = {
  hello(out, it) {
    out.bits(it.version, 16);
    out.bits(it.schema, 32);
    const resume = it.ack_tick !== undefined;
    out.bits(resume ? 1 : 0, 8);
    out.text(it.token, MAX.token);
    if (resume) { out.bits(it.ack_tick, 32); out.bits(it.ack_event, 32); }
  },
  queue(out, it) {
    out.text(it.mode, MAX.label);
    const rtts = it.rtts.slice(0, MAX.regions);
    out.bits(rtts.length, 16);
    for (const rtt of rtts) { out.text(rtt.region, MAX.label); out.bits(rtt.rtt_ms, 16); }
  },
  cancel() {},
  party_create(out, it) { out.text(it.mode, MAX.label); },
  party_join(out, it) { out.text(it.code, MAX.code); },
  party_leave() {},
  input(out, it) {
    out.bits(it.seq, 32);
    out.bits(it.tick, 32);
    out.bits(it.controls.move_x & 255, 8);
    out.bits(it.controls.move_y & 255, 8);
    out.bits(it.controls.aim, 8);
    out.bits(it.controls.buttons, 8);
    out.bits(it.ack_tick, 32);
    out.bits(it.ack_event, 32);
  },
  ping(out, it) { out.bits(it.sent_us, 32); },
  leave() {},
  watch(out, it) { out.text(it.match_id, MAX.id); out.bits(it.tick, 32); out.bits(it.pace, 8); },
};
const CLIENT_TYPES = Object.keys(CLIENT);

/** Returns the bytes of a client's message; `kind` is one of the names above. */
export function encode(kind, fields = {}) {
  const out = new BitWriter();
  out.bits(CLIENT_TYPES.indexOf(kind) + 1, 8);
  CLIENT[kind](out, fields);
  return out.finish();
}

const seat = (input, field) => {
  const value = input.u8(field);
  if (value >= SEATS) throw new DecodeError(field, `cannot be ${value}`);
  return value;
};
/** The seat of who only watches. */
export const WATCHES = 255;
const seatOrNone = (input, field) => {
  const value = input.u8(field);
  if (value >= SEATS && value !== WATCHES) throw new DecodeError(field, `cannot be ${value}`);
  return value;
};
const FLAG_CHANGES = ["taken", "dropped", "returned", "captured"];
const below = (input, limit, field) => {
  const value = input.u8(field);
  if (value >= limit) throw new DecodeError(field, `cannot be ${value}`);
  return value;
};
const seatName = (input) => ({ seat: seat(input, "seat"), bot: input.flag("bot"), name: input.text(MAX.name, "name") });
const standing = (input) => ({
  seat: seat(input, "seat"), rank: input.u8("rank"), bot: input.flag("bot"),
  kills: input.u16("kills"), deaths: input.u16("deaths"), name: input.text(MAX.name, "name"),
});

const QUEUE_STATES = [
  (input) => ({ idle: { reason: input.text(MAX.text, "reason") } }),
  (input) => ({ waiting: { waited_ms: input.u32("waited_ms"), tickets: input.u32("tickets"), window: input.u32("window"), reason: input.text(MAX.text, "reason") } }),
  (input) => ({ assigned: { match_id: input.text(MAX.id, "match_id") } }),
];
const EVENT_KINDS = [
  (input) => ({ kill: { killer: seat(input, "killer"), victim: seat(input, "victim") } }),
  (input) => ({ seat: seatName(input) }),
  (input) => ({ end: { standings: input.list(SEATS, "standings", () => standing(input)) } }),
  (input) => ({ flag: { team: below(input, 2, "team"), change: FLAG_CHANGES[below(input, 4, "change")], seat: seat(input, "seat") } }),
  (input) => ({ own: input.list(MAX.own, "own", () => input.u8("own")) }),
];
const choose = (input, table, field) => {
  const at = input.u8(field);
  if (at >= table.length) throw new DecodeError(field, `cannot be ${at}`);
  return table[at](input);
};

const SERVER = {
  0x81: ["welcome", (input) => ({
    session: input.text(MAX.id, "session"), player: input.text(MAX.id, "player"), name: input.text(MAX.name, "name"),
    resume_token: input.text(MAX.token, "resume_token"), region: input.text(MAX.label, "region"),
    release: input.text(MAX.label, "release"), instance: input.text(MAX.label, "instance"),
    tick_rate: input.u8("tick_rate"), frame_rate: input.u8("frame_rate"), resumed: input.flag("resumed"),
  })],
  0x82: ["queue", (input) => choose(input, QUEUE_STATES, "state")],
  0x83: ["party", (input) => (input.flag("in_party") ? {
    code: input.text(MAX.code, "code"), leader: input.text(MAX.id, "leader"), mode: input.text(MAX.label, "mode"), queued: input.flag("queued"),
    members: input.list(MAX.party, "members", () => ({ player: input.text(MAX.id, "player"), name: input.text(MAX.name, "name") })),
  } : null)],
  0x84: ["start", (input) => ({
    match_id: input.text(MAX.id, "match_id"), seat: seatOrNone(input, "seat"), epoch: input.u32("epoch"), owner: input.text(MAX.label, "owner"),
    release: input.text(MAX.label, "release"), game: input.text(MAX.label, "game"), mode: input.text(MAX.label, "mode"), tick: input.u32("tick"), input_seq: input.u32("input_seq"),
    event_seq: input.u32("event_seq"), rules: input.text(MAX.rules, "rules"), seats: input.list(SEATS, "seats", () => seatName(input)),
  })],
  0x86: ["event", (input) => ({ seq: input.u32("seq"), tick: input.u32("tick"), kind: choose(input, EVENT_KINDS, "kind") })],
  0x87: ["move", (input) => ({
    endpoint: input.text(MAX.endpoint, "endpoint"), resume_token: input.text(MAX.token, "resume_token"),
    after_ms: input.u32("after_ms"), within_ms: input.u32("within_ms"),
  })],
  0x88: ["error", (input) => ({ code: input.u16("code"), text: input.text(MAX.text, "text") })],
  0x89: ["pong", (input) => ({ sent_us: input.u32("sent_us"), received_us: input.u32("received_us"), answered_us: input.u32("answered_us") })],
  0x8a: ["owner", (input) => ({
    match_id: input.text(MAX.id, "match_id"), epoch: input.u32("epoch"), instance: input.text(MAX.label, "instance"),
    release: input.text(MAX.label, "release"), moving: input.flag("moving"),
  })],
  0x8b: ["rating", (input) => ({ match_id: input.text(MAX.id, "match_id"), before: input.signed(32, "before"), after: input.signed(32, "after") })],
  0x8c: ["playback", (input) => ({
    match_id: input.text(MAX.id, "match_id"), first: input.u32("first"), last: input.u32("last"), tick: input.u32("tick"),
    pace: input.u8("pace"), live: input.flag("live"),
  })],
};

/** Reads a server's message that is not a frame; returns [kind, fields]. */
export function decode(bytes) {
  const input = new BitReader(bytes);
  const type = input.u8("type");
  const entry = SERVER[type];
  if (!entry) throw new DecodeError("type", `no message has type ${type}`);
  const fields = entry[1](input);
  input.finish();
  return [entry[0], fields];
}
