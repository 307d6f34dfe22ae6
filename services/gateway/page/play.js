// What every game's match has in common: frames in, inputs out, events once, a clock. A game extends it.

import { DecodeError, SEATS, WATCHES, splitFrame } from "./codec.js";
import { Timeline } from "./timeline.js";

const TICK_MS = 1000 / 60;
const STEPS_MAX = 8; // after a pause the input clock is set anew instead of running after
const LEAD_WANTED = 2; // ticks an input should come early
const LEAD_TRIM_MAX = 0.03; // the input clock runs at most 3 % fast or slow
const LEAD_RESET = 20; // further off than this it is set anew
const HOLD_MS = 100; // who watches says so often what is held
const KEPT_MAX = 512; // inputs kept, counted or not: an owner that goes on for one that died may know less than frames showed
const IDLE = { move_x: 0, move_y: 0, aim: 0, buttons: 0 };
const GAPS_KEPT = 9000; // five minutes of frames: the longest match
const GAP_BOUNDS_MS = [25, 50, 75, 100, 150, 250, 500, 1000, 3000];

/** Counts how long the waits between frames were. */
export class Gaps {
  bounds = GAP_BOUNDS_MS;
  counts = new Array(GAP_BOUNDS_MS.length + 1).fill(0);
  frames = 0;
  skipped = 0;
  longestMs = 0;
  longestTicks = 0;
  #recent = [];
  #last = null;

