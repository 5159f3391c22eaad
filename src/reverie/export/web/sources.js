// Where pictures come from: files and the camera. All become ImageData of a wished size.

const OPAQUE = "#808080";

// (width, height) of the same shape whose longer side is this many pixels, never enlarged.
export function fitted(width, height, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

export function pixelsOf(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.fillStyle = OPAQUE;  // behind what is transparent
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

export async function pictureIn(blob) {
  try {
    return await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    throw new Error("this file is no picture that the browser can read");
  }
}

export class Camera {
  #facing = "environment";
  video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });

  static get offered() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get live() {
    return this.video.srcObject !== null;
  }

  async start() {
    const wish = { video: { facingMode: this.#facing, width: { ideal: 1280 } }, audio: false };
    this.video.srcObject = await navigator.mediaDevices.getUserMedia(wish);
    await this.video.play();
  }

  async turn() {
    this.stop();
    this.#facing = this.#facing === "user" ? "environment" : "user";
    await this.start();
  }

  stop() {
    for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
  }
}
