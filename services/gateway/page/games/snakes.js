// Snakes as the page plays it: reads what games/snakes writes, draws the board. docs/games.md has the layout.

import { DecodeError } from "../codec.js";
import { Play } from "../play.js";
import { seatColor } from "../render.js";

const SNAKES = 8;
const TAKEN = 1, BOT = 2;
const WAYS = [[1, 0], [0, 1], [-1, 0], [0, -1]];
const MARGIN_PX = 72; // room for the figures above and the strip below
const ATE = 1; // the first byte of an own event: a snake ate, its seat follows

/** Reads the body of a frame against the view it builds on, null for none; returns the view of `tick`. */
export function decodeView(tick, body, base) {
  let at = 0;
  const u8 = (field) => {
    if (at >= body.length) throw new DecodeError(field, "the bytes end inside");
    return body[at++];
  };
  const u16 = (field) => u8(field) + 256 * u8(field);
  const snakes = base ? [...base.snakes] : new Array(SNAKES).fill(null);
  const mask = u8("changed");
  for (let seat = 0; seat < SNAKES; seat += 1) if ((mask >> seat) & 1) snakes[seat] = readSnake(u8, u16);
  const food = u8("food");
  const cells = food ? Array.from({ length: food - 1 }, () => [u8("food x"), u8("food y")]) : (base?.food ?? []);
  if (at < body.length) throw new DecodeError("end", `${body.length - at} bytes follow`);
  return { tick, snakes, food: cells };
}

function readSnake(u8, u16) {
  const flags = u8("flags"), wait = u8("wait"), points = u16("points"), deaths = u16("deaths"), length = u8("length");
  const body = [];
  if (length > 0) {
    let [x, y] = [u8("head x"), u8("head y")], ways = 0;
    body.push([x, y]);
    for (let i = 0; i < length - 1; i += 1) {
      if (i % 4 === 0) ways = u8("way");
      const [dx, dy] = WAYS[(ways >> (2 * (i % 4))) & 3];
      [x, y] = [x + dx, y + dy];
      body.push([x, y]);
    }
  }
  return { here: (flags & TAKEN) !== 0, bot: (flags & BOT) !== 0, alive: length > 0, wait, kills: points, deaths, body };
}

export class Snakes extends Play {
  scoreTitle = "Points";
  ate = 0;

  constructor(start, welcome, sparks) {
    super(start, welcome, sparks);
    this.restart(start);
  }

  read(head, body, base) { return decodeView(head.tick, body, base); }

  took({ own }) {
    if (own?.[0] !== ATE) return;
    const head = this.timeline.newest?.snakes[own[1]]?.body[0];
    if (own[1] === this.seat) this.ate += 1;
    if (head) this.eaten = { x: head[0], y: head[1], until: performance.now() + 250 };
  }

  get seats() { return this.timeline.newest?.snakes ?? []; }
  get timeLimitTicks() { return this.rules.time_limit_ticks; }
  get focus() {
    const head = this.me?.body[0];
    return head ? { x: head[0], y: head[1] } : null;
  }

  get figures() {
    const me = this.me;
    const length = me?.body.length ?? 0;
    return {
      score: `${me?.kills ?? 0} points · length ${length}`,
      banner: me?.here && !me.alive ? `Back in ${Math.max(1, Math.ceil(me.wait / 10))}…` : "",
    };
  }

  draw(renderer, now, dt) {
    const { g, width, height, ratio } = renderer;
    const { width: columns, height: rows } = this.rules;
    const cell = Math.max(4, Math.floor(Math.min(width / columns, (height - 2 * MARGIN_PX) / rows)));
    const left = Math.round((width - cell * columns) / 2), top = Math.round((height - cell * rows) / 2);
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = "#04060b";
    g.fillRect(0, 0, width, height);
    g.translate(left, top);
    board(g, columns, rows, cell);
    const { from } = this.timeline.around(this.timeline.tickAt(now, dt));
    if (!from) return;
    for (const [x, y] of from.food) {
      g.fillStyle = "#ffd166";
      g.beginPath();
      g.arc((x + 0.5) * cell, (y + 0.5) * cell, cell * 0.28, 0, Math.PI * 2);
      g.fill();
    }
    from.snakes.forEach((snake, seat) => { if (snake?.alive) this.#snake(g, snake, seat, cell); });
    if (this.eaten?.until > now) ring(g, this.eaten, cell, Math.min(1, (this.eaten.until - now) / 250)); // a frame may begin before the bite was heard of
  }

  #snake(g, snake, seat, cell) {
    const at = ([x, y]) => [(x + 0.5) * cell, (y + 0.5) * cell];
    g.strokeStyle = seatColor(seat, this.seat, false);
    g.lineWidth = cell * 0.72;
    g.lineCap = "round";
    g.lineJoin = "round";
    g.beginPath();
    g.moveTo(...at(snake.body[0]));
    for (const it of snake.body) g.lineTo(...at(it));
    g.stroke();
    const [x, y] = at(snake.body[0]);
    g.fillStyle = "#04060b";
    g.beginPath();
    g.arc(x, y, cell * 0.16, 0, Math.PI * 2);
    g.fill();
    if (seat === this.seat) return;
    g.font = "600 12px system-ui, sans-serif";
    g.textAlign = "center";
    g.fillStyle = "#dfe7fb";
    g.fillText(this.names[seat], x, y - cell * 0.7);
  }
}

function board(g, columns, rows, cell) {
  g.fillStyle = "#0b101c";
  g.fillRect(0, 0, columns * cell, rows * cell);
  g.strokeStyle = "rgb(120 150 210 / .07)";
  g.lineWidth = 1;
  g.beginPath();
  for (let x = 0; x <= columns; x += 1) { g.moveTo(x * cell, 0); g.lineTo(x * cell, rows * cell); }
  for (let y = 0; y <= rows; y += 1) { g.moveTo(0, y * cell); g.lineTo(columns * cell, y * cell); }
  g.stroke();
  g.strokeStyle = "#7f95ff";
  g.lineWidth = 2;
  g.strokeRect(0, 0, columns * cell, rows * cell);
}

function ring(g, { x, y }, cell, left) {
  g.globalAlpha = left;
  g.strokeStyle = "#ffd166";
  g.lineWidth = 2;
  g.beginPath();
  g.arc((x + 0.5) * cell, (y + 0.5) * cell, cell * (1.4 - left), 0, Math.PI * 2);
  g.stroke();
  g.globalAlpha = 1;
}
