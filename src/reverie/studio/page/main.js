// The page: its parts, and the keyboard.

import { dialog, el, iconButton, replace } from "./dom.js";
import { showSettings } from "./form.js";
import { askGrid, showGrid } from "./grids.js";
import { showHistory, showQueue } from "./jobs.js";
import { service, Stream } from "./service.js";
import { said, showInputs, takePageDrops } from "./slots.js";
import { chooseCraft, craftNow, formOf, happened, keepDraft, learn, readJobs, request, same, select, state, tell, when } from "./state.js";
import { craftName, craftSummary, language, LANGUAGES, learnWords, presetName, speak, t } from "./words.js";

const at = (id) => document.getElementById(id);
await learnWords();
const { showStage, stage, copyCommand } = await import("./stage.js");  // whose first words are drawn at once

// --- the head ------------------------------------------------------------------------------------

function showCrafts() {
  const nav = at("crafts");
  nav.setAttribute("aria-label", t("Crafts"));
  const draw = () => replace(nav, state.catalogue.crafts.map((craft) => el("button", {
    type: "button", title: craftSummary(craft), data: { craft: craft.name, key: `craft-${craft.name}` }, "aria-current": craft.name === state.draft.craft ? "page" : undefined, on: { click: () => chooseCraft(craft.name) },
  }, craftName(craft.name))));
  const seen = () => nav.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  for (const kind of ["catalogue", "craft"]) when(kind, () => { draw(); seen(); });
}

function showTools() {
  const next = Object.keys(LANGUAGES).find((each) => each !== language);
  at("tools").append(
    el("button", { type: "button", class: "quiet", id: "language", lang: next, on: { click: () => speak(next) } }, LANGUAGES[next]),
    iconButton("sun", t("Light or dark"), turnTheme, { id: "theme" }),
    iconButton("keys", t("Keyboard"), showKeys, { id: "keys" }));
}

function turnTheme() {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const next = (root.dataset.theme ?? (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
  root.dataset.theme = next;
  localStorage.setItem("reverie.theme", next);
  tell("theme");
}

// --- the controls --------------------------------------------------------------------------------

function showControls() {
  const about = el("div", { id: "about" }), looks = el("fieldset", { class: "looks" }), pictures = el("div", { id: "inputs" }), settings = el("div", { id: "settings" });
  const make = el("button", { type: "submit", class: "main make", id: "make" }, t("Make it"));
  at("controls").setAttribute("aria-label", t("What to make"));
  at("controls").append(about, pictures, looks, settings, el("div", { class: "making" }, make,
    el("button", { type: "button", id: "grid", on: { click: () => craftNow() && askGrid() } }, t("Variations …")),
    iconButton("copy", t("Copy as a command"), () => copyCommand(), { id: "command" })));
  at("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    makeIt();
  });
  const draw = () => {
    const craft = craftNow();
    replace(about, el("h2", {}, craftName(craft.name)), el("p", { class: "hint" }, craftSummary(craft)));
    drawLooks(looks);
  };
  when("catalogue", draw);
  when("craft", draw);
  when("settings", () => drawLooks(looks));
  when("inputs", () => drawLooks(looks));
  showInputs(pictures);
  showSettings(settings);
}

/** Presets as pictures. */
function drawLooks(place) {
  const presets = state.catalogue.presets.filter(({ craft }) => craft === state.draft.craft);
  place.hidden = !presets.length;
  replace(place, el("legend", {}, t("Looks")), el("div", { class: "strip wide" }, presets.map((preset) => {
    const on = same(formOf().settings, preset.settings) && Object.entries(preset.inputs).every(([name, ids]) => same(ids, formOf().inputs[name]?.map(({ id }) => id)));
    const picture = el("img", { src: `presets/${preset.name}.webp`, alt: "", loading: "lazy", decoding: "async", on: { error: () => picture.remove() } });
    return el("button", { type: "button", class: "look", title: preset.summary, "aria-pressed": String(on), data: { key: `look-${preset.name}`, preset: preset.name }, on: { click: () => usePreset(preset, on) } }, picture, el("span", {}, presetName(preset.name)));
  })));
}

function usePreset(preset, on) {
  const form = formOf();
  form.settings = on ? {} : { ...preset.settings };
  if (!on) for (const [name, ids] of Object.entries(preset.inputs)) form.inputs[name] = ids.map((id) => ({ id, kind: "style", name: id }));
  keepDraft();
  tell("craft");
}

let making = false;

async function makeIt() {
  if (making || !craftNow()) return;
  making = true;
  at("make").disabled = true;
  tell("say", t("Into the queue …"));
  const known = new Set(state.jobs.keys());
  const job = await said(() => service.order(request()));
  if (job) {
    const old = known.has(job.id);
    state.jobs.set(job.id, job);
    tell("jobs");
    select(job.id);
    tell("say", old ? t("The very same is here already; another seed makes another.") : "");
    at("stage").querySelector(".frame").scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }
  making = false;
  at("make").disabled = false;
}

// --- what is said --------------------------------------------------------------------------------

function showStatus() {
  const status = at("status");
  const show = (words, wrong) => {
    status.textContent = words;
    status.classList.toggle("wrong", wrong);
  };
  when("say", (words) => show(words, false));
  when("wrong", (words) => show(words[0].toUpperCase() + words.slice(1), true));
  when("message", ({ job, data }) => job?.id === state.draft.selected && show(data.message, false));
  when("download", ({ data }) => show(t("Fetching the network {name} … {share} %", { name: data.network, share: data.of ? Math.round(100 * data.bytes / data.of) : "" }), false));
}

// --- the keyboard --------------------------------------------------------------------------------

const KEYS = [
  ["Ctrl + Enter", () => makeIt(), "Make it"],
  ["c", () => stage.compare(), "Before and after"],
  ["+", () => stage.zoom(1.5), "Enlarge"],
  ["-", () => stage.zoom(1 / 1.5), "Shrink"],
  ["0", () => stage.fit(), "The whole picture"],
  ["1", () => stage.zoom(0), "Single pixels"],
  ["[", () => stage.step(-1), "The newer one"],
  ["]", () => stage.step(1), "The older one"],
  ["s", () => stage.star(), "Give it a star"],
  ["d", () => stage.save(), "Download"],
  ["r", () => stage.restore(), "Use these settings"],
  ["Delete", () => stage.remove(), "Delete"],
  ["g", () => askGrid(), "Variations …"],
  ["y", () => copyCommand(), "Copy as a command"],
  ["p", () => said(() => service.pauseAll(!state.paused)), "Pause the queue"],
  ["/", () => at("search").focus(), "Search"],
  ["?", () => showKeys(), "Keyboard"],
];

function showKeys() {
  dialog({ text: t("Keyboard"), close: t("Close") }, el("dl", { class: "keys" }, KEYS.flatMap(([key, , words]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, t(words))])),
    el("p", { class: "hint" }, t("Arrows move the enlarged picture, and with Alt a row of the queue.")));
}

