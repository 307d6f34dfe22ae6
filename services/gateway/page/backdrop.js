// The moving picture behind the lobby: an empty arena, slow shots, no network.

import { ARENA_M } from "./render.js";

const WALLS = ["................", "................", "...##......##...", "...#........#...", "................", "......####......",
  "................", "..#...#..#...#..", "..#...#..#...#..", "................", "......####......", "................",
  "...#........#...", "...##......##...", "................", "................"].join("");
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

/** Returns the walls of the picture, one byte a cell. */
export function backdropWalls() {
  return Uint8Array.from(WALLS, (it) => (it === "#" ? 1 : 0));
}

/** Returns what to draw at `now` milliseconds: a function of time alone. */
export function backdropScene(now) {
  const t = STILL.matches ? 0 : now / 1000;
  const shots = [];
  for (let i = 0; i < 26; i += 1) {
    const turn = i * 2.399963 + 0.4, speed = 2 + (i % 5) * 0.7;
    const fold = (v) => { const m = ((v % (2 * ARENA_M)) + 2 * ARENA_M) % (2 * ARENA_M); return m > ARENA_M ? 2 * ARENA_M - m : m; };
    const vx = Math.cos(turn) * speed, vy = Math.sin(turn) * speed;
    shots.push({ x: fold(i * 13.7 + vx * t), y: fold(i * 7.3 + vy * t), vx: vx * 4, vy: vy * 4, owner: i & 15, fade: 0.55 });
  }
  const focus = { x: 32 + Math.sin(t / 19) * 12, y: 32 + Math.cos(t / 23) * 12 };
  return { players: [], shots, own: -1, focus, names: [], map: false };
}
