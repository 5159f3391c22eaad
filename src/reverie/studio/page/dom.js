// Elements in few words.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: properties, `on` listeners, `data`, attributes that are no properties, children. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null) continue;
    if (name === "on") for (const [kind, heard] of Object.entries(value)) made.addEventListener(kind, heard);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "class") made.className = value;
    else if (name in made && !name.startsWith("aria")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const ICONS = {
  star: "M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8-4.2-4.1 5.8-.8z",
  save: "M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 19.5h14",
  bin: "M5 7h14M9.5 7V4.5h5V7m-8 0l1 12.5h9l1-12.5M10 10.5v6m4-6v6",
  back: "M9 7L4.500 11.500 9 16m-4.500-4.500H15a4.500 4.500 0 014.500 4.500v2",
  again: "M19.500 12a7.500 7.500 0 11-2.200-5.300M19.500 4v4h-4",
  pause: "M8.500 5.500v13m7-13v13",
  play: "M8 5.500v13l10.500-6.500z",
  stop: "M7 7h10v10H7z",
  close: "M6.500 6.500l11 11m0-11l-11 11",
  copy: "M9 9h10.500v10.500H9zM15 9V4.500H4.500V15H9",
  compare: "M12 4v16M4.500 6.500H9m-4.500 0v11H9m6-11h4.500v11H15",
  brush: "M19.500 4.500l-9 9m-2 1.500c-2 0-3 1.500-3 3.500-.500.700-1 1-1.500 1 3.500 1 7 .500 7-2.500 0-1.200-1-2-2.500-2z",
  dice: "M5 5h14v14H5zM9 9h.01M15 9h.01M12 12h.01M9 15h.01M15 15h.01",
  camera: "M4.500 8h3.500l1.500-2.500h5L16 8h3.500v10.500h-15zM12 16a3 3 0 100-6 3 3 0 000 6z",
  add: "M12 5v14M5 12h14",
  undo: "M9 7L4.500 11.500 9 16m-4.500-4.500H15a4.500 4.500 0 010 9h-2",
  redo: "M15 7l4.500 4.500L15 16m4.500-4.500H9a4.500 4.500 0 000 9h2",
  grip: "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01",
  sun: "M12 16.500a4.500 4.500 0 100-9 4.500 4.500 0 000 9zM12 2.500v2m0 15v2M2.500 12h2m15 0h2M5.300 5.300l1.400 1.400m10.600 10.600l1.400 1.400m0-13.400l-1.400 1.400M6.700 17.300l-1.400 1.400",
  keys: "M3.500 6.500h17v11h-17zM7 10h.01M10.500 10h.01M14 10h.01M17.500 10h.01M8 14h8",
  grid: "M4.500 4.500h6v6h-6zm9 0h6v6h-6zm-9 9h6v6h-6zm9 0h6v6h-6z",
  fit: "M4.500 9V4.500H9m6 0h4.500V9m0 6v4.500H15m-6 0H4.500V15",
};

/** A small drawing in lines, of the text's colour; it is not read aloud. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button with a drawing; its words are its name for those who do not see it. */
export function iconButton(name, words, pressed, more = {}) {
  return el("button", { type: "button", class: "small", title: words, "aria-label": words, ...more, on: { click: pressed } }, icon(name));
}

/** Put new children into an element, keeping the focus on the one of the same `data-key`. */
export function replace(parent, ...children) {
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset?.key : undefined;
  parent.replaceChildren(...children.flat().filter(Boolean));
  if (key) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** Call a function once for many calls, before the next picture is drawn. */
export function soon(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      work();
    }, document.hidden ? 250 : 16);
  };
}

let last = 0;
export const fresh = (word) => `${word}-${++last}`;

/** A dialog that is gone when it is closed. */
export function dialog(title, ...children) {
  const id = fresh("title");
  const close = iconButton("close", title.close, () => made.close());
  const made = el("dialog", { "aria-labelledby": id }, el("div", { class: "head" }, el("h2", { id }, title.text), close), ...children);
  made.addEventListener("close", () => made.remove());
  made.addEventListener("click", (event) => event.target === made && made.close());
  document.body.append(made);
  made.showModal();
  return made;
}
