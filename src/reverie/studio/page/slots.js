// The pictures that go in: dropped, pasted, chosen, taken by the camera, or one of the samples.

import { paint } from "./brush.js";
import { takePhoto } from "./camera.js";
import { el, icon, iconButton, replace } from "./dom.js";
import { address, isFilm, service } from "./service.js";
import { chooseCraft, craftNamed, craftNow, formOf, hasWeights, keepDraft, mainInput, picturesOf, restore, setInput, setSetting, state, tell, valueOf, when } from "./state.js";
import { duration, inputHelp, inputName, sampleName, t } from "./words.js";

export const DRAGGED = "application/x-reverie";
const SAMPLES = { photo: ["cat.jpg", "coffee.jpg"], clip: ["cat.mp4"] };
const PICTURES = "image/png,image/jpeg,image/webp,image/tiff,image/gif,image/bmp";
const CLIPS = "video/mp4,video/quicktime,video/webm,video/x-matroska,image/gif";
const PAINTED = ["mask", "map"];

/** Draw the inputs into their place, and again when they change. */
export function showInputs(place) {
  const draw = () => replace(place, ...inputs());
  for (const kind of ["craft", "catalogue", "inputs"]) when(kind, draw);
  when("jobs", () => craftNow()?.inputs.some((input) => input.kind === "result") && draw());
}

function inputs() {
  const craft = craftNow();
  const first = (input) => input === mainInput() || input.required || craft.either.includes(input.name);
  const shown = craft.inputs.filter((input) => first(input) && !(input.networks && !state.catalogue.networks.styles.length));
  const rest = craft.inputs.filter((input) => !first(input));
  const used = rest.filter((input) => formOf().inputs[input.name]?.length).length;
  const more = rest.length && el("details", { class: "fold", open: used > 0 || undefined },
    el("summary", {}, el("span", {}, t("Masks and more pictures")), el("span", { class: "count" }, used ? t("{n} used", { n: used }) : "")),
    el("div", { class: "fields" }, rest.map((input) => slot(input))));
  return [...shown.map((input) => slot(input, true)), more];
}

function slot(input, first = false) {
  const pictures = formOf().inputs[input.name] ?? [];
  const body = input.networks ? [networkChoice(input, pictures)]
    : [needsThumbs(pictures) ? thumbs(input, pictures) : null, input.samples ? styleStrip(input, pictures) : null, ways(input, pictures)];
  const made = el("fieldset", { class: `slot${first ? " first" : ""}`, data: { input: input.name } },
    el("legend", {}, inputName(input.name)), ...body,
    pictures.length && first ? null : el("p", { class: "hint" }, hint(input)));
  takesDrops(made, input);
  return made;
}

function hint(input) {
  return inputHelp(input) + (input === mainInput() && craftNow().noise ? ` ${t("Without one it begins with noise.")}` : "");
}

function networkChoice(input, pictures) {
  const chosen = pictures[0]?.id ?? "";
  const change = ({ target }) => setInput(input.name, target.value ? [{ id: target.value, kind: "network", name: target.value }] : []);
  return el("select", { "aria-label": inputName(input.name), on: { change } },
    ["", ...state.catalogue.networks.styles].map((name) => el("option", { value: name, selected: name === chosen }, name || t("none"))));
}

// --- what is chosen ------------------------------------------------------------------------------

function thumbs(input, pictures) {
  const mixed = input.many && pictures.length > 1 && input.samples && hasWeights();
  return el("ul", { class: "thumbs" }, pictures.map((picture, place) => el("li", {},
    el("img", { src: address(picture, 320), alt: pictureName(picture), loading: "lazy", decoding: "async" }),
    picture.seconds > 0 && el("span", { class: "badge" }, duration(picture.seconds)),
    el("div", { class: "over" },
      PAINTED.includes(input.kind) && iconButton("brush", t("Paint on it"), () => brush(input, place)),
      iconButton("close", t("Remove {name}", { name: pictureName(picture) }), () => setInput(input.name, pictures.filter((_, i) => i !== place)))),
    mixed && weight(pictures.length, place, picture))));
}

// One sample style is seen among the samples already.
const needsThumbs = (pictures) => pictures.length > 1 || (pictures.length && pictures[0].kind !== "style");

const pictureName = (picture) => (picture.kind === "style" ? sampleName(picture.id) : picture.name ?? t("a picture"));

