// Draws one frame. Knows metres and colours, nothing of the network.

import { TEAM_COLORS, drawGround, drawStanding, teamOf } from "./things.js";

export const ARENA_M = 64;
const CELLS = 16, CELL_M = 4;
const VIEW_SHORT_M = 19; // the shorter side of the screen shows this many metres
const VIEW_LONG_MAX_M = 40; // beyond it the server sends only now and then
const MARGIN_M = 2; // around the whole arena
const BAR_PX = 84; // below it
const BODY_M = 0.5;
const SELF = "#4de1ff";
const DPR_MAX = 2; // more pixels cost more than they show

/** Returns the colour of a seat, its team's if there are teams; the own seat is always the same. */
export function seatColor(seat, own, teams) {
  if (seat === own) return SELF;
  if (teams) return TEAM_COLORS[teamOf(seat)];
  const hue = [352, 24, 44, 66, 96, 128, 152, 214, 232, 250, 268, 284, 300, 316, 332, 10][seat & 15];
  return `hsl(${hue} 92% 68%)`;
}

export class Renderer {
  #walls = new Uint8Array(CELLS * CELLS);
  #edges = null;
  #overview = false;
  camera = { x: ARENA_M / 2, y: ARENA_M / 2, scale: 20 };

  constructor(canvas, sparks) {
    this.canvas = canvas;
    this.sparks = sparks;
    this.g = canvas.getContext("2d", { alpha: false });
    this.resize();
    addEventListener("resize", () => this.resize());
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, DPR_MAX);
    this.width = this.canvas.clientWidth || innerWidth;
    this.height = this.canvas.clientHeight || innerHeight;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.ratio = ratio;
    const short = Math.min(this.width, this.height), long = Math.max(this.width, this.height);
    this.camera.scale = this.#overview ? Math.min(this.width, this.height - BAR_PX) / (ARENA_M + 2 * MARGIN_M) : Math.max(short / VIEW_SHORT_M, long / VIEW_LONG_MAX_M);
  }

  /** Shows the whole arena, or what is around the focus. */
  set overview(on) {
    if (on === this.#overview) return;
    this.#overview = on;
    this.resize();
  }

  /** Takes the walls, one byte a cell, row by row. */
  set walls(cells) {
    this.#walls = cells;
    this.#edges = null;
  }
  get walls() { return this.#walls; }

  /** Returns where a point of the arena is on the canvas, in CSS pixels. */
  project(x, y) {
    return { x: this.width / 2 + (x - this.camera.x) * this.camera.scale, y: this.height / 2 + (y - this.camera.y) * this.camera.scale };
  }

  /** Draws `scene`: {players, shots, things, teams, own, focus, now, names}. */
  draw(scene) {
    const g = this.g, { scale } = this.camera;
    this.camera.x = scene.focus.x;
    this.camera.y = scene.focus.y + (this.#overview ? BAR_PX / 2 / scale : 0);
    const jolt = this.sparks.shake ** 2 * 7;
    const [jx, jy] = [(Math.random() - 0.5) * jolt, (Math.random() - 0.5) * jolt];
    g.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.#backdrop(g);
    g.setTransform(this.ratio * scale, 0, 0, this.ratio * scale,
      this.ratio * (this.width / 2 - this.camera.x * scale + jx), this.ratio * (this.height / 2 - this.camera.y * scale + jy));
    this.#floor(g);
    if (scene.things) drawGround(g, scene.things);
    this.#drawWalls(g);
    for (const shot of scene.shots) this.#shot(g, shot, scene.own, scene.teams);
    if (scene.things) drawStanding(g, scene.things);
    const alive = scene.players.filter((it) => it.alive);
    for (const player of alive) if (player.seat !== scene.own) this.#player(g, player, scene);
    for (const player of alive) if (player.seat === scene.own) this.#player(g, player, scene);
    this.sparks.draw(g);
    g.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    for (const player of alive) this.#label(g, player, scene);
    if (scene.map !== false && !this.#overview) this.#minimap(g, scene);
    this.#veil(g, scene);
  }

  #backdrop(g) {
    g.fillStyle = "#04060b";
    g.fillRect(0, 0, this.width, this.height);
  }

  #floor(g) {
    const { x, y, scale } = this.camera;
    const glow = g.createRadialGradient(x, y, 2, x, y, 30);
    glow.addColorStop(0, "#121a2c");
    glow.addColorStop(1, "#090d17");
    g.fillStyle = glow;
    g.fillRect(0, 0, ARENA_M, ARENA_M);
    const [x0, x1] = this.#span(x, this.width / scale), [y0, y1] = this.#span(y, this.height / scale);
    for (const [step, style] of [[1, "rgb(120 150 210 / .045)"], [CELL_M, "rgb(120 150 210 / .11)"]]) {
      g.strokeStyle = style;
      g.lineWidth = 1 / scale;
      g.beginPath();
      for (let at = Math.ceil(x0 / step) * step; at <= x1; at += step) { g.moveTo(at, y0); g.lineTo(at, y1); }
      for (let at = Math.ceil(y0 / step) * step; at <= y1; at += step) { g.moveTo(x0, at); g.lineTo(x1, at); }
      g.stroke();
    }
    this.#glowing(g, "rgb(110 140 255 / .8)", () => g.strokeRect(0, 0, ARENA_M, ARENA_M));
  }

  #span(center, size) { return [Math.max(0, center - size / 2 - 1), Math.min(ARENA_M, center + size / 2 + 1)]; }

  #glowing(g, color, trace) {
    g.strokeStyle = color;
    for (const [width, alpha] of [[0.5, 0.08], [0.24, 0.18], [0.07, 1]]) {
      g.lineWidth = width;
      g.globalAlpha = alpha;
      trace();
    }
    g.globalAlpha = 1;
  }

  // Only the sides between a wall and the floor are drawn, as one path for all cells.
  #outline() {
    const wall = (cx, cy) => cx >= 0 && cy >= 0 && cx < CELLS && cy < CELLS && this.#walls[cy * CELLS + cx];
    const body = new Path2D(), edge = new Path2D();
    for (let cy = 0; cy < CELLS; cy += 1) for (let cx = 0; cx < CELLS; cx += 1) {
      if (!wall(cx, cy)) continue;
      const x = cx * CELL_M, y = cy * CELL_M, far = CELL_M;
      body.rect(x, y, far, far);
      const line = (ax, ay, bx, by) => { edge.moveTo(ax, ay); edge.lineTo(bx, by); };
      if (!wall(cx, cy - 1)) line(x, y, x + far, y);
      if (!wall(cx, cy + 1)) line(x, y + far, x + far, y + far);
      if (!wall(cx - 1, cy)) line(x, y, x, y + far);
      if (!wall(cx + 1, cy)) line(x + far, y, x + far, y + far);
    }
    return { body, edge };
  }

  #drawWalls(g) {
    this.#edges ??= this.#outline();
    g.fillStyle = "#1b2540";
    g.fill(this.#edges.body);
    g.lineCap = "round";
    this.#glowing(g, "#7f95ff", () => g.stroke(this.#edges.edge));
  }

  #shot(g, shot, own, teams) {
    const color = seatColor(shot.owner, own, teams);
    const speed = Math.hypot(shot.vx, shot.vy) || 1;
    const tail = Math.min(0.9, speed * 0.05);
    const [tx, ty] = [shot.x - (shot.vx / speed) * tail, shot.y - (shot.vy / speed) * tail];
    g.save();
    g.globalCompositeOperation = "lighter";
    g.lineCap = "round";
    g.strokeStyle = color;
    for (const [width, alpha] of [[0.34, 0.16], [0.14, 0.85]]) {
      g.lineWidth = width;
      g.globalAlpha = alpha * (shot.fade ?? 1);
      g.beginPath();
      g.moveTo(tx, ty);
      g.lineTo(shot.x, shot.y);
      g.stroke();
    }
    g.fillStyle = "#fff";
    g.beginPath();
    g.arc(shot.x, shot.y, 0.07, 0, Math.PI * 2);
    g.fill();
    g.restore();
  }

  #player(g, player, scene) {
    const color = seatColor(player.seat, scene.own, scene.teams);
    const angle = (player.aim * Math.PI) / 128;
    g.save();
    g.translate(player.x, player.y);
    const halo = g.createRadialGradient(0, 0, 0.2, 0, 0, 1.5);
    halo.addColorStop(0, color);
    halo.addColorStop(1, "transparent");
    g.globalAlpha = player.seat === scene.own ? 0.3 : 0.2;
    g.fillStyle = halo;
    g.fillRect(-1.5, -1.5, 3, 3);
    g.globalAlpha = 1;
    g.rotate(angle);
    g.lineCap = "round";
    g.strokeStyle = "#04060b";
    g.lineWidth = 0.42;
    g.beginPath(); g.moveTo(0.2, 0); g.lineTo(0.86, 0); g.stroke();
    g.strokeStyle = color;
    g.lineWidth = 0.24;
    g.stroke();
    g.fillStyle = "#0c1220";
    g.beginPath(); g.arc(0, 0, BODY_M, 0, Math.PI * 2); g.fill();
    g.lineWidth = 0.13;
    g.stroke();
    g.fillStyle = color;
    g.globalAlpha = 0.25 + 0.75 * (player.hp / 100);
    g.beginPath(); g.arc(0, 0, 0.24, 0, Math.PI * 2); g.fill();
    g.restore();
  }

  #label(g, player, scene) {
    if (player.seat === scene.own) return;
    const at = this.project(player.x, player.y - 1.05);
    const name = scene.names[player.seat] ?? "";
    g.textAlign = "center";
    g.font = "600 12px system-ui, sans-serif";
    g.lineWidth = 3;
    g.strokeStyle = "rgb(4 6 11 / .85)";
    g.strokeText(name, at.x, at.y);
    g.fillStyle = "#dfe7fb";
    g.fillText(name, at.x, at.y);
    if (player.hp >= 100) return;
    const width = 34;
    g.fillStyle = "rgb(4 6 11 / .8)";
    g.fillRect(at.x - width / 2 - 1, at.y + 4, width + 2, 6);
    g.fillStyle = player.hp > 35 ? "#5df2a6" : "#ff5c6c";
    g.fillRect(at.x - width / 2, at.y + 5, (width * player.hp) / 100, 4);
  }

  #minimap(g, scene) {
    const size = Math.min(132, this.width * 0.22), x = 16, y = this.height - size - 16;
    if (this.width < 560) return;
    g.save();
    g.translate(x, y);
    g.scale(size / ARENA_M, size / ARENA_M);
    g.globalAlpha = 0.8;
    g.fillStyle = "#080c16";
    g.fillRect(0, 0, ARENA_M, ARENA_M);
    g.fillStyle = "#3a4a7a";
    this.#edges ??= this.#outline();
    g.fill(this.#edges.body);
    g.strokeStyle = "rgb(140 170 220 / .4)";
    g.lineWidth = 0.6;
    g.strokeRect(0, 0, ARENA_M, ARENA_M);
    g.globalAlpha = 1;
    for (const { x: fx, y: fy, team } of scene.things?.flags ?? []) {
      g.fillStyle = TEAM_COLORS[team];
      g.fillRect(fx - 1.6, fy - 1.6, 3.2, 3.2);
    }
    for (const player of scene.players) {
      if (!player.alive) continue;
      g.fillStyle = seatColor(player.seat, scene.own, scene.teams);
      g.beginPath();
      g.arc(player.x, player.y, player.seat === scene.own ? 1.9 : 1.4, 0, Math.PI * 2);
      g.fill();
    }
    g.restore();
  }

  #veil(g, scene) {
    const { width, height } = this;
    if (this.sparks.hurt > 0 || scene.dead) {
      const red = g.createRadialGradient(width / 2, height / 2, Math.min(width, height) * 0.3, width / 2, height / 2, Math.max(width, height) * 0.65);
      red.addColorStop(0, "transparent");
      red.addColorStop(1, `rgb(255 40 70 / ${Math.max(this.sparks.hurt * 0.5, scene.dead ? 0.35 : 0)})`);
      g.fillStyle = red;
      g.fillRect(0, 0, width, height);
    }
    if (this.sparks.hit > 0 && scene.pointer) {
      g.strokeStyle = `rgb(255 255 255 / ${this.sparks.hit})`;
      g.lineWidth = 2;
      g.beginPath();
      for (const [sx, sy] of [[1, 1], [1, -1], [-1, 1], [-1, -1]]) {
        g.moveTo(scene.pointer.x + sx * 6, scene.pointer.y + sy * 6);
        g.lineTo(scene.pointer.x + sx * 12, scene.pointer.y + sy * 12);
      }
      g.stroke();
    }
  }
}
