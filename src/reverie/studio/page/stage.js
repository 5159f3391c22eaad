// What is on the stage: the chosen job's picture as it grows and when it is done, and what can be done with it.

import { commandOf } from "./command.js";
import { dialog, el, iconButton, replace } from "./dom.js";
import { removed, shownHistory, starOf, starred } from "./jobs.js";
import { canShow, comparable, compareFilms, divideFilms, parts, showFilm, shows } from "./film.js";
import { Plot } from "./plot.js";
import { address, bitmapOf, past, service } from "./service.js";
import { said, useResult } from "./slots.js";
import { craftNamed, craftNow, formOf, isOpen, mainInput, picturesOf, restore, select, selected, state, tell, when } from "./state.js";
import { Viewer } from "./viewer.js";
import { choiceName, craftName, duration, number, settingName, t } from "./words.js";

const canvas = el("canvas", { id: "picture", role: "img", tabIndex: 0, "aria-label": t("No picture yet") });
const empty = el("p", { id: "empty" });
const plotted = el("canvas", { id: "losses", role: "img", hidden: true, "aria-label": t("Losses") });
const bar = el("progress", { id: "progress", max: 1, value: 0, hidden: true, "aria-label": t("Progress") });
const divider = el("input", { type: "range", id: "divider", min: 0, max: 1, step: 0.01, value: 0.5, hidden: true, "aria-label": t("Divider between before and after"), on: { input: () => divide(Number(divider.value)) } });
const scale = el("output", { id: "scale" });
const facts = el("div", { id: "facts" });
const viewer = new Viewer(mounted(canvas), () => { divider.value = viewer.divider; });
const plot = new Plot(plotted);
const compare = tool("compare", t("Before and after"), () => stage.compare());

// A canvas has a parent to be measured by before it is shown.
function mounted(made) {
  el("div", { class: "frame" }, made, ...parts, empty);
  return made;
}

function divide(share) {
  viewer.divider = share;
  divideFilms(share);
}

function tool(name, words, pressed) {
  return iconButton(name, words, pressed, { data: { tool: name } });
}

export const stage = {
  compare() {
    const on = !viewer.comparing;
    viewer.compare(on);
    compareFilms(on);
    divide(viewer.divider);
    compare.setAttribute("aria-pressed", on);
    divider.hidden = !on;
  },
  zoom: (factor) => { viewer.zoom(factor); scaled(); },
  fit: () => { viewer.fit(); scaled(); },
  pan: (x, y) => viewer.pan(x, y),
  step(by) {
    const jobs = shownHistory(), at = jobs.findIndex(({ id }) => id === state.draft.selected);
    const next = jobs[at < 0 ? 0 : at + by];
    if (next) select(next.id);
  },
  star: () => selected() && starred(selected()),
  save: () => document.getElementById("save")?.click(),
  remove: () => selected() && confirmRemoval(selected()),
  restore: () => selected() && again(selected()),
  copy: () => copyCommand(),
};

function scaled() {
  scale.value = viewer.empty || canvas.hidden ? "" : `${number(100 * viewer.scale, 0)} %`;
}

/** Draw the stage into its place. */
export function showStage(place) {
  place.setAttribute("aria-label", t("Picture"));
  const tools = el("div", { class: "row tools", role: "toolbar", "aria-label": t("View") }, compare, divider,
    iconButton("fit", t("The whole picture"), stage.fit, { class: "small pixels" }), el("button", { type: "button", class: "small pixels", title: t("Single pixels"), "aria-label": t("Single pixels"), on: { click: () => stage.zoom(0) } }, "1:1"), scale);
  place.append(canvas.parentElement, bar, plotted, tools, facts);
  canvas.addEventListener("pointerup", scaled);
  canvas.addEventListener("wheel", () => requestAnimationFrame(scaled), { passive: true });
  when("selected", () => shown());
  when("jobs", () => shown({ same: true }));
  when("catalogue", () => shown());
  when("inputs", prepared);
  when("craft", prepared);
  when("theme", () => plot.draw());
  when("progress", ({ job, data }) => job.id === state.draft.selected && progressed(job, data));
  shown();
}

// --- what is shown -------------------------------------------------------------------------------

let now = {};  // what is on the stage: { job, mark, before }
let turn = 0;

// While no job is chosen, the picture to work on.
async function prepared() {
  if (!state.catalogue) return;
  if (selected() && isOpen(selected())) return;
  const [picture] = formOf().inputs[mainInput()?.name] ?? [];
  if (picture?.id === now.photo) return;
  state.draft.selected = null;
  tell("selected", null);
}

