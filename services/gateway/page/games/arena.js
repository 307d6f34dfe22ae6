// The arena as the page plays it: predicts the own player, shows the others a little behind.

import { decodeView } from "../codec.js";
import { Play } from "../play.js";
import { METRE, Predictor, wallCells } from "../predict.js";
import { Shots } from "../shots.js";
import { Things } from "../things.js";

export class Arena extends Play {
  constructor(start, welcome, sparks) {
    super(start, welcome, sparks);
    this.predictor = new Predictor(this.world);
    this.walls = wallCells(this.predictor.rules.walls);
    this.shots = new Shots(this.world, this.predictor.rules.walls);
    this.things = new Things(this.world);
    this.restart(start);
  }

  anew() { this.predictor.reset(); }

  read(head, body, base) { return decodeView(head.tick, body, base); }

  shown(view, before, head) {
    this.#feel(before, view);
    this.predictor.reconcile(view.own, head.input_seq);
    this.shots.confirm(view, this.seat);
  }

  act(seq, controls, tick) {
    if (!this.predictor.advance(seq, controls)) return;
    this.shots.fire(this.predictor.motion, controls.aim, tick, this.seat);
    this.fired += 1;
  }

  took({ kill }) { if (kill) this.#fall(kill); }

  get seats() { return this.timeline.newest?.players ?? []; }
  get timeLimitTicks() { return this.rules.match.time_limit_ticks; }

  /** The teams' scores, own team first; null without teams. */
  get teamScores() {
    const scores = this.timeline.newest?.extras?.scores;
    const own = this.watching ? 0 : this.seat & 1;
    return this.things.teams && scores ? [scores[own], scores[own ^ 1]] : null;
  }

  /** What stands over the field. */
  get figures() {
    const { me, teamScores: teams } = this;
    const boostS = (this.timeline.newest?.extras?.boost ?? 0) / 60;
    const boost = boostS > 0 ? ` · ⚡ ${Math.ceil(boostS)} s` : "";
    const respawnS = (this.timeline.newest?.own?.respawn ?? 0) / 60;
    const full = this.rules.player.health;
    return {
      rank: teams ? `${teams[0]} : ${teams[1]}` : null,
      score: `${me.kills} ${me.kills === 1 ? "kill" : "kills"} · ${me.deaths} ${me.deaths === 1 ? "death" : "deaths"}${boost}`,
      health: { now: me.alive ? me.health : 0, full },
      ready: 1 - this.predictor.cooldown / this.predictor.cooldownTicks,
      banner: me.alive ? "" : `Back in ${Math.max(1, Math.ceil(respawnS))}…`,
    };
  }

  draw(renderer, now, dt, pointer) {
    renderer.draw({ ...this.#scene(now, dt), pointer });
  }

  #scene(now, dt) {
    const tick = this.timeline.tickAt(now, dt);
    const players = this.timeline.players(tick);
    const newest = this.timeline.newest;
    const own = players.find((it) => it.seat === this.seat);
    const at = this.predictor.position(this.clock % 1, dt);
    if (own && at) Object.assign(own, at, { aim: this.aim ?? own.aim, alive: true, hp: this.me.health });
    else if (own) own.alive = this.me?.alive ?? own.alive;
    this.focus = at ?? this.focus ?? (own ? { x: own.x, y: own.y } : { x: 32, y: 32 });
    const shots = this.shots.scene(this.timeline.around(tick), tick, this.clock || tick, this.seat, newest);
    const things = this.things.scene(this.timeline.around(tick), tick, players);
    return { players, shots, things, teams: this.things.teams, own: this.seat, focus: this.focus, names: this.names, dead: this.me ? !this.me.alive : false };
  }

  // Light for what changed between two frames: hits taken, hits given.
  #feel(before, after) {
    if (!before) return;
    after.players.forEach((player, seat) => {
      const was = before.players[seat];
      if (!player.here || player.health >= was.health || !was.alive) return;
      const [x, y] = [player.x / 128, player.y / 128];
      this.sparks.burst(x, y, "#ffd9a0", 8, 7);
      if (seat === this.seat) { this.sparks.hurt = 1; this.sparks.jolt(0.45); }
      else if (this.#mine(before, x, y)) this.sparks.hit = 1;
    });
  }

  #mine(view, x, y) {
    const tick = this.tick;
    return view.shots.some((it) => it.owner === this.seat
      && Math.hypot((it.x + (it.vx << 4) * (tick - it.at)) / METRE - x, (it.y + (it.vy << 4) * (tick - it.at)) / METRE - y) < 3);
  }

  #fall({ killer, victim }) {
    const player = this.timeline.newest?.players[victim];
    if (!player) return;
    const [x, y] = [player.x / 128, player.y / 128];
    this.sparks.burst(x, y, victim === this.seat ? "#4de1ff" : "#ff8095", 42, 13);
    this.sparks.ring(x, y, "#ffffff", 3.2);
    if (killer === this.seat || victim === this.seat) this.sparks.jolt(0.5);
  }
}
