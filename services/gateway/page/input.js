// What the player wants: keyboard and mouse, or two sticks on a touch screen.

const STICK_MAX = 127;
const STICK_REACH_PX = 52; // full deflection of a touch stick
const FIRE_BUTTON = 1; // bit of the buttons byte, as in arena_wire::play
const KEYS = {
  KeyW: [0, -1], ArrowUp: [0, -1], KeyS: [0, 1], ArrowDown: [0, 1],
  KeyA: [-1, 0], ArrowLeft: [-1, 0], KeyD: [1, 0], ArrowRight: [1, 0],
};

/** Returns the direction of (dx, dy) in 1/256 turns; y points down, as on the screen. */
export function turns(dx, dy) {
  return Math.round((Math.atan2(dy, dx) * 128) / Math.PI) & 255;
}

/** Returns whether typing now goes into a form field. */
function typing(target) {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}

export class Input {
  #held = new Set();
  #pointer = { x: 0, y: 0, down: false };
  #sticks = new Map(); // pointerId → {side, x0, y0, dx, dy}
  #aim = 0;
  active = false;
  onscores = () => {};

  constructor(canvas, sticks) {
    this.canvas = canvas;
    this.knobs = sticks;
    addEventListener("keydown", (event) => this.#key(event, true));
    addEventListener("keyup", (event) => this.#key(event, false));
    addEventListener("blur", () => this.release());
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, (event) => this.#up(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    if (matchMedia("(pointer: coarse)").matches) document.body.classList.add("touch");
  }

  /** Lets go of everything, for example when the window loses the focus. */
  release() {
    this.#held.clear();
    this.#pointer.down = false;
    this.#sticks.clear();
    this.#drawSticks();
    this.onscores(false);
  }

  /** Returns the input of this tick; `center` is where the own player stands on the canvas. */
  sample(center) {
    if (!this.active) return { mx: 0, my: 0, aim: this.#aim, buttons: 0 };
    const move = this.#stick("move");
    const look = this.#stick("aim");
    let [x, y] = move ? [move.dx, move.dy] : this.#keys();
    const length = Math.hypot(x, y);
    if (length > 1) [x, y] = [x / length, y / length];
    let fire = this.#pointer.down || this.#held.has("Space");
    if (look) {
      const reach = Math.hypot(look.dx, look.dy);
      if (reach > 0.25) this.#aim = turns(look.dx, look.dy);
      fire = reach > 0.55;
    } else if (!document.body.classList.contains("touch")) {
      this.#aim = turns(this.#pointer.x - center.x, this.#pointer.y - center.y);
    } else if (move && length > 0.3) {
      this.#aim = turns(x, y);
    }
    return { mx: Math.round(x * STICK_MAX), my: Math.round(y * STICK_MAX), aim: this.#aim, buttons: fire ? FIRE_BUTTON : 0 };
  }

  /** Where the mouse is, in CSS pixels of the canvas. */
  get pointer() { return this.#pointer; }

  #keys() {
    let x = 0, y = 0;
    for (const code of this.#held) {
      const step = KEYS[code];
      if (step) { x += step[0]; y += step[1]; }
    }
    return [Math.sign(x), Math.sign(y)];
  }

  #key(event, down) {
    if (!this.active || typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.code === "Tab") { event.preventDefault(); this.onscores(down); return; }
    if (!(event.code in KEYS) && event.code !== "Space") return;
    event.preventDefault();
    if (down) this.#held.add(event.code); else this.#held.delete(event.code);
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top, box];
  }

  #down(event) {
    if (!this.active) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    const [x, y, box] = this.#place(event);
    if (event.pointerType !== "touch") {
      Object.assign(this.#pointer, { x, y });
      if (event.button === 0) this.#pointer.down = true;
      return;
    }
    document.body.classList.add("touch");
    const side = x < box.width / 2 ? "move" : "aim";
    if (this.#stick(side)) return;
    this.#sticks.set(event.pointerId, { side, x0: x, y0: y, dx: 0, dy: 0 });
    this.#drawSticks();
  }

  #move(event) {
    const [x, y] = this.#place(event);
    const stick = this.#sticks.get(event.pointerId);
    if (!stick) { if (event.pointerType !== "touch") Object.assign(this.#pointer, { x, y }); return; }
    const dx = (x - stick.x0) / STICK_REACH_PX, dy = (y - stick.y0) / STICK_REACH_PX;
    const shrink = Math.max(1, Math.hypot(dx, dy));
    stick.dx = dx / shrink;
    stick.dy = dy / shrink;
    this.#drawSticks();
  }

  #up(event) {
    if (this.#sticks.delete(event.pointerId)) this.#drawSticks();
    else if (event.button === 0) this.#pointer.down = false;
  }

  #stick(side) {
    for (const stick of this.#sticks.values()) if (stick.side === side) return stick;
    return null;
  }

  #drawSticks() {
    for (const side of ["move", "aim"]) {
      const stick = this.#stick(side);
      const knob = this.knobs[side]?.firstElementChild;
      if (knob) knob.style.transform = stick ? `translate(${stick.dx * STICK_REACH_PX}px, ${stick.dy * STICK_REACH_PX}px)` : "";
    }
  }
}
