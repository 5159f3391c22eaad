// Variations, and grids of two dials.

import { dialog, el, fresh, replace, soon } from "./dom.js";
import { address, service } from "./service.js";
import { said } from "./slots.js";
import { craftNow, request, select, state, tell, valueOf, when } from "./state.js";
import { choiceName, settingName, t } from "./words.js";

const MOST = 64;

/** Ask for several seeds, or for every pair of values of two dials, and put them into the queue. */
export function askGrid() {
  const dials = craftNow().settings.filter(({ panel }) => panel !== "Machine");
  const seeds = craftNow().settings.some(({ name }) => name === "seed");
  const first = dials.find(({ panel, name, type }) => panel === "Dials" && name !== "seed" && type !== "text") ?? dials[0];
  const [across, down] = [axis("X", dials, first.name), axis("Y", dials, "")];
  const count = el("p", { class: "hint", role: "status" });
  const told = () => {
    const many = [across, down].reduce((product, each) => product * Math.max(1, each.values().length), 1);
    count.textContent = t("{n} pictures", { n: many });
    make.disabled = many < 2 || many > MOST;
  };
  const send = (varied) => { shown.close(); order(varied); };
  const make = el("button", { type: "button", class: "main", id: "make-grid", on: { click: () => send({ grid: { ...down.grid(), ...across.grid() } }) } }, t("Make the grid"));
  const variations = seeds && el("fieldset", {}, el("legend", {}, t("Variations")), el("p", { class: "hint" }, t("The same with other seeds.")),
    el("div", { class: "row" }, [4, 9, 16].map((many) => el("button", { type: "button", data: { variations: many }, on: { click: () => send({ variations: many }) } }, t("{n} variations", { n: many })))));
  const shown = dialog({ text: t("Variations and grids"), close: t("Close") }, variations,
    el("fieldset", {}, el("legend", {}, t("A grid of two dials")), el("div", { class: "axes" }, across.made, down.made), count),
    el("div", { class: "row end" }, make));
  shown.addEventListener("input", told);
  shown.addEventListener("change", told);
  told();
}

function axis(name, dials, chosen) {
  const id = fresh("axis"), values = el("input", { type: "text", id: `${id}-values`, autocomplete: "off", data: { axis: name } });
  const dial = el("select", { id, data: { dial: name }, on: { change: () => fill() } }, ["", ...dials.map((each) => each.name)].map((each) => el("option", { value: each, selected: each === chosen }, each ? settingName(each) : t("none"))));
  const card = () => dials.find((each) => each.name === dial.value);
  const between = () => (isList(card()) ? ";" : ",");
  const fill = () => {
    values.value = card() ? usual(card()).join(`${between()} `) : "";
    values.disabled = !card();
  };
  fill();
  const read = () => (card() ? values.value.split(between()).map((word) => word.trim()).filter(Boolean).map((word) => valueFor(card(), word)) : []);
  const made = el("div", { class: "axis" }, el("label", { htmlFor: id }, name === "X" ? t("Across") : t("Down")), dial, el("label", { htmlFor: values.id }, t("Values")), values);
  return { made, values: read, grid: () => (read().length ? { [dial.value]: read() } : {}) };
}

// A list whose values are several; one that is usually a single number is written as such.
const isList = ({ type, default: own }) => type === "list" && own?.length !== 1;

/** Values that are worth a try. */
function usual(card) {
  if (card.type === "choice") return card.choices;
  if (card.type === "switch") return [false, true];
  const given = valueOf(card.name), now = Number(Array.isArray(given) ? given[0] : given);
  if (card.name === "seed") return [0, 1, 2];
  if (given === null || !Number.isFinite(now)) return [];
  const most = card.maximum ?? card.below ?? Infinity, whole = card.type === "integer";
  const tried = now ? [now / 2, now, now * 2] : [0, Math.min(most, 1) / 2, Math.min(most, 1)];
  return [...new Set(tried.map((value) => Math.min(most, whole ? Math.round(value) : Math.round(1000 * value) / 1000)))];
}

function valueFor(card, word) {
  if (card.type === "switch") return word === "true";
  if (card.type === "list") return word.split(",").map((part) => (card.of === "text" ? part.trim() : Number(part)));
  return ["integer", "number"].includes(card.type) ? Number(word) : word;
}

async function order(varied) {
  tell("say", t("Into the queue …"));
  const batch = await said(() => service.orderBatch({ ...request(), ...varied }));
  if (!batch) return;
  known.set(batch.id, batch);
  for (const job of batch.jobs) state.jobs.set(job.id, job);
  state.draft.batch = batch.id;
  tell("say", "");
  tell("jobs");
  select(batch.jobs[0].id);
}

// --- the grid of a job ---------------------------------------------------------------------------

const known = new Map();  // batches by their ids

/** The batch that the chosen job belongs to: the one that was looked at last, or that it was made for. */
async function batchOf(job) {
  for (const id of [state.draft.batch, job.batch]) {
    if (!id) continue;
    if (!known.has(id)) known.set(id, await service.batch(id).catch(() => null));
    if (known.get(id)?.jobs.some((each) => each.id === job.id)) return known.get(id);
  }
  return null;
}

/** Show the grid that the chosen job belongs to, as a table of pictures by the values of its dials. */
export function showGrid(place) {
  const draw = soon(async () => {
    const job = state.jobs.get(state.draft.selected), batch = job && state.catalogue ? await batchOf(job) : null;
    place.hidden = !batch;
    if (batch) replace(place, ...(batch.variations > 1 ? variationsOf(batch, job) : gridOf(batch, job)));
  });
  for (const kind of ["selected", "jobs", "catalogue"]) when(kind, draw);
}

function variationsOf(batch, chosen) {
  return [el("h2", {}, t("Variations")), el("div", { class: "variations" }, batch.jobs.map(({ id }) => tile(id, chosen)))];
}

// The last dial runs across and fastest; a job that was deleted leaves its place empty.
function gridOf(batch, chosen) {
  const names = Object.keys(batch.grid), across = names.at(-1), down = names.length > 1 ? names[0] : null;
  const said = (value) => (Array.isArray(value) ? value.join(", ") : choiceName(value));
  const matches = (job, name, value) => name === null || String(job.settings[name]) === String(value);
  const cell = (row, column) => batch.jobs.find((job) => matches(job, down, row) && matches(job, across, column));
  const head = el("tr", {}, down && el("th", { scope: "col" }, settingName(down)), batch.grid[across].map((column) => el("th", { scope: "col" }, `${settingName(across)} ${said(column)}`)));
  const rows = (down ? batch.grid[down] : [null]).map((row) => el("tr", {}, down && el("th", { scope: "row" }, said(row)), batch.grid[across].map((column) => el("td", {}, tile(cell(row, column)?.id, chosen)))));
  const table = el("table", { class: "grid" }, el("thead", {}, head), el("tbody", {}, rows));
  return [el("h2", {}, t("Grid")), el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": t("Grid") }, table)];
}

function tile(id, chosen) {
  const job = state.jobs.get(id);
  if (!job) return "";
  const [result] = job.results;
  return el("button", { type: "button", class: "picture", "aria-current": job.id === chosen.id || undefined, data: { key: `tile-${job.id}` }, "aria-label": job.title, on: { click: () => select(job.id) } },
    result ? el("img", { src: address({ kind: "result", id: result }, 320), alt: "", loading: "lazy", decoding: "async" }) : el("span", { class: "no-picture" }, choiceName(job.state)));
}
