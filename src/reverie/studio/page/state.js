// What is known, and what is being prepared. Jobs are the service's; what is prepared is kept in this browser.

import { service, Refused } from "./service.js";

const KEPT = "reverie.draft", CATALOGUE = "reverie.catalogue";
const EMPTY = { craft: null, forms: {}, selected: null };

export const heard = new EventTarget();
export const tell = (kind, detail) => heard.dispatchEvent(new CustomEvent(kind, { detail }));
export const when = (kind, listener) => heard.addEventListener(kind, (event) => listener(event.detail));

export const state = {
  catalogue: null,  // { crafts, presets, networks, styles }
  jobs: new Map(),
  paused: false,
  draft: draftKept(),
};

// --- what is prepared ----------------------------------------------------------------------------

// A tab has its own; a new one begins with what the last one had.
function draftKept() {
  for (const kept of [sessionStorage, localStorage]) {
    try {
      const draft = JSON.parse(kept.getItem(KEPT));
      if (draft?.forms) return { ...EMPTY, ...draft };
    } catch { /* nothing that can be used is kept */ }
  }
  return structuredClone(EMPTY);
}

export function keepDraft() {
  const text = JSON.stringify(state.draft);
  sessionStorage.setItem(KEPT, text);
  localStorage.setItem(KEPT, text);
}

/** What is prepared for a craft: pictures by input, settings that are not the default, weights of the paintings. */
export function formOf(name = state.draft.craft) {
  return (state.draft.forms[name] ??= { inputs: {}, settings: {} });
}

export const craftNamed = (name) => state.catalogue?.crafts.find((each) => each.name === name);
export const craftNow = () => craftNamed(state.draft.craft);

export function chooseCraft(name) {
  const before = craftNow(), next = craftNamed(name);
  if (!next || before === next) return;
  const carried = before && formOf(before.name).inputs;
  state.draft.craft = name;
  for (const input of next.inputs) {  // a photo that was brought for one craft is there for the next
    const own = formOf(name).inputs;
    if (carried?.[input.name]?.length && !own[input.name]?.length) own[input.name] = [...carried[input.name]];
  }
  keepDraft();
  tell("craft");
}

export function setSetting(name, value) {
  const card = craftNow().settings.find((each) => each.name === name), { settings } = formOf();
  if (value === undefined || same(value, card.default)) delete settings[name];
  else settings[name] = value;
  keepDraft();
  tell("settings", name);
}

export function setInput(name, pictures) {
  formOf().inputs[name] = pictures;
  const input = craftNow().inputs.find((each) => each.name === name);
  const { either } = craftNow();
  if (pictures.length && either.includes(name)) for (const other of either) if (other !== name) delete formOf().inputs[other];
  if (input?.many && hasWeights()) delete formOf().settings.weights;
  keepDraft();
  tell("inputs", name);
}

export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
export const hasWeights = () => craftNow().settings.some((each) => each.name === "weights");
export const valueOf = (name) => formOf().settings[name] ?? craftNow().settings.find((each) => each.name === name)?.default;
export const mainInput = (craft = craftNow()) => craft?.inputs[0];

/** What is asked of the service for what is prepared. */
export function request(more = {}) {
  const craft = craftNow(), { inputs, settings } = formOf(), ids = {};
  for (const input of craft.inputs) if (inputs[input.name]?.length) ids[input.name] = inputs[input.name].map(({ id }) => id);
  return { craft: craft.name, inputs: ids, settings: { ...settings, ...more } };
}

// --- the service's -------------------------------------------------------------------------------

/** Everything to choose from: at once what was there last time, and then what is there now. */
export async function learn() {
  const kept = localStorage.getItem(CATALOGUE);
  if (kept) take(JSON.parse(kept));
  const [crafts, presets, networks, styles] = await Promise.all(
    [service.crafts(), service.presets(), service.networks(), service.styles()]);
  const text = JSON.stringify({ crafts, presets, networks, styles });
  if (text === kept) return;
  localStorage.setItem(CATALOGUE, text);
  take(JSON.parse(text));
}

