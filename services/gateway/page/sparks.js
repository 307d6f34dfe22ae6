// Short-lived light: sparks, rings and trails. For the eye only; nothing here decides anything.

const SPARKS_MAX = 600; // the oldest go first: a full arena at 16 shooters stays below this
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

export class Sparks {
  #sparks = [];
  #rings = [];
  shake = 0;
  hurt = 0;
  hit = 0;

  /** Adds `count` sparks at (x, y) metres that fly apart with up to `speed` m/s. */
  burst(x, y, color, count, speed) {
    const share = CALM.matches ? 0.25 : 1;
    for (let i = 0; i < count * share; i += 1) {
      const angle = Math.random() * Math.PI * 2, pace = speed * (0.25 + Math.random() * 0.75);
      this.#sparks.push({ x, y, vx: Math.cos(angle) * pace, vy: Math.sin(angle) * pace, age: 0, life: 0.2 + Math.random() * 0.4, color });
    }
    if (this.#sparks.length > SPARKS_MAX) this.#sparks.splice(0, this.#sparks.length - SPARKS_MAX);
  }

  /** Adds a ring that grows to `radius` metres. */
  ring(x, y, color, radius, life = 0.45) { this.#rings.push({ x, y, color, radius, age: 0, life }); }

  /** Shakes the camera, unless the viewer asked for little motion. */
  jolt(amount) { if (!CALM.matches) this.shake = Math.min(1, this.shake + amount); }

  step(dt) {
    this.shake = Math.max(0, this.shake - dt * 3.2);
    this.hurt = Math.max(0, this.hurt - dt * 1.9);
    this.hit = Math.max(0, this.hit - dt * 4);
    for (const spark of this.#sparks) {
      spark.age += dt;
      spark.x += spark.vx * dt; spark.y += spark.vy * dt;
      spark.vx *= 1 - 3 * dt; spark.vy *= 1 - 3 * dt;
    }
    for (const ring of this.#rings) ring.age += dt;
    this.#sparks = this.#sparks.filter((it) => it.age < it.life);
    this.#rings = this.#rings.filter((it) => it.age < it.life);
  }

  draw(g) {
    g.save();
    g.globalCompositeOperation = "lighter";
    for (const spark of this.#sparks) {
      g.globalAlpha = 1 - spark.age / spark.life;
      g.fillStyle = spark.color;
      g.fillRect(spark.x - 0.06, spark.y - 0.06, 0.12, 0.12);
    }
    for (const ring of this.#rings) {
      const t = ring.age / ring.life;
      g.globalAlpha = (1 - t) * 0.9;
      g.strokeStyle = ring.color;
      g.lineWidth = 0.16 * (1 - t) + 0.02;
      g.beginPath();
      g.arc(ring.x, ring.y, ring.radius * (1 - (1 - t) ** 3), 0, Math.PI * 2);
      g.stroke();
    }
    g.restore();
  }
}
