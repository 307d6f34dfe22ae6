// What stands over the field: figures, kill feed, tables, the strip. Text is set, never parsed.

const FEED_MAX = 5;
const FEED_MS = 5200;
const NOTICE_MS = 6000;
const $ = (id) => document.getElementById(id);
const TEAM_NAMES = ["the blue", "the orange"];
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

/** Makes an element with text and class. */
export function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function write(id, text) {
  const target = $(id);
  if (target.textContent !== text) target.textContent = text;
}

export function ordinal(n) {
  const tail = n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] ?? "th";
  return `${n}${tail}`;
}

/** Shows one screen: "lobby", "match", "watch" or "result". */
export function show(screen) {
  document.body.dataset.screen = screen;
  $("lobby").hidden = screen !== "lobby";
  $("hud").hidden = screen === "lobby";
  $("watch").hidden = screen !== "watch";
  $("result").hidden = screen !== "result";
  if (screen !== "match") $("scores").hidden = true;
}

/** Fills a table of players, best first. */
export function table(id, rows, own) {
  $(id).replaceChildren(...rows.map((row, index) => {
    const line = element("tr", undefined, row.seat === own ? "me" : "");
    const name = element("td", row.name);
    if (row.bot) name.append(element("small", "bot"));
    line.append(element("td", String(row.rank ?? index + 1)), name, element("td", String(row.kills)), element("td", String(row.deaths)));
    return line;
  }));
}

/** Adds a kill to the feed. */
export function kill(match, { killer, victim }) {
  const line = element("li", undefined, victim === match.seat ? "died" : killer === match.seat ? "mine" : "");
  const name = (seat) => (seat === match.seat ? "You" : match.names[seat] || `Seat ${seat + 1}`);
  if (killer === victim) line.append(element("b", name(victim)), element("i", "fell"));
  else line.append(element("b", name(killer)), element("i", "▸"), element("span", name(victim)));
  enter(line);
}

/** Adds what became of a flag to the feed. */
export function flag(match, { team, change, seat }) {
  const own = (match.seat & 1) === team;
  const name = seat === match.seat ? "You" : match.names[seat] || `Seat ${seat + 1}`;
  const line = element("li", undefined, (change === "returned") === own ? "mine" : "died");
  const [mine, theirs] = match.watching ? [TEAM_NAMES[team], TEAM_NAMES[team]] : ["your", "their"];
  const whose = `${own ? mine : theirs} flag`;
  if (change === "returned") line.append(element("b", whose[0].toUpperCase() + whose.slice(1)), element("i", "is home"));
  else line.append(element("b", name), element("i", change), element("span", whose));
  enter(line);
}

function enter(line) {
  const feed = $("feed");
  feed.prepend(line);
  while (feed.childElementCount > FEED_MAX) feed.lastElementChild.remove();
  setTimeout(() => line.remove(), FEED_MS);
}

let noticeTimer = 0;
/** Says something went wrong. */
export function notice(text, forGood) {
  clearTimeout(noticeTimer);
  write("notice", text);
  $("notice").hidden = false;
  if (!forGood) noticeTimer = setTimeout(() => { $("notice").hidden = true; }, NOTICE_MS);
}

/** Shows or hides "moving…". */
export function moving(on, text = "moving…") {
  $("moving").hidden = !on;
  if (on) $("moving").lastElementChild.textContent = text;
}

/** Draws the figures of a match: place and time of every game, the rest as the game says. */
export function figures(match) {
  const left = Math.ceil(match.secondsLeft);
  write("hud-clock", `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`);
  document.querySelector(".clock").classList.toggle("late", left <= 10);
  if (!match.me) return;
  const { rank, score, health, ready, banner } = match.figures;
  const rows = match.table;
  const place = rows.findIndex((it) => it.seat === match.seat) + 1;
  write("hud-rank", rank ?? (place ? `${ordinal(place)} of ${rows.length}` : "–"));
  write("hud-score", score);
  document.querySelector(".vitals").hidden = !health;
  if (health) vitals(health, ready);
  write("banner", banner);
  $("banner").hidden = banner === "" || match.over;
}

function vitals({ now, full }, ready) {
  write("hp-text", String(now));
  $("hp").setAttribute("aria-valuenow", String(now));
  $("hp").classList.toggle("low", now * 3 < full);
  $("hp").firstElementChild.style.transform = `scaleX(${Math.min(1, now / full)})`;
  $("cooldown").firstElementChild.style.transform = `scaleX(${ready})`;
}

/** Names what the tables count, as the game calls it. */
export function scoreTitle(title) {
  for (const head of document.querySelectorAll("th.score")) head.textContent = title;
}

/** Shows the end of a match. */
export function result(match) {
  const mine = match.standings.find((it) => it.seat === match.seat);
  write("result-place", mine ? ordinal(mine.rank) : "–");
  write("result-heading", mine?.rank === 1 ? "You won" : "Match over");
  write("result-rating", "");
  table("result-rows", match.standings, match.seat);
  show("result");
  document.querySelector("#result-rows .me")?.scrollIntoView({ block: "nearest" });
  $("again").focus({ preventScroll: true });
}

/** Shows what the match did to the rating; counts up, unless little motion is wanted. */
export function rating({ before, after }) {
  const line = $("result-rating"), change = (after - before) / 100;
  const shown = element("span", `${change >= 0 ? "+" : "−"}${Math.abs(change).toFixed(0)}`, change >= 0 ? "up" : "down");
  const figure = element("span", (after / 100).toFixed(0));
  line.replaceChildren("Rating ", figure, " ", shown);
  if (CALM.matches) return;
  const start = performance.now();
  const count = (now) => {
    const t = Math.min(1, (now - start) / 700);
    figure.textContent = ((before + (after - before) * t) / 100).toFixed(0);
    if (t < 1) requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
}

/** Writes the strip; what changed of release, instance or moves lights up for a moment. */
export function strip(state) {
  for (const [id, text] of Object.entries(state)) {
    const target = $(`s-${id}`);
    if (id === "link") {
      target.dataset.link = text;
      target.firstElementChild.textContent = { up: "online", moving: "moving", down: "offline" }[text];
    } else if (target.textContent !== text) {
      const known = target.textContent !== "–";
      target.textContent = text;
      if (known && ["release", "instance", "moves"].includes(id)) {
        target.classList.add("flash");
        setTimeout(() => target.classList.remove("flash"), 2500);
      }
    }
  }
}
