// The others, a little behind the server: frames by tick, the server's clock, what lies between.

const TICK_MS = 1000 / 60;
const VIEWS_MAX = 64; // the server keeps as many; an older baseline is not used
const SAMPLES_MAX = 120; // four seconds of arrivals for the clock and its jitter
const FRAMES_BEHIND = 2;
const EXTRAPOLATE_MAX_MS = 250;
const DELAY_MAX_MS = 250;
const SLEW_PER_S = 0.05; // the shown clock runs at most 5 % fast or slow
const JUMP_MS = 400; // beyond it the clock is set, not slewed
export const POSITION_UNITS = 128; // of a metre

export class Timeline {
  #views = [];
  #samples = [];
  #shown = null; // server milliseconds being shown, less local milliseconds
  #tickMs = TICK_MS;
  #still = false;
  frameMs = 1000 / 30;

  /** Sets how fast ticks pass, in quarters of real time: a replay may be wound on, or stand still. */
  set pace(quarters) {
    this.#still = quarters === 0;
    this.#tickMs = quarters ? (TICK_MS * 4) / quarters : TICK_MS;
  }

  /** Sets how often frames come. */
  set rate(framesPerSecond) { this.frameMs = 1000 / (framesPerSecond || 30); }

  get newest() { return this.#views.at(-1) ?? null; }

  /** Returns the view of `tick`, for a delta against it. */
  view(tick) { return this.#views.find((it) => it.tick === tick) ?? null; }

  /** Takes a view that arrived at `now`; one older than the newest only serves as a baseline. */
  add(view, now) {
    const at = this.#views.findLastIndex((it) => it.tick <= view.tick);
    if (at >= 0 && this.#views[at].tick === view.tick) return;
    this.#views.splice(at + 1, 0, view);
    if (this.#views.length > VIEWS_MAX) this.#views.shift();
    this.#samples.push(view.tick * this.#tickMs - now);
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  clear() {
    this.#views = [];
    this.#samples = [];
    this.#shown = null;
  }

  /** The earliest arrival of the last seconds tells the server's clock best: the rest was delayed. */
  get #offset() { return Math.max(...this.#samples); }

  /** Milliseconds that 95 % of the frames come late by, at most. */
  get jitterMs() {
    if (this.#samples.length === 0) return 0;
    const best = this.#offset;
    const late = this.#samples.map((it) => best - it).sort((a, b) => a - b);
    return late[Math.min(late.length - 1, Math.floor(late.length * 0.95))];
  }

  /** How far behind the server the others are shown. */
  get delayMs() { return Math.min(DELAY_MAX_MS, Math.max(FRAMES_BEHIND * this.frameMs, this.jitterMs + this.frameMs)); }

  /** Returns the tick to show at `now`, with a fraction; `dt` seconds passed since the last call. */
  tickAt(now, dt) {
    if (this.#views.length === 0) return 0;
    if (this.#still) return this.newest.tick;
    const wanted = this.#offset - this.delayMs;
    if (this.#shown === null || Math.abs(wanted - this.#shown) > JUMP_MS) this.#shown = wanted;
    const limit = SLEW_PER_S * dt * 1000;
    this.#shown += Math.max(-limit, Math.min(limit, wanted - this.#shown));
    const tick = (now + this.#shown) / this.#tickMs;
    return Math.max(this.#views[0].tick, Math.min(tick, this.newest.tick + EXTRAPOLATE_MAX_MS / TICK_MS));
  }

  /** Returns the server's tick of now, as far as arrivals tell. */
  serverTick(now) { return this.#samples.length ? (now + this.#offset) / this.#tickMs : 0; }

  /** Returns the views around `tick`: {from, to}; `to` is null past the newest. */
  around(tick) {
    const at = this.#views.findLastIndex((it) => it.tick <= tick);
    if (at < 0) return { from: this.#views[0] ?? null, to: null };
    return { from: this.#views[at], to: this.#views[at + 1] ?? null, last: this.#views[at - 1] ?? null };
  }

  /** Returns the players at `tick`, in metres. */
  players(tick) {
    const { from, to, last } = this.around(tick);
    if (!from) return [];
    // Past the newest frame a player goes on as in the last one.
    const [a, b] = to ? [from, to] : last ? [last, from] : [from, from];
    const share = b.tick > a.tick ? (tick - a.tick) / (b.tick - a.tick) : 0;
    return from.players.map((player, seat) => place(a.players[seat], b.players[seat], share, seat, player)).filter((it) => it.here);
  }
}

function place(a, b, share, seat, now) {
  const far = Math.hypot(b.x - a.x, b.y - a.y) > 4 * POSITION_UNITS; // a respawn is a jump, not a run
  const t = far || !a.alive || !b.alive ? (share < 1 ? 0 : 1) : share;
  const mix = (from, to) => (from + (to - from) * t) / POSITION_UNITS;
  const turn = ((((b.aim - a.aim) & 255) + 128) & 255) - 128;
  const { here, kills, deaths } = now;
  return { seat, here, alive: now.alive, kills, deaths, hp: now.health, x: mix(a.x, b.x), y: mix(a.y, b.y), aim: a.aim + turn * Math.min(1, t) };
}