async function shown({ same = false } = {}) {
  const job = selected(), mark = job ? `${job.id} ${job.results[0] ?? ""} ${job.state}` : "none";
  told(job);
  if (same && mark === now.mark) return;
  const stays = same && now.job === job?.id, own = ++turn;
  now = { ...now, job: job?.id, mark };
  if (!stays) lossesOf(job);
  try {
    const [clip, film, before, after] = await Promise.all([clipOf(job), filmOf(job), beforeOf(job), afterOf(job)]);
    if (own !== turn) return [before, after].forEach((each) => each?.close?.());
    const shown = film ?? (after ? null : clip);
    showFilm(shown, clip);
    put(before, after, { same: stays, film: shown });
  } catch (error) {
    tell("wrong", error.message);
  }
}

function put(before, after, { same, film = null }) {
  viewer.show(after, before, { same });
  canvas.hidden = shows();
  document.body.dataset.film = shows() ? "yes" : "no";
  const one = film ?? after ?? before;
  canvas.parentElement.style.setProperty("--shape", one ? one.width / one.height : 1.5);
  const words = emptyWords();
  empty.hidden = !viewer.empty || shows();
  if (empty.textContent !== words) empty.textContent = words;
  compare.disabled = !(before && after) && !comparable();
  compareFilms(viewer.comparing);
  viewer.label(after ? t("The result: {name}", { name: selected()?.title ?? "" }) : before ? t("The picture to work on") : "");
  document.body.dataset.shown = after || film?.made ? "result" : before || film ? "photo" : "nothing";
  scaled();
}

const makesPicture = (job) => !["clip", "film", "document", "weights", "report"].includes(craftNamed(job.craft)?.makes);
const emptyWords = () => (selected() ? "" : mainInput()?.kind === "clip" ? t("Drop a clip here, or choose one.") : t("Drop a picture here, paste one, or choose one."));

async function beforeOf(job) {
  if (!state.catalogue) return null;
  const pictures = job ? picturesOf(job) : formOf().inputs;
  const main = mainInput(job ? craftNamed(job.craft) : craftNow());
  const [picture] = pictures[main?.name] ?? [];
  now.photo = picture?.id;
  return picture && main.kind !== "clip" ? bitmapOf(address(picture)).catch(() => null) : null;
}

/** The clip that a job, or what is prepared, works on. */
async function clipOf(job) {
  if (!state.catalogue) return null;
  const main = mainInput(job ? craftNamed(job.craft) : craftNow());
  const [clip] = (main?.kind === "clip" && (job ? picturesOf(job) : formOf().inputs)[main.name]) || [];
  if (!clip) return null;
  const known = await (clip.kind === "result" ? service.facts(clip.id) : service.picture(clip.id)).catch(() => clip);
  return { ...known, src: address(clip), title: known.name, from: job?.settings.from, made: false };
}

async function filmOf(job) {
  const [result] = job?.results ?? [];
  if (!result || makesPicture(job)) return null;
  const known = await service.facts(result);
  return canShow(known) && { ...known, src: address({ kind: "result", id: result }), title: job.title, made: true };
}

async function afterOf(job) {
  if (!job) return null;
  const [result] = job.results;
  if (!result) return job.preview ? bitmapOf(`/api/jobs/${job.id}/preview?${job.preview}`).catch(() => null) : null;
  return makesPicture(job) ? bitmapOf(address({ kind: "result", id: result })) : null;
}

let fetching = false;

async function progressed(job, data) {
  told(job);
  plot.add(data.progress, data.losses);
  if (!data.preview || fetching) return;
  fetching = true;
  try {
    const after = await bitmapOf(`/api/jobs/${job.id}/preview?${data.preview}`);
    if (now.job === job.id && !job.results.length) {
      showFilm(null);
      put(await kept(job), after, { same: true });
    } else after.close();
  } catch { /* the next one comes soon */ }
  fetching = false;
}

let before = { id: null, bitmap: null };

// The picture that a growing one is compared with, decoded once.
async function kept(job) {
  if (before.id !== job.id) before = { id: job.id, bitmap: await beforeOf(job) };
  return before.bitmap;
}

async function lossesOf(job) {
  plot.clear();
  before = { id: null, bitmap: null };
  if (!job || !craftNamed(job.craft)?.stepwise) return;
  await past(job.id, (kind, data) => {
    if (kind === "progress" && state.draft.selected === job.id) plot.add(data.progress, data.losses);
  }).catch(() => null);
}

