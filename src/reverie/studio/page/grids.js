// Variations, and grids of two dials.

import { dialog, el, fresh, replace, soon } from "./dom.js";
import { said } from "./slots.js";
import { address, service } from "./service.js";
import { craftNow, request, select, state, tell, valueOf, when } from "./state.js";
import { settingName, t } from "./words.js";

const MOST = 64;

/** Ask for several seeds, or for every pair of values of two dials, and put them into the queue. */
export function askGrid() {
  const dials = craftNow().settings.filter(({ type, panel }) => type !== "text" && panel !== "Machine");
  const seeds = craftNow().settings.some(({ name }) => name === "seed");
  const axes = ["X", "Y"].map((name, order) => axis(name, dials, order ? "" : (dials.find(({ panel, name: own }) => panel === "Dials" && own !== "seed") ?? dials[0]).name));
  const count = el("p", { class: "hint", role: "status" });
  const told = () => {
    const many = axes.reduce((product, each) => product * Math.max(1, each.values().length), 1);
    count.textContent = t("{n} pictures", { n: many });
    make.disabled = many < 2 || many > MOST;
  };
  const make = el("button", { type: "button", class: "main", id: "make-grid", on: { click: () => { shown.close(); order(points(axes)); } } }, t("Make the grid"));
  const variations = seeds && el("fieldset", {}, el("legend", {}, t("Variations")), el("p", { class: "hint" }, t("The same with other seeds.")),
    el("div", { class: "row" }, [4, 9, 16].map((many) => el("button", { type: "button", data: { variations: many }, on: { click: () => { shown.close(); order(seedPoints(many)); } } }, t("{n} variations", { n: many })))));
  const shown = dialog({ text: t("Variations and grids"), close: t("Close") }, variations,
    el("fieldset", {}, el("legend", {}, t("A grid of two dials")), el("div", { class: "axes" }, axes.map(({ made }) => made)), count),
    el("div", { class: "row end" }, make));
  shown.addEventListener("input", told);
  told();
}

function axis(name, dials, chosen) {
  const id = fresh("axis"), values = el("input", { type: "text", id: `${id}-values`, autocomplete: "off", data: { axis: name } });
  const dial = el("select", { id, data: { dial: name }, on: { change: () => fill() } }, ["", ...dials.map((each) => each.name)].map((each) => el("option", { value: each, selected: each === chosen }, each ? settingName(each) : t("none"))));
  const card = () => dials.find((each) => each.name === dial.value);
  const fill = () => {
    values.value = card() ? usual(card()).join(card().type === "list" && card().of === "text" ? "; " : ", ") : "";
    values.disabled = !card();
  };
  fill();
  const read = () => (card() ? values.value.split(card().type === "list" && card().of === "text" ? ";" : ",").map((word) => word.trim()).filter(Boolean).map((word) => valueFor(card(), word)) : []);
  const made = el("div", { class: "axis" }, el("label", { htmlFor: id }, name === "X" ? t("Across") : t("Down")), dial, el("label", { htmlFor: values.id }, t("Values")), values);
  return { made, values: read, name: () => dial.value };
}

/** Values that are worth a try. */
function usual(card) {
  if (card.type === "choice") return card.choices;
  if (card.type === "switch") return [false, true];
  const given = valueOf(card.name), now = Number(Array.isArray(given) ? given[0] : given);
  if (!Number.isFinite(now)) return [];
  if (card.name === "seed") return [0, 1, 2];
  const most = card.maximum ?? card.below ?? Infinity, whole = card.type === "integer";
  const tried = now ? [now / 2, now, now * 2] : [0, Math.min(most, 1) / 2, Math.min(most, 1)];
  return [...new Set(tried.map((value) => Math.min(most, whole ? Math.round(value) : Math.round(1000 * value) / 1000)))];
}

function valueFor(card, word) {
  if (card.type === "switch") return word === "true";
  if (card.type === "list") return word.split(",").map((part) => (card.of === "text" ? part.trim() : Number(part)));
  return ["integer", "number"].includes(card.type) ? Number(word) : word;
}

function points([x, y]) {
  const across = x.values().map((value) => ({ [x.name()]: value })), down = y.values().map((value) => ({ [y.name()]: value }));
  const both = (down.length ? down : [{}]).flatMap((row) => (across.length ? across : [{}]).map((column) => ({ ...row, ...column })));
  return both;
}

