// Ties the page together: one link, one match at a time, one frame loop.

import { CODES, WATCHES } from "./codec.js";
import { backdropScene, backdropWalls } from "./backdrop.js";
import { GAMES } from "./games.js";
import * as hud from "./hud.js";
import { Input } from "./input.js";
import { Lobby } from "./lobby.js";
import { Link } from "./net.js";
import { Renderer } from "./render.js";
import { Account, status } from "./rest.js";
import { Sparks } from "./sparks.js";
import { Watch, wanted } from "./watch.js";

const RTT_SHARE = 0.2; // weight of a new round-trip time in the smoothed one
const MOVING_AFTER_MS = 700; // a frame this late means that the match is moving or the way is bad
const FIGURES_MS = 100;
const $ = (id) => document.getElementById(id);

const sparks = new Sparks();
const renderer = new Renderer($("field"), sparks);
const input = new Input($("field"), { move: $("stick-move"), aim: $("stick-aim") });
const account = new Account();
const page = { welcome: null, match: null, screen: "lobby", link: "down", rtt: 0, moving: false, lastFrame: 0, results: 0, errors: [] };

const link = new Link(account, () => page.match?.seen ?? { ack_tick: 0, ack_event: 0 }, () => page.screen === "match", {
  message: (kind, fields) => handlers[kind]?.(fields),
  frame: (bytes) => { if (page.match?.frame(bytes, performance.now())) page.lastFrame = performance.now(); },
  link: (state) => { page.link = state; if (state === "down" && page.screen === "lobby") lobby.update({ idle: { reason: "" } }); },
  rtt: (ms) => { page.rtt = page.rtt ? page.rtt + (ms - page.rtt) * RTT_SHARE : ms; lobby.rtt = page.rtt; },
  fatal: (code, text) => hud.notice(fatalText(code, text), true),
});
const lobby = new Lobby(link, account);
const watch = new Watch(link, { leave: () => { link.send("leave"); toLobby(); }, copy });

const handlers = {
  welcome(it) {
    page.welcome = it;
    account.player = it.player;
    lobby.region = it.region;
    if (document.activeElement !== $("name")) $("name").value = it.name;
    if (watch.id) { watch.resume(); return; } // nobody remembers what we watched but we
    if (it.resumed) { lobby.refresh(); return; }
    lobby.partied(null);
    lobby.update({ idle: { reason: "" } });
    const id = wanted();
    toLobby();
    if (id) watch.start(id);
  },
  queue(it) {
    if (it.idle && page.screen === "match") toLobby(); // the match ended while we were away
    lobby.update(it);
  },
  party: (it) => lobby.partied(it),
  start(it) {
    page.moving = false;
    if (it.seat === WATCHES) return show(it);
    if (page.match?.id === it.match_id && page.screen === "match") resume(it);
    else begin(it);
  },
  event(it) {
    if (!page.match?.happened(it)) return;
    if (it.kind.kill) hud.kill(page.match, it.kind.kill);
    if (it.kind.flag) hud.flag(page.match, it.kind.flag);
    if (it.kind.end && page.match.watching) $("scores").hidden = false;
    else if (it.kind.end) finish();
  },
  owner(it) {
    if (page.match?.id !== it.match_id) return;
    page.match.owned(it.epoch, it.instance, it.release);
    page.moving = it.moving;
  },
  playback: (it) => { watch.update(it); page.match?.paced(it.pace); },
  rating: (it) => { if (page.match?.id === it.match_id) hud.rating(it); lobby.refresh(); },
  error(it) {
    page.errors.push(it.code);
    if (it.code === CODES.MatchGone && watch.missing()) return hud.notice("The replay is on its way…");
    if (it.code === CODES.MatchGone && page.screen !== "lobby") toLobby();
    if (it.code === CODES.MatchGone) watch.stop();
    hud.notice(it.text);
  },
  expired() { if (page.screen === "match") { toLobby(); hud.notice("The session is over: log in again by pressing Play."); } },
};

