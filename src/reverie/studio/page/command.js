// What is prepared, as a command for a terminal.

import { craftNamed } from "./state.js";

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** The command that makes the same, its pictures by their names. */
export function commandOf({ craft, settings, pictures }) {
  const card = craftNamed(craft), words = ["reverie", ...craft.split(" ")], options = [];
  for (const input of card.inputs) {
    const given = (pictures[input.name] ?? []).map(({ kind, name, id }) => (kind === "style" || kind === "network" ? id : name ?? id));
    if (!given.length && input === card.inputs[0] && card.noise) words.push("noise");
    else if (input.by_place) words.push(...given);
    else for (const name of given) options.push(`--${input.name.replaceAll("_", "-")}`, name);
  }
  for (const [name, value] of Object.entries(settings)) {
    const flag = `--${name.replaceAll("_", "-")}`;
    if (value === true) options.push(flag);
    else if (value === false) options.push(`--no-${flag.slice(2)}`);
    else if (value !== null) options.push(flag, Array.isArray(value) ? value.join(",") : String(value));
  }
  return [...words, ...options].map(quoted).join(" ");
}