function seedPoints(many) {
  const first = Number(valueOf("seed")) || 0;
  return Array.from({ length: many }, (_, i) => ({ seed: first + i }));
}

async function order(settings) {
  const batch = crypto.getRandomValues(new Uint32Array(3)).reduce((text, part) => text + part.toString(16).padStart(8, "0"), "");
  tell("say", t("{n} pictures go into the queue …", { n: settings.length }));
  const jobs = [];
  for (const each of settings) {
    const job = await said(() => service.order({ ...request(each), batch }));
    if (!job) break;
    state.jobs.set(job.id, job);
    jobs.push(job);
  }
  if (!jobs.length) return;
  const grids = kept();
  grids[batch] = jobs.map(({ id }) => id);
  localStorage.setItem(GRIDS, JSON.stringify(Object.fromEntries(Object.entries(grids).slice(-50))));
  tell("say", "");
  tell("jobs");
  select(jobs[0].id);
}

// --- the grid of a job ---------------------------------------------------------------------------

const GRIDS = "reverie.grids";
const kept = () => JSON.parse(localStorage.getItem(GRIDS) ?? "{}");

/** The jobs that were asked for together with this one. */
function together(job) {
  const ids = Object.values(kept()).findLast((each) => each.includes(job.id)) ?? [];
  const found = ids.map((id) => state.jobs.get(id)).filter(Boolean);
  return found.length > 1 ? found : [...state.jobs.values()].filter((each) => each.batch && each.batch === job.batch).sort((a, b) => a.created - b.created);
}

/** Show the grid that the chosen job belongs to, as a table of pictures by the values of its dials. */
export function showGrid(place) {
  const draw = soon(() => {
    const job = state.jobs.get(state.draft.selected), jobs = job ? together(job) : [];
    place.hidden = jobs.length < 2;
    replace(place, ...(place.hidden ? [] : gridOf(jobs, job)));
  });
  for (const kind of ["selected", "jobs", "catalogue"]) when(kind, draw);
}

function gridOf(jobs, chosen) {
  const varied = [...new Set(jobs.flatMap(({ settings }) => Object.keys(settings)))]
    .map((name) => [name, [...new Set(jobs.map(({ settings }) => spoken(settings[name], name, jobs[0].craft)))]]).filter(([, values]) => values.length > 1);
  const [x, y] = varied.length > 1 ? varied.toReversed().slice(0, 2) : [varied[0] ?? ["", [""]], null];
  const value = (job, name) => spoken(job.settings[name], name, job.craft);
  const cell = (column, row) => jobs.find((job) => (!x[0] || value(job, x[0]) === column) && (!y || value(job, y[0]) === row));
  const head = el("tr", {}, y && el("th", { scope: "col" }, settingName(y[0])), x[1].map((column) => el("th", { scope: "col" }, `${x[0] ? settingName(x[0]) : ""} ${column}`)));
  const rows = (y ? y[1] : [""]).map((row) => el("tr", {}, y && el("th", { scope: "row" }, row), x[1].map((column) => el("td", {}, tile(cell(column, row), chosen)))));
  if (!y && x[1].length > 4) return [el("h2", {}, t("Variations")), el("div", { class: "variations" }, jobs.map((job) => tile(job, chosen)))];
  return [el("h2", {}, t("Grid")), el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": t("Grid") }, el("table", { class: "grid" }, el("thead", {}, head), el("tbody", {}, rows)))];
}

const spoken = (value, name, craft) => String(value ?? state.catalogue?.crafts.find((each) => each.name === craft)?.settings.find((each) => each.name === name)?.default);

function tile(job, chosen) {
  if (!job) return "";
  const [result] = job.results;
  return el("button", { type: "button", class: "picture", "aria-current": job.id === chosen?.id || undefined, data: { key: `tile-${job.id}` }, "aria-label": job.title, on: { click: () => select(job.id) } },
    result ? el("img", { src: address({ kind: "result", id: result }, 320), alt: "", loading: "lazy", decoding: "async" }) : el("span", { class: "no-picture" }, `${Math.floor(100 * job.progress)} %`));
}
