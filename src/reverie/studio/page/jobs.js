// The queue, and everything that was made.

import { el, icon, iconButton, replace, soon } from "./dom.js";
import { DRAGGED, said } from "./slots.js";
import { address, service } from "./service.js";
import { craftNamed, isOpen, over, select, state, tell, waiting, when } from "./state.js";
import { ago, choiceName, craftName, duration, t } from "./words.js";

const PAGE = 48, ROWS = 60;

// --- the queue -----------------------------------------------------------------------------------

export function showQueue(place) {
  const draw = soon(() => drawQueue(place));
  for (const kind of ["jobs", "selected"]) when(kind, draw);
  when("progress", ({ job }) => {
    const row = place.querySelector(`[data-job="${job.id}"]`);
    if (!row) return;
    row.querySelector("progress").value = job.progress;
    row.querySelector(".place").textContent = placeOf(job);
  });
  place.addEventListener("keydown", moved);
}

function drawQueue(place) {
  const jobs = waiting(), shown = jobs.slice(0, ROWS), list = place.querySelector("#queue");
  const rows = drawn(list, shown, (job) => [job.state, job.title, job.error, job.id === state.draft.selected], row);
  const mark = JSON.stringify([jobs.length, state.paused]);
  if (list && place.dataset.mark === mark && rows.length) {
    if (rows.some((made, at) => list.children[at] !== made) || list.children.length !== rows.length) replace(list, ...rows);
    return;
  }
  place.dataset.mark = mark;
  replace(place, ...queue(jobs.length, rows));
}

/** Elements of jobs: those that show what is so still, and new ones. */
function drawn(list, jobs, marksOf, make) {
  const known = new Map([...(list?.children ?? [])].map((child) => [child.dataset.job, child]));
  return jobs.map((job) => {
    const mark = JSON.stringify(marksOf(job)), old = known.get(job.id);
    if (old?.dataset.mark === mark) return old;
    const made = make(job);
    made.dataset.mark = mark;
    return made;
  });
}

function queue(many, rows) {
  const all = () => said(() => service.pauseAll(!state.paused));
  return [
    el("div", { class: "head" }, el("h2", {}, t("Queue"), many ? el("span", { class: "count" }, many) : ""),
      el("button", { type: "button", class: "quiet", "aria-pressed": state.paused, data: { key: "pause-all" }, on: { click: all } }, state.paused ? t("Go on with the queue") : t("Pause the queue"))),
    many ? el("ol", { class: "queue", id: "queue" }, rows) : el("p", { class: "hint" }, t("Nothing is waiting. What you make comes here first.")),
    many > rows.length && el("p", { class: "hint" }, t("and {n} more", { n: many - rows.length })),
  ];
}

function placeOf(job) {
  if (job.state === "queued") return t("waiting");
  if (job.state === "paused") return job.error ?? t("paused");
  const left = job.began && job.progress > 0.05 ? (Date.now() / 1000 - job.began) * (1 - job.progress) / job.progress : 0;
  const share = `${Math.floor(100 * job.progress)} %`;
  return left ? `${share} · ${t("about {time} left", { time: duration(left) })}` : share;
}

function row(job) {
  const made = el("li", { class: `job ${job.state}`, draggable: true, data: { job: job.id, key: `row-${job.id}` }, tabIndex: 0, "aria-current": state.draft.selected === job.id || undefined,
    "aria-label": `${job.title}, ${choiceName(job.state)}`, on: { click: (event) => event.target.closest("button") || select(job.id) } },
    el("span", { class: "grip" }, icon("grip")),
    el("div", { class: "what" }, el("strong", {}, job.title), el("span", { class: "place" }, placeOf(job)),
      el("progress", { max: 1, value: job.progress, "aria-label": t("Progress of {name}", { name: job.title }) })),
    el("div", { class: "row" }, buttons(job)));
  takesRows(made, job);
  return made;
}

function buttons(job) {
  const key = (name) => ({ data: { key: `${name}-${job.id}`, act: name } });
  return [
    job.state === "paused" ? iconButton("play", t("Go on"), () => said(() => service.retry(job.id)), key("retry")) : iconButton("pause", t("Pause"), () => said(() => service.pause(job.id)), key("pause")),
    job.state === "running" && iconButton("stop", t("Stop, and keep the picture so far"), () => said(() => service.cancel(job.id, true)), key("keep")),
    iconButton("close", t("Cancel"), () => said(() => service.cancel(job.id, false)), key("cancel")),
  ];
}

function takesRows(made, job) {
  made.addEventListener("dragstart", (event) => event.dataTransfer.setData("application/x-reverie-job", job.id));
  made.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("application/x-reverie-job")) return;
    event.preventDefault();
    event.stopPropagation();
    made.classList.add("before");
  });
  made.addEventListener("dragleave", () => made.classList.remove("before"));
  made.addEventListener("drop", (event) => {
    const moved = event.dataTransfer.getData("application/x-reverie-job");
    if (!moved) return;
    event.preventDefault();
    event.stopPropagation();
    if (moved !== job.id) said(() => service.place(moved, job.id));
  });
}

/** Rows by the keyboard: arrows go from one to the next, with Alt they take the row along. */
function moved(event) {
  const own = event.target.closest("li.job");
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (own !== event.target || !own) return;
  if (event.key === "Enter") select(own.dataset.job);
  if (event.key === "Delete") said(() => service.cancel(own.dataset.job, false));
  if (!by) return;
  event.preventDefault();
  if (!event.altKey) return (by < 0 ? own.previousElementSibling : own.nextElementSibling)?.focus();
  const jobs = waiting(), from = jobs.findIndex(({ id }) => id === own.dataset.job);
  const next = by < 0 ? jobs[from - 1] : jobs[from + 2];
  if (by < 0 ? next : from + 1 < jobs.length) said(() => service.place(own.dataset.job, next?.id ?? null));
}