function fatalText(code, text) {
  if (code === CODES.Version) return "A new version is out: reload the page.";
  if (code === CODES.TakenOver) return "The game goes on in another tab or window. Reload to play here.";
  return text || "This account cannot play now.";
}

/** Makes the match of a start; false if this page does not know its game. */
function made(start) {
  const Game = GAMES[start.game];
  if (!Game) { hud.notice(`This page cannot show ${start.game}: reload it.`, true); return false; }
  page.match = new Game(start, page.welcome, sparks);
  page.game = start.game;
  hud.scoreTitle(page.match.scoreTitle);
  if (page.match.walls) renderer.walls = page.match.walls;
  return true;
}

function begin(start) {
  if (!made(start)) return;
  page.lastFrame = performance.now();
  enter("match");
  input.active = true;
  $("field").focus({ preventScroll: true });
  $("feed").replaceChildren();
  lobby.update({ assigned: {} });
}

/** Goes on with a match: what the game does not have yet is sent again. */
function resume(start) {
  for (const it of page.match.restart(start)) link.send("input", it);
}

function show(start) {
  if (watch.id !== start.match_id) return; // it was left meanwhile
  if (!made(start)) return;
  page.match.paced(watch.pace);
  renderer.overview = true;
  page.lastFrame = performance.now();
  $("feed").replaceChildren();
  $("scores").hidden = true;
  if (page.screen !== "watch") enter("watch");
  history.replaceState(null, "", `#watch=${start.match_id}`);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    hud.notice("Link copied.");
  } catch {
    hud.notice(text);
  }
}

function finish() {
  input.active = false;
  input.release();
  link.send("input", page.match.farewell());
  page.results += 1;
  hud.result(page.match);
  enter("result");
}

function toLobby() {
  page.match = null;
  page.moving = false;
  renderer.overview = false;
  watch.stop();
  if (wanted()) history.replaceState(null, "", location.pathname);
  input.active = false;
  input.release();
  renderer.walls = backdropWalls();
  enter("lobby");
  lobby.refresh();
}

function enter(screen) {
  page.screen = screen;
  hud.show(screen);
}

input.onscores = (on) => { $("scores").hidden = !(on && (page.screen === "match" || page.screen === "watch")); if (on) hud.table("scores-rows", page.match.table, page.match.seat); };
$("leave").addEventListener("click", () => { link.send("leave"); toLobby(); });
$("to-lobby").addEventListener("click", toLobby);
$("replay").addEventListener("click", () => { const { id } = page.match; toLobby(); watch.start(id, 0); });
$("share").addEventListener("click", () => copy(watch.link_to(page.match.id)));
$("watch-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("watch-id").value.trim();
  const id = wanted(`#watch=${text.split("#watch=").at(-1)}`);
  if (id) watch.start(id);
  else hud.notice("A match has a name of 13 letters and digits, or a link that ends with one.");
});
addEventListener("hashchange", () => { if (wanted() && wanted() !== watch.id && page.screen !== "match") watch.start(wanted()); });
$("again").addEventListener("click", () => { toLobby(); lobby.queue(); });

let before = performance.now(), figuresAt = 0;
function loop(now) {
  const dt = Math.min(0.1, (now - before) / 1000);
  before = now;
  const match = page.match;
  sparks.step(dt);
  if (match) {
    const center = match.focus ? renderer.project(match.focus.x, match.focus.y) : { x: renderer.width / 2, y: renderer.height / 2 };
    match.advance(now, page.rtt, () => input.sample(center), (it) => link.send("input", it));
    match.draw(renderer, now, dt, input.pointer);
  } else {
    renderer.draw(backdropScene(now));
  }
  if (now - figuresAt > FIGURES_MS) { figuresAt = now; figures(now); }
  requestAnimationFrame(loop);
}

