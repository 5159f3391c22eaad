// The page's words, in English or Chinese. English words are the keys of the other language's.

const LANGUAGE = "reverie.language";
export const LANGUAGES = { en: "English", zh: "中文" };
export const language = localStorage.getItem(LANGUAGE) ?? (navigator.language.startsWith("zh") ? "zh" : "en");

let other = { words: {}, settings: {}, crafts: {}, presets: {}, inputs: {} };

export async function learnWords() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  if (language === "zh") other = await import("./chinese.js");
}

export function speak(chosen) {
  localStorage.setItem(LANGUAGE, chosen);
  location.reload();  // nothing is lost by it
}

/** Words of the page's own, with values in braces. */
export function t(words, values = {}) {
  return (other.words[words] ?? words).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

const plain = (name) => {
  const words = name.replaceAll(/[_-]/g, " ").replace("color", "colour").replace("optimizer", "optimiser");
  return words[0].toUpperCase() + words.slice(1);
};

export const craftName = (name) => other.crafts[name]?.[0] ?? plain(name);
export const craftSummary = (craft) => other.crafts[craft.name]?.[1] ?? craft.summary;
export const settingName = (name) => other.settings[name]?.[0] ?? plain(name);
export const settingHelp = (card) => other.settings[card.name]?.[1] ?? sentence(card.description);
export const inputName = (name) => other.inputs[name]?.[0] ?? plain(name);
export const inputHelp = (input) => other.inputs[input.name]?.[1] ?? sentence(input.description);
export const presetName = (name) => other.presets[name] ?? plain(name);
export const choiceName = (name) => other.words[name] ?? String(name);
export const sampleName = (name) => other.words[name] ?? plain(name);

function sentence(words) {
  return words ? words[0].toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? "" : ".") : "";
}

export const number = (value, digits = 2) => new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: digits }).format(value);

export function duration(seconds) {
  if (seconds < 90) return t("{n} s", { n: Math.max(1, Math.round(seconds)) });
  if (seconds < 5400) return t("{n} min", { n: Math.round(seconds / 60) });
  return t("{n} h", { n: number(seconds / 3600, 1) });
}

export function ago(time) {
  const passed = Date.now() / 1000 - time;
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  if (passed < 60) return format.format(0, "minute");
  if (passed < 3600) return format.format(-Math.round(passed / 60), "minute");
  if (passed < 86400) return format.format(-Math.round(passed / 3600), "hour");
  return format.format(-Math.round(passed / 86400), "day");
}