function weight(many, place, picture) {
  const given = valueOf("weights"), weights = given?.length === many ? [...given] : Array(many).fill(1);
  const set = ({ target }) => {
    const now = valueOf("weights")?.length === many ? [...valueOf("weights")] : Array(many).fill(1);
    now[place] = Number(target.value);
    setSetting("weights", now.some(Boolean) ? now : Array(many).fill(1));
  };
  return el("input", { type: "range", min: 0, max: 3, step: 0.1, value: weights[place], title: t("Its share"), "aria-label": t("Share of {name}", { name: pictureName(picture) }), on: { input: set } });
}

function styleStrip(input, pictures) {
  const chosen = new Set(pictures.map(({ id }) => id));
  const pick = (name, mix) => {
    const own = { id: name, kind: "style", name };
    if (chosen.has(name)) setInput(input.name, pictures.filter(({ id }) => id !== name));
    else setInput(input.name, mix && input.many ? [...pictures, own] : [own]);
  };
  const mixes = () => made.querySelector(".mix input")?.checked;
  const made = el("div", {},
    el("div", { class: "strip", role: "group", "aria-label": t("Sample styles") }, state.catalogue.styles.map(({ name }) => el("button", {
      type: "button", class: "sample", title: sampleName(name), "aria-label": sampleName(name), "aria-pressed": chosen.has(name), data: { key: `style-${name}` },
      on: { click: (event) => pick(name, event.shiftKey || event.ctrlKey || mixes()) },
    }, el("img", { src: address({ kind: "style", id: name }, 128), alt: "", loading: "lazy", decoding: "async" })))),
    input.many && el("label", { class: "mix" }, el("input", { type: "checkbox", checked: pictures.length > 1 }), t("Mix several")));
  return made;
}

// --- ways to bring one ---------------------------------------------------------------------------

function ways(input, pictures) {
  const file = el("input", { type: "file", accept: input.kind === "clip" ? CLIPS : PICTURES, multiple: input.many, class: "unseen", data: { file: input.name }, "aria-label": t("Choose a file: {name}", { name: inputName(input.name) }), on: { change: () => bringAll(input, [...file.files]) } });
  const painted = PAINTED.includes(input.kind);
  return el("div", { class: "row" },
    painted && base(input) && el("button", { type: "button", class: "with-icon", data: { paint: input.name }, on: { click: () => brush(input, pictures.length && !input.many ? 0 : pictures.length) } }, icon("brush"), t("Paint it")),
    el("label", { class: "button" }, file, input.kind === "painting" ? t("A picture of yours") : input.many && input.kind === "folder" ? t("Choose photos") : input.kind === "clip" ? t("Choose a clip") : t("Choose a file")),
    !painted && !["folder", "result", "clip"].includes(input.kind) && iconButton("camera", t("Take a photo"), () => takePhoto((blob) => bring(input, blob, "camera.jpg"))),
    input === mainInput() && !pictures.length && SAMPLES[input.kind]?.map((file) => sampleButton(input, file)));
}

function sampleButton(input, file) {
  const [name] = file.split("."), words = input.kind === "clip" ? t("The sample clip {name}", { name: sampleName(name) }) : t("The sample photo {name}", { name: sampleName(name) });
  const take = async () => bring(input, await (await fetch(`samples/${file}`)).blob(), file);
  return el("button", { type: "button", class: "sample wide", title: sampleName(name), "aria-label": words, data: { sample: name }, on: { click: take } },
    el("img", { src: `samples/${name}${input.kind === "clip" ? "-clip" : ""}-small.webp`, alt: "", loading: "lazy" }));
}

/** The picture that a mask or a map belongs to. */
function base(input) {
  const craft = craftNow(), role = input.name.endsWith("_map") ? input.name.slice(0, -4) : mainInput()?.name;
  const found = craft.inputs.find(({ name }) => name === role) ?? mainInput();
  return formOf().inputs[found?.name]?.[0];
}

async function brush(input, place) {
  const under = base(input), pictures = formOf().inputs[input.name] ?? [];
  const blob = await paint({ under, now: pictures[place], kind: input.kind, title: inputName(input.name) });
  if (!blob) return;
  const brought = await said(() => service.bring(blob, `${input.name}.png`));
  if (brought) setInput(input.name, Object.assign([...pictures], { [place]: stored(brought) }));
}

