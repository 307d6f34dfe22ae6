// The lobby: name, queue, party, leaderboard, own record.

import { element, notice } from "./hud.js";
import { leaderboard } from "./rest.js";

const BOARD_MS = 30_000;
const MODE = "arena";
const $ = (id) => document.getElementById(id);

/** Wires the lobby's controls; `link` sends, `account` knows the name. */
export class Lobby {
  queued = false;
  party = null;
  #since = 0;
  #tickets = 0;
  #reason = "";

  constructor(link, account) {
    this.link = link;
    this.account = account;
    $("name").value = account.name;
    $("name").addEventListener("change", () => this.#rename());
    $("play").addEventListener("click", () => this.toggle());
    $("party-create").addEventListener("click", () => link.send("party_create", { mode: MODE }));
    $("party-leave").addEventListener("click", () => link.send("party_leave"));
    $("party-copy").addEventListener("click", () => this.#copy());
    $("party-join").addEventListener("submit", (event) => this.#join(event));
    setInterval(() => this.#count(), 250);
    setInterval(() => { if (!$("lobby").hidden) this.refresh(); }, BOARD_MS);
  }

  /** Queues, or leaves the queue. */
  toggle() {
    if (this.queued) this.link.send("cancel");
    else this.queue();
  }

  queue() {
    if (this.queued) return;
    const rtts = this.region && this.rtt ? [{ region: this.region, rtt_ms: Math.min(65535, Math.round(this.rtt)) }] : [];
    this.link.send("queue", { mode: MODE, rtts });
  }

  /** Takes the server's word on the queue. */
  update(state) {
    if (state.waiting) {
      if (!this.queued) this.#since = performance.now() - state.waiting.waited_ms;
      this.queued = true;
      this.#tickets = state.waiting.tickets;
      this.#reason = state.waiting.reason;
    } else {
      this.queued = false;
    }
    $("play").setAttribute("aria-pressed", String(this.queued));
    $("play").firstElementChild.textContent = this.queued ? "Cancel" : "Play";
    $("play").lastElementChild.hidden = this.queued;
    this.#say(state.assigned ? "Match found" : state.idle?.reason ?? "", Boolean(state.idle?.reason));
    this.#count();
  }

  /** Takes the server's word on the party. */
  partied(party) {
    this.party = party;
    $("party-none").hidden = party !== null;
    $("party-some").hidden = party === null;
    if (!party) return;
    $("party-own-code").textContent = party.code;
    $("party-members").replaceChildren(...party.members.map((it) => {
      const line = element("li", it.name || "Nameless");
      if (it.player === party.leader) line.append(element("span", "leader"));
      return line;
    }));
    const leads = party.leader === this.account.player;
    $("play").disabled = !leads && !this.queued;
    if (!leads) this.#say("The leader starts the match.", false);
  }

  /** Reads leaderboard and record again; without an answer the old ones stay. */
  async refresh() {
    await Promise.allSettled([this.#board(), this.#record()]);
  }

  async #board() {
    const { rows } = await leaderboard();
    if (rows.length === 0) return;
    $("leaderboard").replaceChildren(...rows.map((row) => {
      const line = element("li", undefined, row.player === this.account.player ? "me" : "");
      line.append(element("span", String(row.rank)), element("span", row.display_name || "Nameless"), element("b", row.rating.toFixed(0)));
      return line;
    }));
  }

  async #record() {
    const it = await this.account.profile();
    $("my-rating").textContent = it.rating.toFixed(0);
    $("my-matches").textContent = String(it.matches);
    $("my-wins").textContent = String(it.wins);
    $("my-kd").textContent = it.deaths ? (it.kills / it.deaths).toFixed(2) : String(it.kills);
  }

  async #rename() {
    const name = $("name").value.trim();
    if (name === this.account.name) return;
    this.account.rename(name);
    await this.link.renew();
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.party.code);
      this.#say("Code copied.", false);
    } catch {
      notice(`The code is ${this.party.code}.`);
    }
  }

  #join(event) {
    event.preventDefault();
    const code = $("party-code").value.trim().toUpperCase();
    if (/^[0-9A-HJKMNP-TV-Z]{6}$/.test(code)) this.link.send("party_join", { code });
    else notice("A party code is six letters and digits, without I, L, O and U.");
  }

  #count() {
    if (!this.queued) return;
    const seconds = Math.floor((performance.now() - this.#since) / 1000);
    const others = this.#tickets > 1 ? ` · ${this.#tickets} in the queue` : "";
    this.#say(this.#reason ? `Waiting ${seconds} s: ${this.#reason}` : `Looking for a match… ${seconds} s${others}`, false);
  }

  #say(text, bad) {
    const line = $("queue-status");
    if (line.textContent !== text) line.textContent = text;
    line.classList.toggle("bad", bad);
  }
}
