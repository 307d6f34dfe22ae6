// What some matches have beside players and shots: cover, pick-ups, flags, drones, teams.

const CELL_M = 4, UNITS = 128;
export const TEAM_COLORS = ["#5aa9ff", "#ff9a4d"];

/** Returns the team of a seat. */
export const teamOf = (seat) => seat & 1;

/** Returns the middle of a cell in metres. */
const middle = (cell) => ({ x: (cell & 15) * CELL_M + CELL_M / 2, y: (cell >> 4) * CELL_M + CELL_M / 2 });

/** What a match's start says of its things. */
export class Things {
  constructor(world) {
    const words = Uint32Array.from(world.cover ?? []);
    this.cover = Array.from({ length: 256 }, (_, cell) => cell).filter((cell) => (words[cell >> 5] >>> (cell & 31)) & 1).map(middle);
    this.pickups = (world.pickups ?? []).map(middle);
    this.homes = (world.homes ?? []).map(middle);
    this.teams = (world.rules.match?.mode ?? "deathmatch") !== "deathmatch";
    this.droneHealth = world.rules.drones?.health ?? 1;
  }

  /** Returns what to draw of the views {from, to} at `tick`; `players` are where they are drawn. */
  scene({ from, to }, tick, players) {
    const now = from?.extras;
    if (!now) return { cover: this.cover, pickups: [], flags: [], drones: [] };
    const share = to?.extras && to.tick > from.tick ? Math.min(1, (tick - from.tick) / (to.tick - from.tick)) : 0;
    const next = new Map((to?.extras?.drones ?? []).map((it) => [it.index, it]));
    const drones = now.drones.map((it) => {
      const then = next.get(it.index) ?? it;
      const far = Math.hypot(then.x - it.x, then.y - it.y) > 4 * UNITS; // it stood up elsewhere
      const mix = (a, b) => (a + (b - a) * (far ? 0 : share)) / UNITS;
      return { x: mix(it.x, then.x), y: mix(it.y, then.y), health: it.health / this.droneHealth };
    });
    const pickups = this.pickups.map((at, index) => ({ ...at, boosts: index % 2 === 1, there: (now.pickups >>> index) & 1 }));
    const flags = this.homes.map((home, team) => ({ team, home, ...this.#flag(now.flags[team], home, players) }));
    return { cover: this.cover, pickups, flags, drones };
  }

  #flag(flag, home, players) {
    if (flag.carried) {
      const carrier = players.find((it) => it.seat === flag.carried.seat);
      return carrier ? { x: carrier.x + 0.5, y: carrier.y - 0.5, away: true } : { ...home, away: true, unseen: true };
    }
    if (flag.dropped) return { x: flag.dropped.x / UNITS, y: flag.dropped.y / UNITS, away: true };
    return { ...home, away: false };
  }
}

/** Draws what lies on the floor: cover, pick-ups, the flags' homes. */
export function drawGround(g, things) {
  g.fillStyle = "rgb(90 200 150 / .13)";
  for (const { x, y } of things.cover) g.fillRect(x - CELL_M / 2 + 0.15, y - CELL_M / 2 + 0.15, CELL_M - 0.3, CELL_M - 0.3);
  for (const { home, team } of things.flags) {
    g.strokeStyle = TEAM_COLORS[team];
    g.lineWidth = 0.12;
    g.beginPath(); g.arc(home.x, home.y, 1.25, 0, Math.PI * 2); g.stroke();
  }
  for (const it of things.pickups) if (it.there) drawPickup(g, it);
}

function drawPickup(g, { x, y, boosts }) {
  g.fillStyle = boosts ? "#ffd84d" : "#5df2a6";
  if (boosts) {
    g.beginPath();
    for (const [dx, dy] of [[0.15, -0.7], [-0.4, 0.1], [-0.05, 0.1], [-0.15, 0.7], [0.4, -0.1], [0.05, -0.1]]) g.lineTo(x + dx, y + dy);
    g.fill();
    return;
  }
  g.fillRect(x - 0.16, y - 0.5, 0.32, 1);
  g.fillRect(x - 0.5, y - 0.16, 1, 0.32);
}

/** Draws what stands: drones and flags. */
export function drawStanding(g, things) {
  for (const { x, y, health } of things.drones) {
    g.fillStyle = "#1a0f1e";
    g.strokeStyle = "#ff5ccf";
    g.lineWidth = 0.12;
    g.beginPath();
    for (let i = 0; i < 6; i += 1) g.lineTo(x + 0.45 * Math.cos((i * Math.PI) / 3), y + 0.45 * Math.sin((i * Math.PI) / 3));
    g.closePath();
    g.fill();
    g.globalAlpha = 0.4 + 0.6 * Math.min(1, health);
    g.stroke();
    g.globalAlpha = 1;
  }
  for (const { x, y, team, unseen } of things.flags) {
    if (unseen) continue;
    g.strokeStyle = "#dfe7fb";
    g.lineWidth = 0.09;
    g.beginPath(); g.moveTo(x, y + 0.5); g.lineTo(x, y - 1); g.stroke();
    g.fillStyle = TEAM_COLORS[team];
    g.beginPath(); g.moveTo(x, y - 1); g.lineTo(x + 0.9, y - 0.72); g.lineTo(x, y - 0.42); g.fill();
  }
}
