// A photo from the camera.

import { dialog, el } from "./dom.js";
import { tell } from "./state.js";
import { t } from "./words.js";

/** Show what the camera sees, and hand on the photo that is taken. */
export async function takePhoto(taken) {
  let stream, facing = "user";
  const start = () => navigator.mediaDevices.getUserMedia({ video: { facingMode: facing, width: { ideal: 1920 } } });
  try {
    stream = await start();
  } catch (error) {
    return tell("wrong", t("The camera cannot be used: {why}", { why: error.message }));
  }
  const video = el("video", { autoplay: true, muted: true, playsInline: true, srcObject: stream });
  const stop = () => stream.getTracks().forEach((track) => track.stop());
  const turn = async () => {
    stop();
    facing = facing === "user" ? "environment" : "user";
    video.srcObject = stream = await start();
  };
  const shoot = async () => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
    shown.close();
    taken(blob);
  };
  const shown = dialog({ text: t("Camera"), close: t("Close") }, video, el("div", { class: "row" },
    el("button", { type: "button", class: "main", id: "shoot", on: { click: shoot } }, t("Take the photo")),
    el("button", { type: "button", on: { click: turn } }, t("Other camera"))));
  shown.addEventListener("close", stop);
}
