// The own player, ahead of the server: the exact integer movement of docs/simulation.md, replayed
// over the inputs the server has not yet counted. tests/vectors/movement.json holds examples.

export const METRE = 65536;
export const ARENA = 64 * METRE;
const CELL_SHIFT = 18;
const PENDING_MAX = 120; // two seconds of inputs; beyond them nobody believes a prediction
const SNAP_M = 2; // a larger correction is shown at once: it is a respawn, not a drift
const SMOOTHING_PER_S = 14; // how fast a small correction fades from view

const clamp = (x, low, high) => (x < low ? low : x > high ? high : x);

/** Returns the constants of movement of a match's start, with its walls as a table of bits. */
export function movementOf(world) {
  return { ...world.movement, walls: Uint32Array.from(world.movement.walls) };
}

/** Returns the walls as one byte a cell, row by row. */
export function wallCells(words) {
  return Uint8Array.from({ length: 256 }, (_, cell) => (words[cell >> 5] >>> (cell & 31)) & 1);
}

/** Whether a point lies in a wall's cell; points outside count to the nearest cell. */
export function wallAt(walls, x, y) {
  const cell = clamp(y >> CELL_SHIFT, 0, 15) * 16 + clamp(x >> CELL_SHIFT, 0, 15);
  return ((walls[cell >> 5] >>> (cell & 31)) & 1) !== 0;
}

function steer(axis, other) {
  const a = Math.abs(axis), b = Math.abs(other);
  const length = Math.max(a, b) + Math.trunc((Math.min(a, b) * 3) / 8);
  return length > 127 ? Math.trunc((axis * 127) / length) : axis;
}

function accelerate(v, stick, rules) {
  const push = Math.trunc((stick * rules.acceleration) / 128);
  const lost = Math.abs(v) >> rules.drag_shift;
  if (push === 0 && lost === 0) return 0;
  return clamp(v - (v < 0 ? -lost : lost) + push, -rules.speed_max, rules.speed_max);
}

function slide(from, v, radius, wall) {
  const confine = (p) => clamp(p, radius, ARENA - radius - 1);
  const wanted = from + (v << 4);
  let to = confine(wanted);
  const edge = v > 0 ? to + radius : to - radius;
  if (wall(edge, -radius) || wall(edge, radius)) {
    const near = (edge >> CELL_SHIFT) << CELL_SHIFT, far = near + (1 << CELL_SHIFT);
    to = confine(v > 0 ? near - radius - 1 : far + radius);
  }
  return [to, to === wanted ? v : 0];
}

/** Returns {x, y, vx, vy} of a living player after one tick with `controls`. */
export function step(rules, motion, controls) {
  const stickX = Math.max(-127, controls.move_x), stickY = Math.max(-127, controls.move_y);
  const wantX = accelerate(motion.vx, steer(stickX, stickY), rules);
  const wantY = accelerate(motion.vy, steer(stickY, stickX), rules);
  const { radius, walls } = rules;
  const [x, vx] = slide(motion.x, wantX, radius, (edge, side) => wallAt(walls, edge, motion.y + side));
  const [y, vy] = slide(motion.y, wantY, radius, (edge, side) => wallAt(walls, x + side, edge));
  return { x, y, vx, vy };
}

/** Follows the own player: `advance` once a tick, `reconcile` once a frame. */
export class Predictor {
  #pending = [];
  #offset = { x: 0, y: 0 };
  motion = null;
  before = null;
  cooldown = 0;
  corrections = 0;

  constructor(world) {
    this.rules = movementOf(world);
    this.cooldownTicks = world.rules.weapon.cooldown_ticks;
  }

  /** The number of inputs the server has not counted. */
  get pending() { return this.#pending.length; }

  /** Takes the input of a tick; returns true if it fires a shot by all we know. */
  advance(seq, controls) {
    this.#pending.push({ seq, controls });
    if (this.#pending.length > PENDING_MAX) this.#pending.shift();
    if (!this.motion) return false;
    this.before = this.motion;
    this.motion = step(this.rules, this.motion, controls);
    this.cooldown = Math.max(0, this.cooldown - 1);
    if (!(controls.buttons & 1) || this.cooldown > 0) return false;
    this.cooldown = this.cooldownTicks;
    return true;
  }

  /** Takes the server's word: `own` holds after the input `seq`; later ones are played again. */
  reconcile(own, seq) {
    this.#pending = this.#pending.filter((it) => it.seq > seq);
    if (!own || own.respawn > 0) {
      this.motion = null;
      this.before = null;
      return;
    }
    let motion = { x: own.x, y: own.y, vx: own.vx, vy: own.vy }, before = motion;
    let cooldown = own.cooldown;
    for (const { controls } of this.#pending) {
      before = motion;
      motion = step(this.rules, motion, controls);
      cooldown = Math.max(0, cooldown - 1);
      if (controls.buttons & 1 && cooldown === 0) cooldown = this.cooldownTicks;
    }
    if (this.motion) this.#smooth(motion);
    this.motion = motion;
    this.before = before;
    this.cooldown = cooldown;
  }

  /** Starts counting anew, after a match's start. */
  reset() {
    this.#pending = [];
    this.motion = null;
    this.before = null;
  }

  /** Returns where to draw the player, `fraction` of a tick after the last one, in metres. */
  position(fraction, dt) {
    const fade = Math.exp(-SMOOTHING_PER_S * dt);
    this.#offset.x *= fade;
    this.#offset.y *= fade;
    if (!this.motion) return null;
    const between = (key) => this.before[key] + (this.motion[key] - this.before[key]) * fraction;
    return { x: between("x") / METRE + this.#offset.x, y: between("y") / METRE + this.#offset.y };
  }

  #smooth(motion) {
    const dx = (this.motion.x - motion.x) / METRE, dy = (this.motion.y - motion.y) / METRE;
    if (dx !== 0 || dy !== 0) this.corrections += 1;
    if (Math.hypot(dx, dy) > SNAP_M) this.#offset = { x: 0, y: 0 };
    else { this.#offset.x += dx; this.#offset.y += dy; }
  }
}
