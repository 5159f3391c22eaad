// The losses of a run as a small plot: each term on a logarithmic scale, from its first value down.

import { soon } from "./dom.js";
import { number, t } from "./words.js";

const COLOURS = ["--accent", "--second", "--soft"];

export class Plot {
  #canvas;
  #series = new Map();
  draw = soon(() => this.#paint());

  constructor(canvas) {
    this.#canvas = canvas;
  }

  clear() {
    this.#series.clear();
    this.draw();
  }

  add(progress, losses) {
    for (const [name, value] of Object.entries(losses ?? {})) {
      if (!Number.isFinite(value)) continue;
      if (!this.#series.has(name)) this.#series.set(name, []);
      const points = this.#series.get(name);
      if (points.length && progress < points.at(-1)[0]) continue;
      points.push([progress, value]);
    }
    this.draw();
  }

  #paint() {
    const canvas = this.#canvas, shown = [...this.#series].filter(([, points]) => points.length > 1);
    canvas.hidden = !shown.length;
    if (canvas.hidden) return;
    const box = canvas.getBoundingClientRect(), style = getComputedStyle(canvas);
    Object.assign(canvas, { width: box.width * devicePixelRatio, height: box.height * devicePixelRatio });
    const context = canvas.getContext("2d"), { width, height } = canvas;
    shown.forEach(([, points], order) => {
      const values = points.map(([, value]) => Math.sign(value) * Math.log1p(1e4 * Math.abs(value)));
      const least = Math.min(...values), span = Math.max(...values) - least || 1;
      context.strokeStyle = style.getPropertyValue(COLOURS[order % COLOURS.length]);
      context.lineWidth = 1.5 * devicePixelRatio;
      context.beginPath();
      points.forEach(([x], i) => context.lineTo(x * width, height - 3 - (height - 6) * ((values[i] - least) / span)));
      context.stroke();
    });
    const last = shown.map(([name, points]) => `${name} ${number(points.at(-1)[1], 4)}`).join(", ");
    canvas.setAttribute("aria-label", t("Losses: {values}", { values: last }));
    canvas.title = last;
  }
}
