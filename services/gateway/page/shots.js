// Projectiles: sent once, followed here by the rules of docs/simulation.md; own ones shown at once.

import { ARENA, METRE, wallAt } from "./predict.js";

const TICKS = 60;
const UNCONFIRMED_TICKS = 30; // a shot the server never saw vanishes after this
const MATCH_TICKS = 8; // a predicted and a real shot this close in time are the same one
const FOLLOWED_MAX = 4096; // the slots of the largest match, twice

/** Returns the shot one tick later, or null if it ends at a wall. */
export function fly(shot, walls, bounces) {
  const flown = { x: shot.x + (shot.vx << 4), y: shot.y + (shot.vy << 4) };
  const reflect = (p) => { const a = p < 0 ? -p : p; return Math.min(a, 2 * ARENA - a); };
  let x = reflect(flown.x), y = reflect(flown.y);
  let vx = x === flown.x ? shot.vx : -shot.vx, vy = y === flown.y ? shot.vy : -shot.vy;
  if (wallAt(walls, x, y)) {
    if (!bounces) return null;
    const back = (p, v) => Math.max(0, Math.min(ARENA, p - (v << 4)));
    const backX = back(x, vx), backY = back(y, vy);
    const freeX = !wallAt(walls, backX, y), freeY = !wallAt(walls, x, backY);
    if (freeX || !freeY) { x = backX; vx = -vx; }
    if (freeY || !freeX) { y = backY; vy = -vy; }
    if (wallAt(walls, x, y)) return null;
  }
  return { x, y, vx, vy };
}

export class Shots {
  #followed = new Map(); // slot/at → {tick, x, y, vx, vy, ended}
  #own = []; // predicted, not yet confirmed

  constructor({ rules, projectile }, walls) {
    this.walls = walls;
    this.bounces = projectile.bounces;
    this.lifetime = rules.weapon.lifetime_ticks;
    this.speed = Math.floor((rules.weapon.speed_mm_s * 4096) / 60000);
    this.pellets = rules.weapon.pellets;
    this.spread = rules.weapon.spread;
  }

  /** Shows the own shot of `tick` before the server has said so. */
  fire(motion, aim, tick, owner) {
    for (let i = 0; i < this.pellets; i += 1) {
      const spread = this.pellets > 1 ? (Math.random() * 2 - 1) * this.spread : 0;
      const angle = ((aim + spread) * Math.PI) / 128;
      const cos = Math.cos(angle), sin = Math.sin(angle);
      const inside = (p) => Math.max(0, Math.min(ARENA, Math.round(p)));
      const shot = {
        owner, at: tick, x: inside(motion.x + cos * METRE), y: inside(motion.y + sin * METRE),
        vx: Math.round(this.speed * cos), vy: Math.round(this.speed * sin),
      };
      if (!wallAt(this.walls, shot.x, shot.y)) this.#own.push(shot);
    }
  }

  /** Takes a new view: real own shots replace the predicted ones. */
  confirm(view, own) {
    for (const shot of view.shots) {
      if (shot.owner !== own || this.#followed.has(key(shot))) continue;
      const twin = this.#own.findIndex((it) => Math.abs(it.at - shot.at) <= MATCH_TICKS);
      if (twin >= 0) this.#own.splice(twin, 1);
      this.#follow(shot, shot.at);
    }
    if (this.#followed.size > FOLLOWED_MAX) this.#forget(view.tick);
  }

  /** Returns what to draw: others' shots at `tick`, own ones at `ahead`; in metres and m/s. */
  scene({ from, to }, tick, ahead, own, newest) {
    const seen = new Map();
    for (const shot of from?.shots ?? []) seen.set(key(shot), shot);
    for (const shot of to?.shots ?? []) if (shot.at <= tick) seen.set(key(shot), shot);
    const drawn = [];
    for (const shot of seen.values()) if (shot.owner !== own) this.#push(drawn, shot, tick);
    for (const shot of newest?.shots ?? []) if (shot.owner === own) this.#push(drawn, shot, ahead);
    this.#own = this.#own.filter((it) => ahead - it.at < UNCONFIRMED_TICKS && !it.ended);
    for (const shot of this.#own) this.#push(drawn, shot, ahead);
    return drawn;
  }

  clear() {
    this.#followed.clear();
    this.#own = [];
  }

  #push(drawn, shot, tick) {
    const whole = Math.floor(tick);
    if (whole < shot.at || (shot.until !== undefined && whole >= shot.until)) return;
    const now = this.#follow(shot, whole);
    if (now.ended) { shot.ended = true; return; }
    const part = tick - whole, unit = METRE / 16;
    drawn.push({
      owner: shot.owner, x: now.x / METRE + (now.vx / unit) * part, y: now.y / METRE + (now.vy / unit) * part,
      vx: (now.vx / unit) * TICKS, vy: (now.vy / unit) * TICKS,
    });
  }

  #follow(shot, tick) {
    const name = key(shot);
    let now = this.#followed.get(name);
    if (!now || now.tick > tick) now = { tick: shot.at, x: shot.x, y: shot.y, vx: shot.vx, vy: shot.vy, ended: false };
    while (now.tick < tick && !now.ended) {
      const next = fly(now, this.walls, this.bounces);
      now = next ? { ...next, tick: now.tick + 1, ended: false } : { ...now, ended: true };
    }
    this.#followed.set(name, now);
    return now;
  }

  #forget(tick) {
    for (const [name, it] of this.#followed) if (it.tick < tick - 2 * this.lifetime) this.#followed.delete(name);
    if (this.#followed.size > FOLLOWED_MAX) this.#followed.clear();
  }
}

const key = (shot) => `${shot.slot ?? "own"}/${shot.at}/${shot.owner}/${shot.vx}/${shot.vy}`;
