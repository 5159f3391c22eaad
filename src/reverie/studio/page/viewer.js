// The stage: a picture that can be moved and enlarged to its single pixels, and compared with what it was made from.

import { soon } from "./dom.js";
import { t } from "./words.js";

const MOST = 64, HANDLE = 18, MARGIN = 20, MOST_FIT = 4;

/** A canvas that shows a picture, and beside a divider the one before it. */
export class Viewer {
  #canvas;
  #after = null;
  #before = null;
  #size = [1, 1];  // of what is shown, in its own pixels: another resolution of the same picture keeps the view
  #view = null;  // { scale, x, y } in device pixels; null: the whole picture fits
  #divider = 0.5;
  #pointers = new Map();
  #drag = null;
  #draw = soon(() => this.#paint());
  comparing = false;

  constructor(canvas, moved) {
    this.#canvas = canvas;
    this.moved = moved;
    new ResizeObserver(() => this.#fitted()).observe(canvas.parentElement);
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => this.#up(event));
    canvas.addEventListener("dblclick", (event) => (this.#view ? this.fit() : this.#zoom(this.#whole() < 1 ? 1 / this.#whole() : 2, ...this.#at(event))));
  }

  get empty() {
    return !this.#after && !this.#before;
  }

  get after() {
    return this.#after;
  }

  /** Show a picture; a change of what is shown goes back to the whole of it. */
  show(after, before, { same = false } = {}) {
    for (const old of [this.#after, this.#before]) if (old && old !== after && old !== before) old.close?.();
    [this.#after, this.#before] = [after, before];
    const one = after ?? before;
    if (!same) this.#view = null;
    if (one) {
      const [width] = this.#size;
      if (this.#view && one.width !== width) this.#view.scale *= width / one.width;
      this.#size = [one.width, one.height];
    }
    this.#fitted();
  }

  set divider(share) {
    this.#divider = share;
    this.#draw();
  }

  get divider() {
    return this.#divider;
  }

  compare(on) {
    this.comparing = on;
    this.#draw();
  }

  fit() {
    this.#view = null;
    this.#draw();
  }

  /** Enlarge about the middle; 0 shows one pixel as one of the screen's. */
  zoom(factor) {
    const middle = [this.#canvas.width / 2, this.#canvas.height / 2];
    this.#zoom(factor || 1 / this.#placed().scale, ...middle);
  }

  pan(x, y) {
    const view = this.#placed(), step = 60 * devicePixelRatio;
    this.#view = { ...view, x: view.x - x * step, y: view.y - y * step };
    this.#draw();
  }

  /** Pixels of the screen for one of the picture's. */
  get scale() {
    return this.#placed().scale;
  }

  #whole() {
    const { width, height } = this.#canvas, margin = 2 * devicePixelRatio * Math.min(MARGIN, width / 40);
    return Math.min((width - margin) / this.#size[0], (height - margin) / this.#size[1]);
  }

  #placed() {
    if (this.#view) return this.#view;
    const scale = Math.min(this.#whole(), MOST_FIT * devicePixelRatio);
    return { scale, x: (this.#canvas.width - this.#size[0] * scale) / 2, y: (this.#canvas.height - this.#size[1] * scale) / 2 };
  }

  #zoom(factor, x, y) {
    if (this.empty) return;
    const view = this.#placed(), least = Math.min(1, this.#whole()) / 2;
    const scale = Math.min(MOST, Math.max(least, view.scale * factor)), by = scale / view.scale;
    this.#view = { scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by };
    this.#draw();
  }

  #at(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * devicePixelRatio, (event.clientY - box.top) * devicePixelRatio];
  }

  #wheel(event) {
    if (this.empty || !(event.ctrlKey || event.metaKey || this.#view || document.activeElement === this.#canvas)) return;
    event.preventDefault();
    this.#zoom(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), ...this.#at(event));
  }

  #down(event) {
    if (this.empty) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, this.#at(event));
    const [x] = this.#at(event), view = this.#placed();
    const line = view.x + this.#divider * this.#size[0] * view.scale;
    const dividing = this.comparing && Math.abs(x - line) < HANDLE * devicePixelRatio;
    this.#drag = { dividing, pinch: this.#pinch() };
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = this.#at(event), view = this.#placed();
    this.#pointers.set(event.pointerId, now);
    if (this.#pointers.size > 1) {
      const pinch = this.#pinch();
      this.#zoom(pinch.length / this.#drag.pinch.length, ...pinch.middle);
      this.#drag.pinch = pinch;
    } else if (this.#drag.dividing) {
      this.divider = Math.min(1, Math.max(0, (now[0] - view.x) / (this.#size[0] * view.scale)));
      this.moved?.();
    } else if (this.#view) {
      this.#view = { ...view, x: view.x + now[0] - before[0], y: view.y + now[1] - before[1] };
      this.#draw();
    }
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
    if (this.#drag) this.#drag.pinch = this.#pinch();
  }

  #pinch() {
    const [a, b] = [...this.#pointers.values()];
    if (!b) return null;
    return { length: Math.hypot(a[0] - b[0], a[1] - b[1]), middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] };
  }

  #fitted() {
    const box = this.#canvas.getBoundingClientRect();
    const [width, height] = [box.width, box.height].map((side) => Math.max(1, Math.round(side * devicePixelRatio)));
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    this.#paint();
  }

  #paint() {
    const context = this.#canvas.getContext("2d"), { width, height } = this.#canvas;
    context.clearRect(0, 0, width, height);
    const one = this.#after ?? this.#before;
    if (!one) return;
    const view = this.#placed(), [wide, high] = this.#size.map((side) => side * view.scale);
    context.imageSmoothingEnabled = view.scale < 3;
    context.imageSmoothingQuality = "high";
    context.save();
    context.shadowColor = "#0005";
    context.shadowBlur = 24 * devicePixelRatio;
    context.shadowOffsetY = 5 * devicePixelRatio;
    context.fillRect(view.x + 1, view.y + 1, wide - 2, high - 2);
    context.restore();
    context.drawImage(one, view.x, view.y, wide, high);
    if (this.comparing && this.#after && this.#before) this.#compared(context, view, wide, high);
  }

  #compared(context, view, wide, high) {
    const line = view.x + this.#divider * wide, dot = devicePixelRatio;
    context.save();
    context.beginPath();
    context.rect(view.x, view.y, line - view.x, high);
    context.clip();
    context.drawImage(this.#before, view.x, view.y, wide, high);
    context.restore();
    context.fillStyle = "#fff";
    context.strokeStyle = "#0006";
    context.fillRect(line - dot, view.y, 2 * dot, high);
    const middle = Math.min(this.#canvas.height, Math.max(0, view.y + high / 2));
    context.beginPath();
    context.arc(line, middle, HANDLE * 0.8 * dot, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    context.fillStyle = "#23201c";
    context.font = `${15 * dot}px system-ui`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText("↔", line, middle + dot);
  }

  /** What the picture is called by those who do not see it. */
  label(words) {
    this.#canvas.setAttribute("aria-label", words || t("No picture yet"));
  }
}