function listen() {
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") return makeIt();
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const target = event.target;
    if (target.matches("input:not([type=checkbox], [type=radio]), select, textarea")) return;
    const pan = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (target.id === "picture" && pan) {
      event.preventDefault();
      return stage.pan(...pan);
    }
    if (event.key === "Delete" && target.closest("#queue")) return;
    const found = KEYS.find(([key]) => key === event.key || (key === "+" && event.key === "="));
    if (!found || !craftNow()) return;
    event.preventDefault();
    found[1]();
  });
}

// --- begin ---------------------------------------------------------------------------------------

/** The page is as the service is, again and again until that answers. */
async function begin() {
  for (;;) {
    try {
      await learn();
      const last = await readJobs();
      return new Stream(last, heard);
    } catch (error) {
      tell("wrong", error.message);
      await new Promise((done) => setTimeout(done, 1500));
    }
  }
}

let lost = false;

function heard(kind, data) {
  if (kind === "lost") {
    lost = true;
    tell("wrong", t("The studio does not answer. Start it again with “reverie studio”; nothing is lost."));
  } else if (kind === "open") {
    if (lost) readJobs().then(() => tell("say", t("The studio is here again.")));
    lost = false;
  } else happened(kind, data);
}

document.querySelector(".skip").textContent = t("To the controls");
document.title = t("Reverie studio");
showStatus();
showCrafts();
showTools();
showControls();
const queue = el("section", { "aria-label": t("Queue"), class: "desk" }), grid = el("section", { class: "desk", hidden: true, "aria-label": t("Grid") }), history = el("section", { class: "desk", "aria-label": t("Made") });
at("work").append(grid, queue, history);
showQueue(queue);
showGrid(grid);
showHistory(history);
showStage(at("stage"));
takePageDrops(at("stage"));
listen();
window.addEventListener("unhandledrejection", ({ reason }) => tell("wrong", String(reason?.message ?? reason)));
if (!state.catalogue) tell("say", t("Getting ready …"));
await begin();
tell("say", "");
document.body.dataset.ready = "yes";
