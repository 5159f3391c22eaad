// What a brush paints on: a byte for each pixel, the mask's white or the number of a region's colour.

const STEPS = 30;
/** Of regions; a region map has flat colours, without any edge between. */
export const COLOURS = ["#ffffff", "#e6194b", "#3cb44b", "#4363d8", "#ffe119", "#911eb4", "#42d4f4", "#000000"];

export class Sheet {
  #bytes;
  #done = [];
  #undone = [];
  #dirty = null;

  constructor(width, height, flat) {
    Object.assign(this, { width, height, flat });
    this.#bytes = new Uint8Array(width * height);
    this.#dirty = [0, 0, width, height];
  }

  /** Begin a stroke, which is undone as a whole. */
  begin() {
    this.#done.push(this.#bytes.slice());
    if (this.#done.length > STEPS) this.#done.shift();
    this.#undone = [];
  }

  undo() {
    this.#swap(this.#done, this.#undone);
  }

  redo() {
    this.#swap(this.#undone, this.#done);
  }

  #swap(from, to) {
    if (!from.length) return;
    to.push(this.#bytes);
    this.#bytes = from.pop();
    this.#touch(0, 0, this.width, this.height);
  }

  fill(value) {
    this.begin();
    this.#bytes.fill(value);
    this.#touch(0, 0, this.width, this.height);
  }

  invert() {
    this.begin();
    for (let i = 0; i < this.#bytes.length; i++) this.#bytes[i] = 255 - this.#bytes[i];
    this.#touch(0, 0, this.width, this.height);
  }

  /** A round touch of the brush; its edge is soft over a share of its radius. */
  stamp(x, y, { radius, feather, index, erase }) {
    const [left, top] = [Math.max(0, Math.floor(x - radius)), Math.max(0, Math.floor(y - radius))];
    const [right, bottom] = [Math.min(this.width, Math.ceil(x + radius) + 1), Math.min(this.height, Math.ceil(y + radius) + 1)];
    const soft = this.flat ? 0 : feather * radius, bytes = this.#bytes;
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const inside = radius - Math.hypot(column + 0.5 - x, row + 0.5 - y);
        if (inside <= 0) continue;
        const at = row * this.width + column;
        if (this.flat) bytes[at] = index;
        else {
          const value = soft ? Math.min(1, inside / soft) * 255 : 255;
          bytes[at] = erase ? Math.min(bytes[at], 255 - value) : Math.max(bytes[at], value);
        }
      }
    }
    this.#touch(left, top, right, bottom);
  }

  #touch(left, top, right, bottom) {
    const now = this.#dirty;
    this.#dirty = now ? [Math.min(now[0], left), Math.min(now[1], top), Math.max(now[2], right), Math.max(now[3], bottom)] : [left, top, right, bottom];
  }

  /** Draw what has changed over the picture: red where the mask is black, regions in their colours. */
  show(context) {
    if (!this.#dirty) return;
    const [left, top, right, bottom] = this.#dirty;
    this.#dirty = null;
    if (right <= left || bottom <= top) return;
    const image = context.createImageData(right - left, bottom - top), drawn = new Uint32Array(image.data.buffer);
    const table = this.#table((value) => (this.flat ? [...regionColour(value), 140] : [24, 18, 14, (255 - value) * 0.72]));
    for (let row = top, to = 0; row < bottom; row++) {
      for (let at = row * this.width + left; at < row * this.width + right; at++) drawn[to++] = table[this.#bytes[at]];
    }
    context.putImageData(image, left, top);
  }

  /** Take up a mask or a map that was made before. */
  async read(bitmap) {
    const canvas = new OffscreenCanvas(this.width, this.height), context = canvas.getContext("2d");
    context.imageSmoothingEnabled = !this.flat;
    context.drawImage(bitmap, 0, 0, this.width, this.height);
    const { data } = context.getImageData(0, 0, this.width, this.height);
    const known = new Map();
    for (let i = 0, at = 0; i < this.#bytes.length; i++, at += 4) {
      const key = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
      if (this.flat && !known.has(key)) known.set(key, nearest(data[at], data[at + 1], data[at + 2]));
      this.#bytes[i] = this.flat ? known.get(key) : data[at];
    }
  }

  // Four bytes of colour for each value a pixel may have.
  #table(colourOf) {
    return new Uint32Array(Uint8ClampedArray.from(Array.from({ length: 256 }, (_, value) => colourOf(value)).flat()).buffer);
  }

  /** The mask or the map as a PNG. */
  async blob() {
    const image = new ImageData(this.width, this.height), drawn = new Uint32Array(image.data.buffer);
    const table = this.#table((value) => (this.flat ? [...regionColour(value), 255] : [value, value, value, 255]));
    for (let i = 0; i < drawn.length; i++) drawn[i] = table[this.#bytes[i]];
    const canvas = new OffscreenCanvas(this.width, this.height);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }
}

function nearest(...pixel) {
  const far = (colour) => rgb(colour).reduce((sum, value, c) => sum + (value - pixel[c]) ** 2, 0);
  return COLOURS.reduce((best, colour, index) => (far(colour) < far(COLOURS[best]) ? index : best), 0);
}

const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
const regionColour = (index) => rgb(COLOURS[index % COLOURS.length]);
