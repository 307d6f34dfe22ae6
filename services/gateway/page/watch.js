// Watching a match without a seat: what is asked for, where it stands, and the bar to steer it with.

const NEWEST = 0xffffffff;
const REAL_TIME = 4; // quarters
const TICKS_PER_S = 60;
const SEEK_MS = 250; // while the bar is dragged a place is asked for so often at most
const AGAIN_MS = 4000; // a match that ended just now is asked for again: its replay is on its way
const AGAIN_MAX = 5;
const $ = (id) => document.getElementById(id);
const clock = (ticks) => `${Math.floor(ticks / TICKS_PER_S / 60)}:${String(Math.floor(ticks / TICKS_PER_S) % 60).padStart(2, "0")}`;

/** Returns the match that the address names, `#watch=…`, or null. */
export function wanted(hash = location.hash) {
  return /^#watch=([0-9a-hjkmnp-tv-z]{13})$/i.exec(hash)?.[1].toLowerCase() ?? null;
}

/** Wires the bar; `link` sends, `on.leave` goes back to the lobby. */
export class Watch {
  id = null;
  pace = REAL_TIME;
  place = null; // the server's last word: {first, last, tick, pace, live}
  #dragged = false;
  #sought = 0;
  #again = 0;
  #timer = 0;

  constructor(link, on) {
    this.link = link;
    this.on = on;
    $("watch-play").addEventListener("click", () => this.pause());
    $("watch-pace").addEventListener("change", () => { this.pace = Number($("watch-pace").value); this.#ask(this.tick); });
    $("watch-live").addEventListener("click", () => { this.pace = REAL_TIME; this.#ask(NEWEST); });
    $("watch-leave").addEventListener("click", () => on.leave());
    $("watch-copy").addEventListener("click", () => on.copy(this.link_to(this.id)));
    const seek = $("watch-seek");
    seek.addEventListener("input", () => { this.#dragged = true; this.#drag(Number(seek.value)); });
    seek.addEventListener("change", () => { this.#dragged = false; this.#ask(Number(seek.value)); });
    addEventListener("keydown", (event) => this.#key(event));
  }

  /** Returns the address that shows a match to others. */
  link_to(id) { return `${location.origin}/#watch=${id}`; }

  /** Starts to watch: `tick` 0 is the beginning, none the newest that is shown. */
  start(id, tick = NEWEST) {
    Object.assign(this, { id, pace: REAL_TIME, place: null });
    this.#again = 0;
    this.#ask(tick);
  }

  stop() {
    clearTimeout(this.#timer);
    this.id = null;
    this.place = null;
  }

  /** Asks again after the connection was lost. */
  resume() { if (this.id) this.#ask(this.place ? this.tick : NEWEST); }

  /** The match is not there: asks again for a while if it was wanted just now. True if it does. */
  missing() {
    if (!this.id || this.place || this.#again >= AGAIN_MAX) return false;
    this.#again += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { if (this.id && !this.place) this.#ask(0); }, AGAIN_MS);
    return true;
  }

  /** Takes the server's word on where it stands. */
  update(place) {
    if (place.match_id !== this.id) return;
    this.place = place;
  }

  pause() {
    this.pace = this.pace === 0 ? Number($("watch-pace").value) : 0;
    this.#ask(this.over && this.pace ? this.place.first : this.tick);
  }

  get over() { return Boolean(this.place && !this.place.live && this.tick >= this.place.last); }

  /** Draws the bar; `tick` is what is shown now. */
  draw(tick) {
    this.tick = tick;
    const { first, last, live } = this.place ?? { first: 0, last: Math.max(1, tick), live: false };
    const seek = $("watch-seek");
    seek.min = String(first);
    seek.max = String(last);
    if (!this.#dragged) seek.value = String(tick);
    seek.setAttribute("aria-valuetext", clock(Number(seek.value)));
    $("watch-at").textContent = clock(Number(seek.value));
    $("watch-last").textContent = clock(last);
    $("watch-live").hidden = !live;
    $("watch-play").textContent = this.pace === 0 || this.over ? "▶" : "❚❚";
    $("watch-play").setAttribute("aria-label", this.pace === 0 || this.over ? "Play" : "Pause");
  }

  #drag(tick) {
    const now = performance.now();
    if (now - this.#sought < SEEK_MS) return;
    this.#ask(tick);
  }

  #ask(tick) {
    this.#sought = performance.now();
    this.link.send("watch", { match_id: this.id, tick: Math.max(0, Math.floor(tick)), pace: this.pace });
  }

  #key(event) {
    if (!this.id || event.target instanceof HTMLInputElement && event.target.type !== "range") return;
    const jump = { ArrowLeft: -5, ArrowRight: 5 }[event.code];
    if (event.code === "Space") this.pause();
    else if (jump && !(event.target instanceof HTMLInputElement)) this.#ask(Math.max(0, this.tick + jump * TICKS_PER_S));
    else if (event.code === "Escape") this.on.leave();
    else return;
    event.preventDefault();
  }
}
