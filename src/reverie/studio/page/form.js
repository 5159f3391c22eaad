// A craft's settings as a form: few dials first, the rest folded under its headings.

import { el, iconButton, replace, fresh } from "./dom.js";
import { craftNow, formOf, keepDraft, setSetting, state, tell, valueOf, when } from "./state.js";
import { choiceName, settingHelp, settingName, t } from "./words.js";

const DIALS = "Dials", LAST = ["Finer", "Machine"];
const HIDDEN = new Set(["weights"]);  // stands with the paintings

/** The form's parts for the craft of now. */
export function settingsForm() {
  const craft = craftNow(), panels = new Map();
  for (const card of craft.settings.filter(({ name }) => !HIDDEN.has(name))) {
    panels.set(card.panel, [...(panels.get(card.panel) ?? []), card]);
  }
  const late = (card) => (card.name === "seed" ? 2 : isWords(card) ? 1 : 0);
  const dials = (panels.get(DIALS) ?? []).sort((a, b) => late(a) - late(b));
  const rank = (name) => LAST.indexOf(name);
  const rest = [...panels].filter(([name]) => name !== DIALS).sort(([a], [b]) => rank(a) - rank(b));
  return [
    el("fieldset", { class: "dials" }, el("legend", {}, t("Dials"), resetButton(dials)), dials.map(field)),
    ...rest.map(([name, cards]) => folded(name, cards)),
  ];
}

function folded(name, cards) {
  const open = `reverie.open.${name}`;
  const changed = el("span", { class: "count" });
  const count = () => {
    const many = cards.filter((card) => card.name in formOf().settings).length;
    changed.textContent = many ? t("{n} changed", { n: many }) : "";
  };
  count();
  const made = el("details", { class: "fold", open: sessionStorage.getItem(open) === "1", on: { toggle: () => sessionStorage.setItem(open, made.open ? "1" : "0") } },
    el("summary", {}, el("span", {}, t(name)), changed), el("div", { class: "fields" }, cards.map(field)));
  made.count = count;
  return made;
}

function resetButton(cards) {
  const reset = () => {
    formOf().settings = {};
    keepDraft();
    tell("craft");
  };
  return el("button", { type: "button", class: "quiet", on: { click: reset }, title: t("All settings as they were at first") }, t("Reset"));
}

/** A setting with its name, its control and its help. */
function field(card) {
  const id = fresh("field"), help = fresh("help");
  const { control, extra } = controlOf(card, id, help);
  const label = card.type === "choice" && control.tagName !== "SELECT"
    ? el("span", { class: "label", id: `${id}-label` }, settingName(card.name))
    : el("label", { htmlFor: id, class: "label" }, settingName(card.name));
  return el("div", { class: `field ${card.type}`, data: { setting: card.name } },
    el("div", { class: "line" }, label, extra), control, el("p", { class: "hint", id: help }, settingHelp(card)));
}

function controlOf(card, id, help) {
  if (card.type === "switch") return { control: switchOf(card, id, help) };
  if (card.type === "choice") return { control: choiceOf(card, id, help) };
  if (card.name === "network") return { control: networkOf(card, id, help) };
  if (card.name === "seed") return { control: seedOf(card, id, help) };
  if (isNumber(card)) return numberOf(card, id, help);
  return { control: textOf(card, id, help) };
}

const isWords = (card) => card.type === "text" || card.of === "text";
const isNumber = (card) => typeof card.default === "number" || singleNumber(card);
const singleNumber = (card) => card.type === "list" && card.of === "number" && card.default?.length === 1;

function switchOf(card, id, help) {
  return el("input", { id, type: "checkbox", role: "switch", checked: valueOf(card.name), "aria-describedby": help, on: { change: ({ target }) => setSetting(card.name, target.checked) } });
}

function choiceOf(card, id, help) {
  const choices = card.optional ? ["", ...card.choices] : card.choices;
  const now = valueOf(card.name) ?? "";
  const set = (value) => setSetting(card.name, value === "" ? undefined : value);
  const said = (choice) => (choice === "" ? t("automatic") : choiceName(choice));
  if (choices.length > 4 || choices.join("").length > 24) {
    return el("select", { id, "aria-describedby": help, on: { change: ({ target }) => set(target.value) } },
      choices.map((choice) => el("option", { value: choice, selected: choice === now }, said(choice))));
  }
  const name = fresh("choice");
  return el("div", { class: "segments", role: "radiogroup", "aria-labelledby": `${id}-label`, "aria-describedby": help },
    choices.map((choice) => el("label", {}, el("input", { type: "radio", name, value: choice, checked: choice === now, on: { change: () => set(choice) } }), el("span", {}, said(choice)))));
}