function figures(now) {
  const { match, welcome } = page;
  const late = match && page.screen === "match" && now - page.lastFrame > MOVING_AFTER_MS;
  hud.moving(Boolean(match && page.screen === "match" && (page.moving || late || page.link === "down")), page.link === "down" ? "reconnecting…" : "moving…");
  if (match && page.screen === "watch") {
    watch.draw(match.tick);
    hud.figures(match);
    if (!$("scores").hidden) hud.table("scores-rows", match.standings ?? match.table, match.seat);
  }
  if (match && page.screen === "match") {
    hud.figures(match);
    if (!$("scores").hidden) hud.table("scores-rows", match.table, match.seat);
  }
  hud.strip({
    region: welcome?.region ?? "–", release: match?.release ?? welcome?.release ?? "–", instance: match?.instance ?? welcome?.instance ?? "–",
    tick: match ? String(match.tick) : "–", rtt: page.rtt ? `${page.rtt < 10 ? page.rtt.toFixed(1) : Math.round(page.rtt)} ms` : "–",
    loss: match ? `${(match.gaps.loss * 100).toFixed(1)} %` : "–", moves: match ? String(match.epoch - 1) : "–",
    link: page.link === "up" && (page.moving || late) ? "moving" : page.link,
  });
}

function state() {
  if (page.screen === "match") return "playing";
  if (page.screen === "watch") return "watching";
  if (page.screen === "lobby") return lobby.queued ? "queued" : page.welcome ? "lobby" : "login";
  return page.screen;
}

// Read-only: what a test, or a curious player, may look at.
const read = (get) => ({ enumerable: true, get });
Object.defineProperty(window, "arena", { value: Object.freeze(Object.defineProperties({}, {
  state: read(state),
  link: read(() => page.link),
  region: read(() => page.welcome?.region ?? null),
  release: read(() => page.match?.release ?? page.welcome?.release ?? null),
  instance: read(() => page.match?.instance ?? page.welcome?.instance ?? null),
  gateway: read(() => (page.welcome ? { instance: page.welcome.instance, release: page.welcome.release } : null)),
  session: read(() => page.welcome?.session ?? null),
  player: read(() => account.player),
  match: read(() => page.match?.id ?? null),
  game: read(() => page.game ?? null),
  epoch: read(() => page.match?.epoch ?? null),
  moves: read(() => (page.match ? page.match.epoch - 1 : null)),
  tick: read(() => page.match?.tick ?? null),
  seat: read(() => page.match?.seat ?? null),
  position: read(() => (page.match?.focus ? { ...page.match.focus } : null)),
  score: read(() => (page.match?.me ? { kills: page.match.me.kills, deaths: page.match.me.deaths, fired: page.match.fired } : null)),
  rtt_ms: read(() => page.rtt),
  lead: read(() => page.match?.lead ?? null),
  inputsAcknowledged: read(() => page.match?.acknowledged ?? null),
  reconnects: read(() => Math.max(0, link.counts.connects - 1)),
  frameGaps: read(() => page.match?.gaps.summary ?? null),
  pending_inputs: read(() => page.match?.predictor?.pending ?? null),
  corrections: read(() => page.match?.predictor?.corrections ?? null),
  playback: read(() => (watch.place ? { ...watch.place, tick: page.match?.tick ?? null } : null)),
  results: read(() => page.results),
  errors: read(() => [...page.errors]),
  counts: read(() => ({ ...link.counts })),
  frames: read(() => (page.match ? { received: page.match.gaps.frames, skipped: page.match.gaps.skipped, longest_gap_ms: page.match.gaps.longestMs,
    longest_gap_ticks: page.match.gaps.longestTicks, bounds_ms: [...page.match.gaps.bounds], counts: [...page.match.gaps.counts] } : null)),
})) });

renderer.walls = backdropWalls();
requestAnimationFrame(loop);
link.start();
lobby.refresh();
status().then((it) => { if (!page.welcome) hud.strip({ region: it.region, release: it.release, instance: it.instance }); }).catch(() => {});