const FIRST = ["dream", "style", "instant", "texture", "upscale", "zoom", "video instant", "video dream", "video style"];  // of the crafts, as most people know them
const rank = ({ name }) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);

function take(catalogue) {
  catalogue.crafts.sort((a, b) => rank(a) - rank(b));
  state.catalogue = catalogue;
  if (!craftNow()) state.draft.craft = catalogue.crafts[0].name;
  tell("catalogue");
}

export async function readJobs() {
  const [queue, jobs] = await Promise.all([service.queue(), service.jobs()]);
  state.jobs = new Map(jobs.map((job) => [job.id, job]));
  state.paused = queue.paused;
  tell("jobs");
  return queue.last_event;
}

const dirty = new Set();
let reading = false;

/** Something happened, as the stream tells it. */
export function happened(kind, data) {
  const job = state.jobs.get(data.job);
  if (kind === "progress" && job) {
    Object.assign(job, { progress: data.progress, place: data.place ?? "", preview: data.preview ?? job.preview });
    tell("progress", { job, data });
  } else if (kind === "removed") {
    state.jobs.delete(data.removed);
    tell("jobs");
  } else if (kind === "queue") {
    if ("paused" in data) state.paused = data.paused;
    tell("jobs");
  } else if (kind === "state" || kind === "changed" || (kind === "progress" && data.job)) {
    dirty.add(data.job);
    readDirty();
  } else if (kind === "message" || kind === "download") tell(kind, { job, data });
}

async function readDirty() {
  if (reading) return;
  reading = true;
  await new Promise((done) => setTimeout(done, 60));  // what comes together is read together
  const ids = [...dirty];
  dirty.clear();
  try {
    if (ids.length > 8) await readJobs();
    else for (const job of await Promise.all(ids.map((id) => service.job(id).catch(gone)))) if (job) state.jobs.set(job.id, job);
    tell("jobs");
  } catch { /* the stream tells when the service is there again */ }
  reading = false;
  if (dirty.size) readDirty();
}

function gone(error) {
  if (error instanceof Refused) return null;
  throw error;
}

const OPEN = ["running", "queued", "paused"];
export const isOpen = (job) => OPEN.includes(job.state);

/** Jobs that are not over, in their order. */
export function waiting() {
  const rank = (job) => (job.state === "running" ? 0 : 1);
  return [...state.jobs.values()].filter(isOpen)
    .sort((a, b) => rank(a) - rank(b) || b.priority - a.priority || a.position - b.position);
}

/** Jobs that are over, the last one first. */
export const over = () => [...state.jobs.values()].filter((job) => !isOpen(job)).sort((a, b) => b.created - a.created);

export function select(id) {
  state.draft.selected = id;
  keepDraft();
  tell("selected", id);
}
export const selected = () => state.jobs.get(state.draft.selected);

/** Prepare what a job was made with. */
export function restore({ craft, settings, inputs }) {
  if (!craftNamed(craft)) return false;
  state.draft.craft = craft;
  state.draft.forms[craft] = { settings: { ...settings }, inputs };
  keepDraft();
  tell("craft");
  return true;
}

/** The pictures of a job, as the form has them. */
export function picturesOf(job) {
  const craft = craftNamed(job.craft), styles = new Set(state.catalogue.styles.map(({ name }) => name));
  const results = new Set([...state.jobs.values()].flatMap((each) => each.results));
  const kindOf = (id, input) => (input?.networks ? "network" : styles.has(id) ? "style" : results.has(id) ? "result" : "picture");
  return Object.fromEntries(Object.entries(job.inputs).map(([name, ids]) => {
    const input = craft?.inputs.find((each) => each.name === name);
    return [name, ids.map((id) => ({ id, kind: kindOf(id, input), name: id }))];
  }));
}
