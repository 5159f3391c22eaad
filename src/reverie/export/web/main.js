// The page: what is chosen, what is shown.

import { Engine } from "./engine.js";
import { Camera, fitted, pictureIn, pixelsOf } from "./sources.js";

const LIVE = 256;  // pixels of the longer side with which a film begins
const at = (id) => document.getElementById(id);
const about = await (await fetch("reverie.json")).json();
const engine = new Engine((share) => say(`Fetching the network … ${Math.round(100 * share)} %`));
const camera = new Camera();
const state = { picture: null, painting: null, looked: null, original: null, made: null, busy: false, again: false };

function say(text, wrong = false) {
  at("status").textContent = text;
  at("status").classList.toggle("wrong", wrong);
}

function titled() {
  const titles = {
    instant: "Paint a photo like any painting",
    paint: `Paint photos like “${about.name}”`,
    enlarge: `Make pictures ${about.factor} times larger`,
  };
  at("title").textContent = document.title = titles[about.kind];
  at("version").textContent = `Made by Reverie ${about.reverie}.`;
}

// --- what is painted ---------------------------------------------------------------------------

// One picture at a time; whatever is asked for meanwhile is done once, afterwards, with what is wished then.
async function refresh() {
  if (!state.picture && !camera.live) return;
  if (state.busy) {
    state.again = true;
    return;
  }
  state.busy = true;
  try {
    do {
      state.again = false;
      await paintOnce();
    } while (state.again || camera.live);
  } catch (error) {
    say(`That did not work: ${error.message}.`, true);
  }
  state.busy = false;
}

async function paintOnce() {
  const source = camera.live ? camera.video : state.picture;
  const size = fitted(source.videoWidth || source.width, source.videoHeight || source.height, Number(at("side").value));
  const original = pixelsOf(source, ...size);
  if (!camera.live) say("Working …");
  await look(size[0] * size[1]);
  const { image, milliseconds } = await engine.paint(original);
  Object.assign(state, { original, made: image });
  shown();
  const per = camera.live ? `, ${(1000 / milliseconds).toFixed(1)} pictures a second` : "";
  say(`${image.width} × ${image.height} pixels, ${Math.round(milliseconds)} ms${per}`);
  at("status").dataset.milliseconds = milliseconds;
  if (camera.live) await new Promise(requestAnimationFrame);
}

// A painting is looked at in the photo's scale, so that strokes keep their size.
async function look(area) {
  const painting = state.painting;
  if (!painting) return;
  const factor = Math.min(1, Math.sqrt(area / (painting.width * painting.height)));
  const [width, height] = [painting.width, painting.height].map((length) => Math.max(32, Math.round(length * factor)));
  const key = `${painting.number} ${width}x${height}`;
  if (state.looked === key) return;
  await engine.look(pixelsOf(painting.bitmap, width, height));
  state.looked = key;
}

function shown() {
  const before = at("original").getAttribute("aria-pressed") === "true";
  const canvas = at("result"), { width, height } = state.made;
  Object.assign(canvas, { width, height, hidden: false });
  canvas.style.setProperty("--shape", width / height);
  const context = canvas.getContext("2d", { colorSpace: "srgb" });
  if (!before) context.putImageData(state.made, 0, 0);
  else context.drawImage(onCanvas(state.original), 0, 0, width, height);
  canvas.setAttribute("aria-label", before ? "The original picture" : "The result");
  at("empty").hidden = true;
  at("save").disabled = at("original").disabled = false;
}