// --- what is said of it --------------------------------------------------------------------------

let saidLast = "", runs = null, ended = null;

function told(job) {
  const running = job && isOpen(job);
  bar.hidden = !running;
  if (running) bar.value = job.progress;
  document.title = running ? `${Math.floor(100 * job.progress)} % · Reverie` : t("Reverie studio");
  if (saidLast && job?.id !== runs && job?.id !== ended) tell("say", saidLast = "");
  const words = job?.state === "running" ? [choiceName("running"), job.place].filter(Boolean).join(" · ") : "";
  if (running && words !== saidLast) tell("say", saidLast = words);
  if (job?.state === "done" && runs === job.id) {
    ended = job.id;
    tell("say", saidLast = t("Done in {time}.", { time: duration(job.ended - job.began) }));
  }
  runs = running ? job.id : null;
  const mark = job ? JSON.stringify([job.id, job.state, job.starred, job.results, job.title, job.error, job.settings]) : "";
  if (facts.dataset.mark === mark) return;
  facts.dataset.mark = mark;
  replace(facts, ...(job ? factsOf(job) : []));
  if (job?.error) tell("wrong", job.error);
}

function factsOf(job) {
  const words = Object.entries(job.settings).map(([name, value]) => `${settingName(name)} ${Array.isArray(value) ? value.join(", ") : choiceName(value)}`);
  const [result] = job.results, open = isOpen(job);
  const button = (text, pressed, more = {}) => el("button", { type: "button", ...more, on: { click: pressed } }, text);
  return [
    el("div", { class: "head" }, el("h2", {}, job.title), el("div", { class: "row" }, !open && starOf(job), iconButton("bin", t("Delete"), () => confirmRemoval(job)))),
    el("p", { class: "hint" }, [craftName(job.craft), ...words, open || job.state === "done" ? "" : choiceName(job.state)].filter(Boolean).join(" · ")),
    el("div", { class: "row" },
      result && el("a", { class: "button main", id: "save", href: `${address({ kind: "result", id: result })}?download=true`, download: "" }, t("Download")),
      result && makesPicture(job) && button(t("Work on it"), () => useIt(job, result)),
      button(t("Use these settings"), () => again(job), { id: "again" }),
      button(t("Copy as a command"), () => copyCommand(job)),
      ["failed", "cancelled", "paused"].includes(job.state) && button(t("Go on"), () => said(() => service.retry(job.id)))),
  ];
}

function useIt(job, result) {
  const input = craftNow().inputs.find(({ kind }) => kind === "photo" || kind === "result") ?? mainInput();
  useResult({ id: result, kind: "result", name: job.title }, input);
}

function again(job) {
  if (restore({ craft: job.craft, settings: job.settings, inputs: picturesOf(job) })) tell("say", t("Settings and pictures are as they were."));
}

function confirmRemoval(job) {
  const shown = dialog({ text: t("Delete {name}?", { name: job.title }), close: t("Close") }, el("p", {}, t("The picture goes for good.")),
    el("div", { class: "row end" }, el("button", { type: "button", on: { click: () => shown.close() } }, t("Keep it")),
      el("button", { type: "button", class: "main", id: "delete", autofocus: true, on: { click: () => { shown.close(); removed(job); } } }, t("Delete"))));
}

/** Copy a job, or what is prepared, as a command. */
export async function copyCommand(job) {
  const { craft, settings } = job ?? { craft: craftNow().name, settings: formOf().settings };
  const pictures = await named(job ? picturesOf(job) : formOf().inputs);
  const text = commandOf({ craft, settings, pictures });
  try {
    await navigator.clipboard.writeText(text);
    tell("say", t("Copied: {text}", { text }));
  } catch {
    dialog({ text: t("The command"), close: t("Close") }, el("p", { class: "command" }, text));
  }
}

// Pictures by the names of their files.
async function named(inputs) {
  const one = async (picture) => {
    if (picture.kind === "style" || picture.kind === "network" || picture.name !== picture.id) return picture;
    const known = await (picture.kind === "result" ? service.facts(picture.id) : service.picture(picture.id)).catch(() => picture);
    return { ...picture, name: known.name };
  };
  return Object.fromEntries(await Promise.all(Object.entries(inputs).map(async ([name, pictures]) => [name, await Promise.all(pictures.map(one))])));
}
