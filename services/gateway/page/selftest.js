// Runs the vectors of tests/vectors against this page's codec and prediction, in a browser or in
// node. The gateway does not serve this file; a test does, beside the page's own modules.

import { BitReader, BitWriter } from "./bits.js";
import { DecodeError, SCHEMA_HASH, PROTOCOL_VERSION, decode, decodeFrame, encode } from "./codec.js";
import { decodeView } from "./games/snakes.js";
import { Play } from "./play.js";
import { step } from "./predict.js";

const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (it) => Number.parseInt(it, 16));
const hexOf = (bytes) => Array.from(bytes, (it) => it.toString(16).padStart(2, "0")).join("");
const stable = (value) => JSON.stringify(value, (_, it) => (it && typeof it === "object" && !Array.isArray(it)
  ? Object.fromEntries(Object.entries(it).sort(([a], [b]) => (a < b ? -1 : 1))) : it));

/** Returns {passed, failures}: how many checks held, and a sentence for each that did not. */
export function selftest(play, movement, snakes) {
  const report = { passed: 0, failures: [] };
  const check = (name, act) => {
    try {
      const [found, wanted] = act();
      if (stable(found) === stable(wanted)) { report.passed += 1; return; }
      report.failures.push(`${name}: found ${stable(found).slice(0, 300)}, wanted ${stable(wanted).slice(0, 300)}`);
    } catch (error) {
      report.failures.push(`${name}: ${error.message}`);
    }
  };
  check("versions", () => [[PROTOCOL_VERSION, SCHEMA_HASH], [play.protocol_version, play.schema_hash]]);
  play.client_to_server.forEach(({ hex, message }, index) => check(`client message ${index}`, () => [hexOf(encode(...asClient(message))), hex]));
  play.server_to_client.forEach(({ hex, message }, index) => check(`server message ${index}`, () => {
    const [kind, fields] = decode(bytesOf(hex));
    return [{ [kind]: fields }, message];
  }));
  frames(play.frames, check);
  torn(play, check);
  motions(movement.cases, check);
  boards(snakes, check);
  starts(check);
  return report;
}

function boards(vectors, check) {
  const views = new Map();
  vectors.forEach(({ baseline, hex, view }, index) => check(`board ${index}`, () => {
    const decoded = decodeView(view.tick, bytesOf(hex), baseline === null ? null : views.get(baseline));
    views.set(view.tick, decoded);
    return [decoded, view];
  }));
  check("a torn board", () => {
    const bytes = bytesOf(vectors[0].hex);
    const refused = Array.from(bytes, (_, end) => {
      try { decodeView(1, bytes.subarray(0, end), null); } catch (error) { return error instanceof DecodeError; }
      return false;
    });
    return [refused.every(Boolean), true];
  });
}

// After a further start the game has some inputs: those after it are sent again and counting goes on, or it begins anew.
function starts(check) {
  const start = (input_seq) => ({ match_id: "", seat: 0, epoch: 1, rules: "{}", seats: [], event_seq: 0, input_seq });
  const frame = (tick, input_seq) => {
    const out = new BitWriter();
    for (const [value, width] of [[0x85, 8], [tick, 32], [0, 8], [input_seq, 32], [2, 8], [0b0100, 4]]) out.bits(value, width);
    return out.finish();
  };
  class Bare extends Play { read({ tick }) { return { tick }; } }
  for (const [name, has, again, next] of [
    ["some are missing", 12, 7, 20], ["none is missing", 19, 0, 20], ["it counts anew", 65536, 0, 65537], ["it has fewer than it counted", 2, 17, 20],
  ]) {
    check(`a further start: ${name}`, () => {
      const match = new Bare(start(0), {}, null), sent = [];
      match.restart(start(0));
      match.frame(frame(10, 0), 0);
      let now = 0;
      const play = (ticks) => { for (const end = now + ticks; now < end; now += 1) match.advance(now * 16.7, 0, () => ({}), ({ seq }) => sent.push(seq)); };
      play(20);
      match.frame(frame(20, 5), now * 16.7);
      const seqs = match.restart(start(has)).map(({ seq }) => seq);
      const before = sent.length;
      while (sent.length === before && now < 100) play(1);
      return [[seqs.length, sent[before]], [again, next]];
    });
  }
}

function asClient(message) {
  if (typeof message === "string") return [message];
  const [[kind, fields]] = Object.entries(message);
  return kind === "hello" ? [kind, fields.access ?? fields.resume] : [kind, fields];
}

function frames(vectors, check) {
  const views = new Map();
  vectors.forEach(({ hex, head, view }, index) => check(`frame ${index}`, () => {
    const decoded = decodeFrame(bytesOf(hex), views.get(head.baseline));
    views.set(head.tick, decoded.view);
    return [decoded, { head, view }];
  }));
}

// What ends early or has more behind it is refused with the one kind of error that is caught.
function torn(play, check) {
  const refused = (act) => {
    try { act(); } catch (error) { if (error instanceof DecodeError) return true; throw error; }
    return false;
  };
  play.server_to_client.forEach(({ hex }, index) => check(`torn server message ${index}`, () => {
    const bytes = bytesOf(hex);
    const cuts = Array.from(bytes, (_, end) => refused(() => decode(bytes.subarray(0, end))));
    return [[...cuts, refused(() => decode(Uint8Array.from([...bytes, 0])))].every(Boolean), true];
  }));
  check("a frame without its baseline", () => [refused(() => decodeFrame(bytesOf(play.frames[1].hex), undefined)), true]);
  check("padding", () => [refused(() => { const input = new BitReader(Uint8Array.of(2)); input.bit("first"); input.finish(); }), true]);
}

function motions(cases, check) {
  for (const it of cases) {
    const { walls, ...rest } = it.movement;
    const rules = { ...rest, walls: Uint32Array.from(walls) };
    check(`movement ${it.name}`, () => {
      let [x, y, vx, vy] = it.start;
      let motion = { x, y, vx, vy };
      const states = it.inputs.map(([move_x, move_y]) => {
        motion = step(rules, motion, { move_x, move_y });
        ({ x, y, vx, vy } = motion);
        return [x, y, vx, vy];
      });
      const wrong = states.findIndex((state, tick) => stable(state) !== stable(it.states[tick]));
      return [wrong < 0 ? "all equal" : [wrong, states[wrong]], wrong < 0 ? "all equal" : [wrong, it.states[wrong]]];
    });
  }
}
