// Films on the stage: a player, or an image for a GIF; and before the film, up to the divider, the clip it was made from.

import { el } from "./dom.js";
import { isFilm } from "./service.js";
import { t } from "./words.js";

const APART = 0.08;  // seconds between the two, from which one is set by the other

const player = el("video", { id: "player", class: "film", controls: true, loop: true, muted: true, playsInline: true, hidden: true, "aria-label": t("The film") });
const moving = el("img", { id: "moving", class: "film", alt: "", hidden: true });
const original = el("video", { id: "original", class: "film", muted: true, loop: true, playsInline: true, hidden: true, tabIndex: -1, "aria-hidden": "true" });
const seam = el("div", { id: "seam", class: "film", hidden: true });
export const parts = [player, original, seam, moving];

let begin = 0;  // of the film within its clip, seconds

/** Show a film: { src, name, title, made }, with the clip it was made from, where it is known. Null shows none. */
export function showFilm(film, clip = null) {
  compareFilms(false);
  const plays = Boolean(film) && isFilm(film), moves = Boolean(film) && isGif(film);
  player.hidden = !plays;
  moving.hidden = !moves;
  put(player, plays && film.src);
  put(original, plays && film.made && clip && isFilm(clip) && clip.src);
  if (moves) Object.assign(moving, { src: film.src, alt: film.title });
  begin = Number(clip?.from) || 0;
  if (plays && film.made && !matchMedia("(prefers-reduced-motion: reduce)").matches) player.play().catch(() => null);  // a browser may ask for a click first
}

const isGif = ({ name }) => name?.endsWith(".gif");
export const canShow = (file) => isFilm(file) || isGif(file);

function put(video, src) {
  if (!src) video.removeAttribute("src");
  else if (video.getAttribute("src") !== src) video.src = src;
}

export const shows = () => !player.hidden || !moving.hidden;
export const comparable = () => original.hasAttribute("src");

/** Lay the clip over the film, left of the divider. */
export function compareFilms(on) {
  const both = on && comparable();
  original.hidden = seam.hidden = !both;
  player.controls = !both;
  if (both) follow();
  else original.pause();
}

export function divideFilms(share) {
  player.parentElement.style.setProperty("--divider", `${100 * share}%`);
}

// The clip goes where the film goes.
function follow() {
  if (original.hidden) return;
  const wanted = player.currentTime + begin;
  if (Math.abs(original.currentTime - wanted) > APART) original.currentTime = wanted;
  if (player.paused) original.pause();
  else original.play().catch(() => null);
}

for (const kind of ["play", "pause", "seeked", "timeupdate"]) player.addEventListener(kind, follow);
player.addEventListener("click", () => player.controls || (player.paused ? player.play() : player.pause()));
