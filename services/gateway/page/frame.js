// Frames: what one player sees at one tick, as a delta against a frame the page already holds.
// The twin of arena_wire::play::frame; every rule is in docs/protocol.md.

import { BitReader, DecodeError } from "./bits.js";

export const FRAME_TYPE = 0x85;
const SEATS = 16, SHOTS_MAX = 2048;
const POSITION_BITS = 15, STEP_BITS = 9, SLOT_BITS = 11, WORLD_BITS = 24;
const REMOVED_BITS_MIN = 1, ADDED_BITS_MIN = SLOT_BITS + 4 + 2 + 2 * WORLD_BITS + 32;
const DRONES_MAX = 64;
const NO_EXTRAS = Object.freeze({ scores: [0, 0], flags: ["home", "home"], pickups: 0, boost: 0, drones: [] });

const NOBODY = Object.freeze({ here: false, alive: false, health: 0, x: 0, y: 0, aim: 0, kills: 0, deaths: 0 });

/** Returns the view that full frames are encoded against. */
export function emptyView() {
  return { tick: 0, players: Array.from({ length: SEATS }, () => NOBODY), own: null, shots: [], extras: null };
}

/** Returns the head of a frame and the bytes of its body, whatever game's it is. */
export function splitFrame(bytes) {
  const input = new BitReader(bytes);
  const type = input.u8("type");
  if (type !== FRAME_TYPE) throw new DecodeError("type", `${type} is no frame`);
  const tick = input.u32("tick");
  const age = input.u8("age");
  if (tick === 0 || age >= tick) throw new DecodeError("age", `${age} at tick ${tick}`);
  const head = {
    tick, baseline: age > 0 ? tick - age : null, input_seq: input.u32("input_seq"), lead: input.signed(8, "lead"),
    finished: input.bit("finished"), epoch: input.gamma("epoch"),
  };
  return { head, body: input.rest() };
}

/** Reads the head of a frame alone. */
export function peekFrame(bytes) {
  return splitFrame(bytes).head;
}

/** Decodes a frame against `baseline`, the view of the tick its head names; returns {head, view}. */
export function decodeFrame(bytes, baseline) {
  const { head, body } = splitFrame(bytes);
  if (head.baseline !== null && baseline?.tick !== head.baseline) {
    throw new DecodeError("baseline", `tick ${head.baseline} is not held`);
  }
  return { head, view: decodeView(head.tick, body, head.baseline === null ? null : baseline) };
}

/** Decodes the body of a frame of the arena; `held` is the view it builds on, null for none. */
export function decodeView(tick, body, held) {
  const base = held ?? emptyView();
  const input = new BitReader(body);
  const flags = { here: input.bit("own here"), changed: input.bit("own changed"), extras: input.bit("extras") };
  const players = readPlayers(base.players, input);
  const own = readOwn(flags, base.own, input);
  const shots = readShots(tick, base.shots, input);
  const extras = flags.extras ? readExtras(base.extras ?? NO_EXTRAS, input) : null;
  input.finish();
  return { tick, players, own, shots, extras };
}

function readPlayers(base, input) {
  const mask = input.bits(SEATS, "players");
  return base.map((player, seat) => ((mask >>> seat) & 1 ? readPlayer(player, input) : player));
}

function readPlayer(base, input) {
  const player = { ...base };
  const moved = input.bit("moved"), turned = input.bit("turned"), hurt = input.bit("hurt"), scored = input.bit("scored");
  if (moved) {
    if (input.bit("near")) {
      player.x = stepped(base.x, input, "x");
      player.y = stepped(base.y, input, "y");
    } else {
      player.x = input.bits(POSITION_BITS, "x");
      player.y = input.bits(POSITION_BITS, "y");
    }
  }
  if (turned) player.aim = input.u8("aim");
  if (hurt) {
    player.here = input.bit("here");
    player.alive = input.bit("alive");
    player.health = input.u8("health");
  }
  if (scored) {
    player.kills = word(input, "kills");
    player.deaths = word(input, "deaths");
  }
  return player;
}

function stepped(from, input, field) {
  const to = from + input.signed(STEP_BITS, field);
  if (to < 0 || to >= 1 << POSITION_BITS) throw new DecodeError(field, `cannot be ${to}`);
  return to;
}