const stored = ({ id, name, width, height, seconds }) => ({ id, kind: "picture", name, width, height, seconds });

export async function said(work) {
  try {
    return await work();
  } catch (error) {
    tell("wrong", error.message);
    return null;
  }
}

/** Bring a picture for an input. */
export async function bring(input, blob, name) {
  tell("say", t("Bringing {name} …", { name }));
  const brought = await said(() => service.bring(blob, name));
  if (!brought) return null;
  const picture = stored(brought), before = formOf().inputs[input.name] ?? [];
  setInput(input.name, input.many ? [...before, picture] : [picture]);
  tell("say", "");
  return picture;
}

async function bringAll(input, files) {
  for (const file of input.many ? files : files.slice(0, 1)) await bring(input, file, file.name);
}

/** A picture for the whole page: with its recipe everything returns; without one it is the one to work on. */
export async function bringToPage(blob, name) {
  tell("say", t("Bringing {name} …", { name }));
  const brought = await said(() => service.bring(blob, name));
  if (!brought) return;
  const record = await service.record("picture", brought.id).catch(() => null);
  if (record && returned(record)) return;
  const kinds = brought.seconds === null ? ["photo", "painting"] : isFilm(brought) ? ["clip"] : ["clip", "photo", "painting"];
  const taking = (craft) => craft.inputs.find(({ kind }) => kinds.includes(kind));
  if (!taking(craftNow())) chooseCraft(state.catalogue.crafts.find(taking)?.name);  // a craft that works on such a file
  const input = taking(craftNow());
  if (!input) return tell("wrong", t("Nothing here works on {name}.", { name: brought.name }));
  setInput(input.name, [stored(brought)]);
  tell("say", "");
}

function returned({ craft, settings, inputs }) {
  const found = {}, missing = [];
  const styles = new Set(state.catalogue.styles.map(({ name }) => `${name}.jpg`));
  for (const each of inputs) {
    const style = styles.has(each.name) && each.name.replace(/\.jpg$/, "");
    if (each.id) (found[each.input] ??= []).push({ id: each.id, kind: "picture", name: each.name });
    else if (style) (found[each.input] ??= []).push({ id: style, kind: "style", name: style });
    else missing.push(each.name);
  }
  const machine = new Set(craftNamed(craft)?.settings.filter(({ panel }) => panel === "Machine").map((each) => each.name));
  const own = Object.fromEntries(Object.entries(settings).filter(([name]) => !machine.has(name)));  // not that of elsewhere
  if (!restore({ craft, settings: own, inputs: found })) return false;
  tell("say", missing.length
    ? t("Everything is as it was made, but bring {names} yourself.", { names: missing.join(", ") })
    : t("Everything is as it was when this picture was made."));
  return true;
}

// --- drops ---------------------------------------------------------------------------------------

function takesDrops(place, input) {
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    event.stopPropagation();
    place.classList.add("aimed");
  });
  place.addEventListener("dragleave", (event) => place.contains(event.relatedTarget) || place.classList.remove("aimed"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    place.classList.remove("aimed");
    const result = event.dataTransfer.getData(DRAGGED);
    if (result) useResult(JSON.parse(result), input);
    else bringAll(input, [...event.dataTransfer.files]);
  });
}

/** Take a result as an input; what it was made from comes along where the craft takes that as well. */
export function useResult(picture, input = mainInput()) {
  const before = formOf().inputs[input.name] ?? [];
  setInput(input.name, input.many ? [...before, picture] : [picture]);
  if (input.kind !== "result") return;
  const job = [...state.jobs.values()].find((each) => each.results.includes(picture.id));
  if (!job) return;
  for (const [name, pictures] of Object.entries(picturesOf(job))) {
    if (craftNow().inputs.some((each) => each.name === name) && !formOf().inputs[name]?.length) formOf().inputs[name] = pictures;
  }
  keepDraft();
  tell("inputs", input.name);
}

/** Drops and pastes anywhere else on the page. */
export function takePageDrops(stage) {
  const over = (on) => stage.classList.toggle("over", on);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || over(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    const result = event.dataTransfer.getData(DRAGGED);
    if (result) useResult(JSON.parse(result));
    for (const file of event.dataTransfer.files) bringToPage(file, file.name);
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (!file) return;
    event.preventDefault();
    bringToPage(file, file.name || "pasted.png");
  });
}
