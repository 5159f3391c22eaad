// Masks and region maps, painted over the picture they belong to.

import { dialog, el, iconButton } from "./dom.js";
import { address, bitmapOf } from "./service.js";
import { COLOURS, Sheet } from "./sheet.js";
import { t } from "./words.js";

const MOST = 1536;  // pixels of the longer side; finer than any hand
const NAMES = ["white", "red", "green", "blue", "yellow", "purple", "cyan", "black"];

/** Let a mask or a map be painted; a PNG of it, or null if it is left. */
export async function paint({ under, now, kind, title }) {
  const photo = await bitmapOf(address(under));
  const scale = Math.min(1, MOST / Math.max(photo.width, photo.height));
  const sheet = new Sheet(Math.round(photo.width * scale), Math.round(photo.height * scale), kind === "map");
  if (now) await sheet.read(await bitmapOf(address(now)));
  return new Promise((resolve) => new Painting(sheet, photo, title, resolve));
}

class Painting {
  #sheet;
  #brush = { radius: 40, feather: 0.3, colour: 255, index: 1, erase: false };
  #canvas;
  #cursor;
  #last = null;

  constructor(sheet, photo, title, done) {
    this.#sheet = sheet;
    this.#brush.radius = Math.round(Math.max(sheet.width, sheet.height) / 16);
    this.#canvas = el("canvas", { width: sheet.width, height: sheet.height, class: "over-photo", tabIndex: 0, role: "img", "aria-label": t("Paint here. Arrow keys move the brush, space paints.") });
    const under = el("canvas", { width: sheet.width, height: sheet.height, "aria-hidden": "true" });
    under.getContext("2d").drawImage(photo, 0, 0, sheet.width, sheet.height);
    this.#cursor = el("div", { class: "brush-cursor", hidden: true });
    const easel = el("div", { class: "easel" }, under, this.#canvas, this.#cursor);
    easel.style.setProperty("--shape", sheet.width / sheet.height);
    let kept = null;
    const shown = dialog({ text: title, close: t("Close") }, easel, this.#tools(), el("div", { class: "row end" },
      el("button", { type: "button", on: { click: () => shown.close() } }, t("Cancel")),
      el("button", { type: "button", class: "main", id: "use-mask", on: { click: async () => { kept = await sheet.blob(); shown.close(); } } }, t("Use it"))));
    shown.classList.add("wide");
    shown.addEventListener("close", () => done(kept));
    shown.addEventListener("keydown", (event) => this.#key(event));
    this.#listen();
    this.#show();
    this.#canvas.focus();
  }

  #tools() {
    const sheet = this.#sheet, brush = this.#brush, longer = Math.max(sheet.width, sheet.height);
    const slider = (words, name, min, max, step, percent) => el("label", {}, words,
      el("input", { type: "range", min, max, step, value: brush[name] * (percent ? 100 : 1), data: { brush: name }, on: { input: ({ target }) => { brush[name] = target.value / (percent ? 100 : 1); } } }));
    const change = (work) => () => { work(); this.#show(); };
    const kinds = sheet.flat ? this.#palette() : [
      this.#choice(t("Paint"), () => { brush.erase = false; }, true), this.#choice(t("Erase"), () => { brush.erase = true; })];
    return el("div", { class: "brush-tools" },
      el("div", { class: "segments colours", role: "radiogroup", "aria-label": sheet.flat ? t("Region") : t("Tool") }, kinds),
      slider(t("Size"), "radius", 2, Math.round(longer / 5), 1),
      !sheet.flat && slider(t("Soft edge"), "feather", 0, 100, 5, true),
      el("div", { class: "row" },
        iconButton("undo", t("Undo"), change(() => sheet.undo()), { id: "undo" }),
        iconButton("redo", t("Redo"), change(() => sheet.redo())),
        el("button", { type: "button", on: { click: change(() => sheet.fill(sheet.flat ? brush.index : 255)) } }, t("Fill")),
        el("button", { type: "button", on: { click: change(() => sheet.fill(0)) } }, t("Clear")),
        !sheet.flat && el("button", { type: "button", on: { click: change(() => sheet.invert()) } }, t("Invert"))));
  }

  #choice(words, chosen, checked = false, colour) {
    const swatch = colour && el("i", { class: "swatch" });
    if (swatch) swatch.style.backgroundColor = colour;
    return el("label", { title: words }, el("input", { type: "radio", name: "brush", checked, "aria-label": words, on: { change: chosen } }), el("span", {}, swatch ?? words));
  }

  #palette() {
    return COLOURS.map((colour, index) => this.#choice(t(NAMES[index]), () => { this.#brush.index = index; }, index === 1, colour));
  }

  #listen() {
    const canvas = this.#canvas;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.#sheet.begin();
      this.#last = null;
      this.#stroke(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      this.#follow(event);
      if (event.buttons & 1) for (const each of event.getCoalescedEvents?.() ?? [event]) this.#stroke(each);
    });
    canvas.addEventListener("pointerup", () => { this.#last = null; });
    canvas.addEventListener("pointerleave", () => { this.#cursor.hidden = true; });
  }

  #at(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.#canvas.width / box.width, (event.clientY - box.top) * this.#canvas.height / box.height];
  }

  #follow(event) {
    const box = this.#canvas.getBoundingClientRect(), style = this.#cursor.style;
    const side = 2 * this.#brush.radius * box.width / this.#canvas.width;
    this.#cursor.hidden = event.pointerType === "touch";
    style.width = style.height = `${side}px`;
    style.left = `${this.#canvas.offsetLeft + event.clientX - box.left - side / 2}px`;
    style.top = `${this.#canvas.offsetTop + event.clientY - box.top - side / 2}px`;
  }

  #stroke(event) {
    const pressed = event.pointerType === "pen" && event.pressure ? 0.3 + 0.9 * event.pressure : 1;
    this.#to(this.#at(event), pressed);
  }

  #to(point, pressed = 1) {
    const brush = { ...this.#brush, radius: this.#brush.radius * pressed };
    const from = this.#last ?? point, length = Math.hypot(point[0] - from[0], point[1] - from[1]);
    const many = Math.max(1, Math.ceil(length / Math.max(1, brush.radius / 3)));
    for (let i = 1; i <= many; i++) this.#sheet.stamp(from[0] + (point[0] - from[0]) * i / many, from[1] + (point[1] - from[1]) * i / many, brush);
    this.#last = point;
    this.#show();
  }

  #show() {
    this.#sheet.show(this.#canvas.getContext("2d"));
  }

  #key(event) {
    const undo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (undo) {
      event.shiftKey ? this.#sheet.redo() : this.#sheet.undo();
      this.#show();
      return event.preventDefault();
    }
    if (event.target !== this.#canvas) return;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    this.at ??= [this.#canvas.width / 2, this.#canvas.height / 2];
    if (step) {
      this.at = this.at.map((value, i) => value + step[i] * this.#brush.radius / 2);
      const box = this.#canvas.getBoundingClientRect();
      this.#follow({ clientX: box.left + this.at[0] * box.width / this.#canvas.width, clientY: box.top + this.at[1] * box.height / this.#canvas.height });
      event.preventDefault();
    } else if (event.key === " ") {
      this.#sheet.begin();
      this.#last = null;
      this.#to(this.at);
      event.preventDefault();
    }
  }
}
