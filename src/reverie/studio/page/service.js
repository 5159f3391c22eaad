// The service, as the page sees it: questions, and one stream of everything that happens.

/** What the service says is wrong, in its own words. */
export class Refused extends Error {}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refused("the studio does not answer; is it still running?");
  }
  if (answer.status === 204) return null;
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(told.error ?? `the studio refuses this (${answer.status})`);
  return told;
}

const sent = (method, body) => ({ method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });
const job = (id, rest = "") => `/api/jobs/${encodeURIComponent(id)}${rest}`;

export const service = {
  crafts: () => ask("/api/crafts?schema=false"),
  presets: () => ask("/api/presets"),
  networks: () => ask("/api/networks"),
  styles: () => ask("/api/styles"),
  queue: () => ask("/api/queue"),
  jobs: () => ask("/api/jobs?most=5000").then((told) => told.jobs),
  job: (id) => ask(job(id)),
  orderBatch: (request) => ask("/api/batches", sent("POST", request)),
  batch: (id) => ask(`/api/batches/${id}`),
  order: (request) => ask("/api/jobs", sent("POST", request)),
  cancel: (id, keep) => ask(job(id, "/cancel"), sent("POST", { keep })),
  pause: (id) => ask(job(id, "/pause"), sent("POST")),
  retry: (id) => ask(job(id, "/retry"), sent("POST")),
  duplicate: (id) => ask(job(id, "/duplicate"), sent("POST")),
  place: (id, before) => ask(job(id, "/place"), sent("POST", { before })),
  change: (id, change) => ask(job(id), sent("PATCH", change)),
  remove: (id) => ask(job(id), { method: "DELETE" }),
  pauseAll: (paused) => ask(`/api/queue/${paused ? "pause" : "resume"}`, sent("POST")),
  bring: (blob, name) => ask(`/api/pictures?name=${encodeURIComponent(name)}`, { method: "PUT", body: blob }),
  facts: (id) => ask(`/api/results/${id}/facts`),
  picture: (id) => ask(`/api/pictures/${id}`),
  record: (kind, id) => ask(`/api/${kind}s/${id}/record`),
};

/** Where a picture lies: one that was brought, a result or a sample style. */
export function address(picture, side) {
  if (picture.kind === "style") return `/api/styles/${encodeURIComponent(picture.id)}/small?side=${side ?? 1024}`;
  const base = `/api/${picture.kind === "result" ? "results" : "pictures"}/${picture.id}`;
  if (side) return `${base}/small?side=${side}`;
  return picture.kind === "result" ? base : `${base}/file`;
}

/** Whether a file is a film, by its name: it plays, and is no picture. */
export const isFilm = ({ name }) => /\.(mp4|mov|webm|mkv)$/.test(name ?? "");

/** A picture, decoded beside the page's own work. */
export async function bitmapOf(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Refused((await answer.json().catch(() => ({}))).error ?? "the picture is gone");
  return createImageBitmap(await answer.blob());
}

const KINDS = ["state", "changed", "progress", "message", "began", "download", "queue", "removed"];
const REST = 30_000;

/** Everything that happens, from the last event on; a page that nobody sees lets its connection go after a while. */
export class Stream {
  #source = null;
  #last;
  #heard;
  #timer;

  constructor(last, heard) {
    this.#last = last;
    this.#heard = heard;
    this.#open();
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.#timer);
      if (document.hidden) this.#timer = setTimeout(() => this.#close(), REST);
      else if (!this.#source) this.#open();
    });
  }

  #open() {
    this.#source = new EventSource(`/api/events?after=${this.#last}`);
    for (const kind of KINDS) this.#source.addEventListener(kind, (event) => this.#came(kind, event));
    this.#source.addEventListener("error", () => this.#heard("lost", {}));
    this.#source.addEventListener("open", () => this.#heard("open", {}));
  }

  #close() {
    this.#source.close();
    this.#source = null;
  }

  #came(kind, event) {
    this.#last = Math.max(this.#last, Number(event.lastEventId));
    this.#heard(kind, JSON.parse(event.data));
  }
}

/** What has happened to a job so far, from the journal. */
export async function past(id, heard) {
  const stop = new AbortController();
  let idle = setTimeout(() => stop.abort(), 3000), text = "";
  try {
    const answer = await fetch(job(id, "/events"), { signal: stop.signal });
    const decoder = new TextDecoder();
    for await (const part of chunks(answer.body)) {
      clearTimeout(idle);
      idle = setTimeout(() => stop.abort(), 400);
      text += decoder.decode(part, { stream: true });
      const whole = text.split("\n\n");
      text = whole.pop();
      for (const each of whole) {
        const fields = Object.fromEntries(each.split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2)));
        if (fields.event) heard(fields.event, JSON.parse(fields.data));
      }
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
  clearTimeout(idle);
}

async function* chunks(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