  add(tick, now, ticksPerFrame) {
    this.frames += 1;
    if (this.#last) {
      const ms = now - this.#last.now, ticks = tick - this.#last.tick;
      const at = this.bounds.findIndex((it) => ms <= it);
      this.counts[at < 0 ? this.bounds.length : at] += 1;
      this.#recent.push(ms);
      if (this.#recent.length > GAPS_KEPT) this.#recent.shift();
      this.longestMs = Math.max(this.longestMs, ms);
      this.longestTicks = Math.max(this.longestTicks, ticks);
      this.skipped += Math.max(0, Math.round(ticks / ticksPerFrame) - 1);
    }
    this.#last = { tick, now };
  }

  /** The waits of this match in milliseconds: {p50, p99, max, count}. */
  get summary() {
    const sorted = [...this.#recent].sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { p50: at(0.5), p99: at(0.99), max: this.longestMs, count: sorted.length };
  }

  /** The share of frames that never came: a newer one had replaced them. */
  get loss() { return this.frames + this.skipped === 0 ? 0 : this.skipped / (this.frames + this.skipped); }
}

/**
 * One match. A game's class has
 *   read(head, body, base)   the view of a frame: {tick, …}; `base` is the view it builds on, or null
 *   get seats()              what the newest view says of each seat: {here, alive, kills, deaths, …}
 *   get timeLimitTicks()     how long a match is
 *   get figures()            {rank?, score, banner, health?, ready?}: what stands over the field
 *   draw(renderer, now, dt, pointer)
 * and may have
 *   shown(view, before, head)   a frame came; `before` is the newest view so far
 *   act(seq, controls, tick)    an input is about to be sent
 *   took(kind)                  an event came
 *   anew()                      inputs count anew: what was sent is not counted any more
 */
export class Play {
  #clock = 0; // the tick of the next input, with a fraction
  #before = 0;
  #events = 0;
  #seq = 0;
  #kept = []; // the newest of what was sent
  #trim = 0;
  #heldAt = 0;
  timeline = new Timeline();
  gaps = new Gaps();
  standings = null;
  lead = 0;
  acknowledged = 0;
  fired = 0;
  scoreTitle = "Kills";

  constructor(start, welcome, sparks) {
    this.sparks = sparks;
    this.id = start.match_id;
    this.world = JSON.parse(start.rules);
    this.rules = this.world.rules ?? this.world;
    this.names = new Array(SEATS).fill("");
    this.bots = new Array(SEATS).fill(false);
    this.ticksPerFrame = Math.max(1, Math.round(welcome.tick_rate / (welcome.frame_rate || 30)));
    this.timeline.rate = welcome.frame_rate;
  }

  /** Takes a start: the first, or again after a resume. Returns what is to be sent again. */
  restart(start) {
    this.seat = start.seat;
    this.watching = start.seat === WATCHES;
    if (this.#events === 0) this.#events = start.event_seq;
    for (const seat of start.seats) this.seated(seat);
    this.owned(start.epoch, start.owner, start.release);
    const again = this.#unknownTo(start.input_seq);
    if (again) return again.map((it) => ({ ...it, ...this.seen }));
    this.#seq = start.input_seq;
    this.#kept = [];
    this.#clock = 0;
    this.anew?.();
    return [];
  }

  // The inputs after `seq`, the last one that the game has; null if they are not all there: it counts anew.
  #unknownTo(seq) {
    const again = this.#kept.filter((it) => it.seq > seq);
    return this.#clock > 0 && again.length === this.#seq - seq ? again : null;
  }

  seated({ seat, bot, name }) {
    this.names[seat] = name;
    this.bots[seat] = bot;
  }

  /** The match has this owner; the epoch never falls. */
  owned(epoch, instance, release) {
    if (epoch < (this.epoch ?? 0)) return;
    Object.assign(this, { epoch, instance, release });
  }

  /** What the server should know that we hold. */
  get seen() { return { ack_tick: this.timeline.newest?.tick ?? 0, ack_event: this.#events }; }

  get tick() { return this.timeline.newest?.tick ?? 0; }
  get over() { return this.standings !== null; }
  get secondsLeft() { return Math.max(0, (this.timeLimitTicks - this.tick) / 60); }

  /** Ticks pass at this pace, in quarters of real time. */
  paced(quarters) { if (this.watching) this.timeline.pace = quarters; }

  /** Own figures of the newest frame. */
  get me() { return this.seats[this.seat] ?? null; }

  /** All seats by score, for the table. */
  get table() {
    const rows = this.seats.map((it, seat) => ({ ...it, seat, name: this.names[seat], bot: this.bots[seat] }));
    return rows.filter((it) => it.here).sort((a, b) => b.kills - a.kills || a.deaths - b.deaths || a.seat - b.seat);
  }

  /** Takes a frame; false if it could not be used. */
  frame(bytes, now) {
    let head, view;
    try {
      const split = splitFrame(bytes);
      head = split.head;
      const base = head.baseline === null ? null : this.timeline.view(head.baseline);
      if (head.baseline !== null && !base) throw new DecodeError("baseline", `tick ${head.baseline} is not held`);
      view = this.read(head, split.body, base);
    } catch (error) {
      if (error instanceof DecodeError) { console.warn("frame dropped:", error.message); return false; }
      throw error;
    }
    if (head.epoch < this.epoch) return false; // an owner of the past
    this.epoch = head.epoch;
    this.lead = head.lead;
    this.acknowledged = head.input_seq;
    this.shown?.(view, this.timeline.newest, head);
    this.gaps.add(view.tick, now, this.ticksPerFrame);
    this.timeline.add(view, now);
    this.#trim = Math.max(-1, Math.min(1, (LEAD_WANTED - head.lead) / 8)) * LEAD_TRIM_MAX;
    if (Math.abs(head.lead - LEAD_WANTED) > LEAD_RESET && this.#clock > 0) this.#clock += LEAD_WANTED - head.lead;
    return true;
  }

  /** Takes an event; false if it was seen before. */
  happened({ seq, kind }) {
    if (seq <= this.#events) return false;
    this.#events = seq;
    if (kind.seat) this.seated(kind.seat);
    if (kind.end) this.standings = kind.end.standings;
    this.took?.(kind);
    return true;
  }

  /** The tick of the next input, with a fraction; 0 before it is known. */
  get clock() { return this.#clock; }

  /** Runs the input clock up to `now`; `sample` reads the controls, `send` sends one input. */
  advance(now, rttMs, sample, send) {
    if (this.watching) return this.#hold(now, send);
    if (!this.timeline.newest || this.over) return;
    const passed = (now - this.#before) / TICK_MS;
    this.#before = now;
    if (this.#clock === 0 || passed > STEPS_MAX) {
      this.#clock = Math.max(this.timeline.serverTick(now), this.tick) + rttMs / TICK_MS + LEAD_WANTED;
      return;
    }
    const from = Math.floor(this.#clock);
    this.#clock += passed * (1 + this.#trim);
    for (let tick = from + 1; tick <= Math.floor(this.#clock); tick += 1) {
      const { mx, my, aim, buttons } = sample();
      const controls = { move_x: mx, move_y: my, aim, buttons };
      this.#seq += 1;
      this.aim = aim;
      this.act?.(this.#seq, controls, tick);
      const input = { seq: this.#seq, tick, controls };
      this.#kept.push(input);
      if (this.#kept.length > KEPT_MAX) this.#kept.shift();
      send({ ...input, ...this.seen });
    }
  }

  // Who watches has no controls, but frames build on what is held.
  #hold(now, send) {
    if (!this.timeline.newest || now - this.#heldAt < HOLD_MS) return;
    this.#heldAt = now;
    this.#seq += 1;
    send({ seq: this.#seq, tick: this.tick, controls: IDLE, ...this.seen });
  }

  /** Returns a last input, which does nothing but tell that the end was seen. */
  farewell() {
    this.#seq += 1;
    const controls = { move_x: 0, move_y: 0, aim: this.aim ?? 0, buttons: 0 };
    return { seq: this.#seq, tick: Math.max(Math.floor(this.#clock), this.tick), controls, ...this.seen };
  }
}