// --- the history ---------------------------------------------------------------------------------

const filter = { words: "", craft: "", starred: false, state: "", shown: PAGE };

export function showHistory(place) {
  const list = el("ul", { class: "history", id: "history" }), more = el("div", { class: "row" }), count = el("span", { class: "count" });
  const draw = soon(() => drawHistory(list, more, count));
  place.append(el("div", { class: "head" }, el("h2", {}, t("Made"), count), filters(draw)), list, more);
  for (const kind of ["jobs", "selected", "catalogue"]) when(kind, draw);
  list.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    const own = event.target.closest("li"), next = by && (by < 0 ? own?.previousElementSibling : own?.nextElementSibling);
    if (next) next.querySelector("button.picture").focus();
    if (by) event.preventDefault();
  });
}

function filters(draw) {
  const set = (change) => { Object.assign(filter, change, { shown: PAGE }); draw(); };
  const star = el("button", { type: "button", class: "small", "aria-pressed": "false", title: t("Only with a star"), "aria-label": t("Only with a star"), on: { click: () => { set({ starred: !filter.starred }); star.setAttribute("aria-pressed", filter.starred); } } }, icon("star"));
  const craft = el("select", { "aria-label": t("Craft"), on: { change: () => set({ craft: craft.value }) } });
  when("catalogue", () => replace(craft, el("option", { value: "" }, t("every craft")), ...state.catalogue.crafts.map(({ name }) => el("option", { value: name }, craftName(name)))));
  return el("div", { class: "row filters" },
    el("input", { type: "search", id: "search", placeholder: t("Search"), "aria-label": t("Search what was made"), on: { input: ({ target }) => set({ words: target.value.toLowerCase() }) } }), craft, star);
}

/** Whether a job is among those that are looked for: by its title, craft, settings and the date. */
function found(job) {
  if (filter.starred && !job.starred || filter.craft && job.craft !== filter.craft) return false;
  return !filter.words || filter.words.split(/\s+/).every((word) => textOf(job).includes(word));
}

const texts = new WeakMap(), dates = new Intl.DateTimeFormat(undefined, { dateStyle: "short" });

function textOf(job) {
  if (!texts.has(job)) {
    const words = [job.title, job.craft, craftName(job.craft), JSON.stringify(job.settings), job.preset ?? "", dates.format(job.created * 1000)];
    texts.set(job, words.join(" ").toLowerCase());
  }
  return texts.get(job);
}

/** The jobs of the history as they are shown. */
export const shownHistory = () => over().filter(found);

function drawHistory(list, more, count) {
  const jobs = shownHistory();
  count.textContent = jobs.length || "";
  const marks = (job) => [job.state, job.starred, job.results, job.title, job.id === state.draft.selected];
  const cards = drawn(list, jobs.slice(0, filter.shown), marks, card);
  if (cards.some((made, at) => list.children[at] !== made) || list.children.length !== cards.length) replace(list, ...cards);
  replace(more, jobs.length > filter.shown && el("button", { type: "button", on: { click: () => { filter.shown += PAGE; drawHistory(list, more, count); } } }, t("Show more")),
    !jobs.length && el("p", { class: "hint" }, state.jobs.size ? t("Nothing of that kind.") : t("What you make is kept here until you delete it.")));
}

function card(job) {
  const [result] = job.results;
  const picture = result
    ? el("img", { src: address({ kind: "result", id: result }, 320), alt: "", loading: "lazy", decoding: "async", on: { error: ({ target }) => target.replaceWith(el("span", { class: "no-picture" }, t("a file"))) } })
    : el("span", { class: "no-picture" }, choiceName(job.state));
  const film = result && ["clip", "film"].includes(craftNamed(job.craft)?.makes) && el("span", { class: "badge" }, icon("play"));
  const open = el("button", { type: "button", class: "picture", data: { key: `card-${job.id}` }, "aria-current": job.id === state.draft.selected || undefined, title: `${job.title}\n${ago(job.created)}`,
    "aria-label": `${job.title}, ${craftName(job.craft)}, ${choiceName(job.state)}, ${ago(job.created)}`, draggable: Boolean(result), on: { click: () => select(job.id) } }, picture, film || "");
  if (result) open.addEventListener("dragstart", (event) => event.dataTransfer.setData(DRAGGED, JSON.stringify({ id: result, kind: "result", name: job.title })));
  return el("li", { data: { job: job.id } }, open, starOf(job));
}

export function starOf(job) {
  return iconButton("star", job.starred ? t("Take the star away") : t("Give it a star"), () => starred(job), { "aria-pressed": String(job.starred), data: { key: `star-${job.id}`, act: "star" } });
}

export const starred = (job) => said(() => service.change(job.id, { starred: !job.starred }));

export async function removed(job) {
  const jobs = shownHistory(), at = jobs.findIndex(({ id }) => id === job.id);
  const gone = await said(async () => {
    if (isOpen(job)) await service.cancel(job.id, false);
    await service.remove(job.id);
    return true;
  });
  if (gone) select((jobs[at + 1] ?? jobs[at - 1])?.id ?? null);
  if (gone) tell("say", t("{name} is deleted.", { name: job.title }));
}