function word(input, field) {
  const value = input.gamma(field);
  if (value > 65535) throw new DecodeError(field, `cannot be ${value}`);
  return value;
}

function readOwn(flags, base, input) {
  if (!flags.here) return null;
  if (!flags.changed) {
    if (!base) throw new DecodeError("own changed", "an unchanged body that the baseline lacks");
    return base;
  }
  return {
    x: input.bits(WORLD_BITS, "own x"), y: input.bits(WORLD_BITS, "own y"),
    vx: input.signed(16, "own vx"), vy: input.signed(16, "own vy"),
    cooldown: input.u8("cooldown"), respawn: word(input, "respawn"),
  };
}

function readShots(tick, base, input) {
  const flying = base.filter((it) => it.until > tick);
  const removed = count(input, REMOVED_BITS_MIN, "removed");
  let index = 0;
  for (let i = 0; i < removed; i += 1) {
    index += input.gamma("skipped");
    if (index >= flying.length) throw new DecodeError("skipped", `shot ${index} of ${flying.length}`);
    flying.splice(index, 1);
  }
  const added = count(input, ADDED_BITS_MIN, "added");
  for (let i = 0; i < added; i += 1) flying.push(readShot(tick, input));
  flying.sort((a, b) => a.slot - b.slot);
  for (let i = 1; i < flying.length; i += 1) {
    if (flying[i].slot === flying[i - 1].slot) throw new DecodeError("slot", `${flying[i].slot} twice`);
  }
  return flying;
}

function readShot(tick, input) {
  const slot = input.bits(SLOT_BITS, "slot"), owner = input.bits(4, "owner");
  const at = tick - input.gamma("age of shot");
  if (at < 0) throw new DecodeError("age of shot", "a time before 0");
  const until = tick + input.gamma("ticks left") + 1;
  if (until > 0xffffffff) throw new DecodeError("ticks left", `cannot be ${until}`);
  return {
    slot, owner, at, until, x: input.bits(WORLD_BITS, "shot x"), y: input.bits(WORLD_BITS, "shot y"),
    vx: input.signed(16, "shot vx"), vy: input.signed(16, "shot vy"),
  };
}

function count(input, entryBits, field) {
  const value = input.gamma(field);
  const max = Math.min(Math.floor(input.left / entryBits), SHOTS_MAX);
  if (value > max) throw new DecodeError(field, `has length ${value}, the limit is ${max}`);
  return value;
}

function readExtras(base, input) {
  const scores = input.bit("scores") ? [word(input, "score"), word(input, "score")] : base.scores;
  const flags = base.flags.map((flag) => (input.bit("flag") ? readFlag(input) : flag));
  const pickups = input.bit("pickups") ? input.bits(16, "pickups") : base.pickups;
  const boost = input.bit("boost") ? input.u8("boost") : base.boost;
  const masks = [input.u32("drones"), input.u32("drones")];
  const before = new Map(base.drones.map((it) => [it.index, it]));
  const drones = [];
  for (let index = 0; index < DRONES_MAX; index += 1) {
    if ((masks[index >> 5] >>> (index & 31)) & 1) drones.push(readDrone(index, before.get(index), input));
  }
  return { scores, flags, pickups, boost, drones };
}

function readFlag(input) {
  const where = input.bits(2, "flag");
  if (where === 0) return "home";
  if (where === 1) return { carried: { seat: input.bits(4, "carrier") } };
  if (where === 2) return { dropped: { x: input.bits(POSITION_BITS, "flag x"), y: input.bits(POSITION_BITS, "flag y") } };
  throw new DecodeError("flag", `cannot be ${where}`);
}

function readDrone(index, base, input) {
  const position = () => ({ x: input.bits(POSITION_BITS, "drone x"), y: input.bits(POSITION_BITS, "drone y") });
  if (!base) return { index, ...position(), health: input.u8("drone health") };
  const drone = { ...base };
  if (input.bit("drone moved")) {
    Object.assign(drone, input.bit("drone near")
      ? { x: stepped(base.x, input, "drone x"), y: stepped(base.y, input, "drone y") } : position());
  }
  if (input.bit("drone hurt")) drone.health = input.u8("drone health");
  return drone;
}