function onCanvas(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// --- what is chosen ----------------------------------------------------------------------------

async function choose(file) {
  if (!file) return;
  try {
    const bitmap = await pictureIn(file);
    stopCamera();
    state.picture = bitmap;
    await refresh();
  } catch (error) {
    say(`${file.name}: ${error.message}.`, true);
  }
}

let paintings = 0;

async function choosePainting(blob, name) {
  try {
    const bitmap = await pictureIn(blob);
    state.painting = { bitmap, width: bitmap.width, height: bitmap.height, number: ++paintings };
    await refresh();
  } catch (error) {
    say(`${name}: ${error.message}.`, true);
  }
}

async function chooseStyle(name) {
  await choosePainting(await (await fetch(`styles/${name}.jpg`)).blob(), name);
}

function offerStyles() {
  at("paintings").hidden = false;
  for (const name of about.styles) {
    const label = document.createElement("label"), title = name.replaceAll("-", " ");
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "style", value: name });
    radio.setAttribute("aria-label", title);
    radio.addEventListener("change", () => chooseStyle(name));
    label.append(radio, Object.assign(new Image(), { src: `styles/${name}.jpg`, alt: "", title }));
    at("strip").append(label);
  }
}

// --- the camera --------------------------------------------------------------------------------

async function startCamera() {
  try {
    await camera.start();
  } catch (error) {
    return say(`The camera cannot be used: ${error.message}.`, true);
  }
  at("side").value = Math.min(Number(at("side").value), LIVE);
  sideSaid();
  cameraShown();
  await refresh();
}

function stopCamera() {
  camera.stop();
  cameraShown();
}

function cameraShown() {
  at("camera").setAttribute("aria-pressed", camera.live);
  at("camera").textContent = camera.live ? "Stop the camera" : "Camera";
  at("shoot").hidden = at("turn").hidden = !camera.live;
}

async function shoot() {
  state.picture = await createImageBitmap(camera.video);
  stopCamera();
  at("side").value = about.side.begin;
  sideSaid();
  await refresh();
}

// --- the rest ----------------------------------------------------------------------------------

function sideSaid() {
  const side = Number(at("side").value);
  at("side-said").value = about.factor > 1 ? `${side} → ${side * about.factor} px` : `${side} px`;
}

function save() {
  at("result").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${about.name}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}

function toggleOriginal() {
  const pressed = at("original").getAttribute("aria-pressed") !== "true";
  at("original").setAttribute("aria-pressed", pressed);
  at("original").textContent = pressed ? "Show the result" : "Show the original";
  shown();
}

function listen() {
  at("file").addEventListener("change", (event) => choose(event.target.files[0]));
  at("painting").addEventListener("change", (event) => {
    const [file] = event.target.files;
    for (const radio of document.querySelectorAll("#strip input")) radio.checked = false;
    if (file) choosePainting(file, file.name);
  });
  at("camera").addEventListener("click", () => (camera.live ? stopCamera() : startCamera()));
  at("turn").addEventListener("click", () => camera.turn().catch((error) => say(error.message, true)));
  at("shoot").addEventListener("click", shoot);
  at("save").addEventListener("click", save);
  at("original").addEventListener("click", toggleOriginal);
  at("side").addEventListener("input", sideSaid);
  at("side").addEventListener("change", refresh);
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      at("stage").classList.toggle("over", name === "dragover");
    });
  }
  document.addEventListener("drop", (event) => choose(event.dataTransfer.files[0]));
}

async function begin() {
  titled();
  Object.assign(at("side"), { min: about.side.least, max: about.side.most, value: about.side.begin });
  sideSaid();
  at("no-camera").hidden = Camera.offered;
  at("camera").disabled = !Camera.offered;
  if (about.styles.length) offerStyles();
  listen();
  const wished = new URLSearchParams(location.search).get("device");
  const { device, threads } = await engine.load(about, wished);
  for (const id of ["pictures", "paintings", "result-controls"]) at(id).disabled = false;
  if (about.styles.length) {
    document.querySelector(`#strip input[value="${about.style}"]`).checked = true;
    await chooseStyle(about.style);
  }
  const where = device === "webgpu" ? "the graphics card" : threads > 1 ? `${threads} threads` : "one thread";
  say(`Ready, on ${where}.`);
  document.body.dataset.ready = device;
}

begin().catch((error) => say(`The page could not start: ${error.message}.`, true));