function networkOf(card, id, help) {
  const known = state.catalogue.networks.networks;
  const size = (bytes) => (bytes ? ` (${Math.round(bytes / 1e6)} MB)` : "");
  return el("select", { id, "aria-describedby": help, on: { change: ({ target }) => setSetting(card.name, target.value) } },
    known.map((each) => el("option", { value: each.name, selected: each.name === valueOf(card.name) }, each.name + size(Number(each.download)))));
}

function seedOf(card, id, help) {
  const input = el("input", { id, type: "number", min: 0, step: 1, value: valueOf(card.name), "aria-describedby": help, on: { input: () => input.value !== "" && setSetting(card.name, Number(input.value)) } });
  const roll = () => {
    input.value = Math.floor(Math.random() * 2 ** 31);
    setSetting(card.name, Number(input.value));
  };
  return el("div", { class: "row seed" }, input, iconButton("dice", t("Another seed"), roll));
}

/** A slider over what is usual, and beside it a number that takes all that is allowed. */
function numberOf(card, id, help) {
  const whole = card.type === "integer" || card.of === "integer";
  const default_ = singleNumber(card) ? card.default[0] : card.default;
  const { low, high, step } = range(card, default_, whole);
  const given = valueOf(card.name), now = Array.isArray(given) ? (given.length === 1 ? given[0] : given.join(", ")) : given;
  const set = (value) => setSetting(card.name, singleNumber(card) ? [value] : value);
  const slider = el("input", { id, type: "range", "aria-describedby": help, on: { input: () => { said.value = slider.value; set(Number(slider.value)); } } });
  Object.assign(slider, { min: low, max: Math.max(high, Number(now) || 0), step });
  slider.value = Number.isFinite(Number(now)) ? now : default_;
  const typed = () => {
    const values = said.value.split(/[,\s]+/).filter(Boolean).map(Number);
    if (!values.length || values.some(Number.isNaN)) return;
    if (card.type === "list") setSetting(card.name, values);
    else set(values[0]);
    if (values[0] > slider.max) slider.max = values[0];
    slider.value = values[0];
  };
  const said = el("input", { class: "said", type: "text", inputMode: "decimal", value: now, "aria-label": t("{name}, as a number", { name: settingName(card.name) }), on: { change: typed } });
  return { control: slider, extra: said };
}

function range(card, default_, whole) {
  const usual = Math.max(Math.abs(default_), whole ? 2 : 0.5);
  const least = card.minimum ?? card.above ?? 0, most = card.maximum ?? card.below ?? Infinity;
  const high = most <= 4 * Math.max(1, usual) ? most : 4 * usual;
  const step = whole ? (high > 1000 ? 32 : 1) : high > 20 ? 0.5 : 0.05;
  const low = card.above === undefined ? least : least + step;
  return { low: whole && high > 1000 ? Math.ceil(Math.max(low, 64) / 32) * 32 : low, high, step };
}

function textOf(card, id, help) {
  const given = valueOf(card.name), list = card.type === "list";
  const read = (text) => {
    const words = text.trim();
    if (words === "") return undefined;
    if (list) return words.split(",").map((word) => word.trim()).filter(Boolean).map((word) => (card.of === "text" ? word : Number(word)));
    return ["integer", "number"].includes(card.type) && !Number.isNaN(Number(words)) ? Number(words) : words;
  };
  const input = el("input", {
    id, type: "text", autocomplete: "off", spellcheck: false, "aria-describedby": help,
    value: list ? (given ?? []).join(", ") : given ?? "",
    placeholder: card.optional || list ? t("automatic") : "",
    on: { input: () => setSetting(card.name, read(input.value)) },
  });
  const hints = suggestions(card);
  if (!hints.length) return input;
  const known = el("datalist", { id: `${id}-known` }, hints.map((value) => el("option", { value })));
  input.setAttribute("list", known.id);
  return el("div", {}, input, known);
}

function suggestions(card) {
  if (card.name !== "layers") return [];
  const network = state.catalogue.networks.networks.find((each) => each.name === (valueOf("network") ?? "dreamnet"));
  return network?.layers ?? [];
}

/** Draw the form into its place, and again whenever another craft is chosen. */
export function showSettings(place) {
  const draw = () => replace(place, ...settingsForm());
  when("craft", draw);
  when("catalogue", draw);
  when("settings", () => place.querySelectorAll(".fold").forEach((fold) => fold.count()));
}
