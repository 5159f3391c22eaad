// Runs the network beside the page, so that buttons answer while it works.

import { grain } from "./noise.js";

const STRIDE = 16, GRAIN = 85, TOLERANCE = 3;
const RUNTIMES = { webgpu: "./runtime/ort.webgpu.min.mjs", wasm: "./runtime/ort.wasm.min.mjs" };
let ort, about, sessions = {}, manner = {};

const tasks = {
  async load({ about: told, device }) {
    about = told;
    const data = await fetched();
    const wanted = device ? [device] : (await hasGraphics()) ? ["webgpu", "wasm"] : ["wasm"];
    for (const name of wanted) {
      try {
        await open(name, data);
        return { device: name, threads: ort.env.wasm.numThreads };
      } catch (error) {
        if (name === wanted.at(-1)) throw error;
        console.warn(`${name} is not used: ${error.message}`);
      }
    }
  },

  async look({ pixels, width, height }) {
    manner = await lookedAt(tensor(pixels, width, height));
    return {};
  },

  async paint({ pixels, width, height }) {
    const began = performance.now();
    const made = await painted(tensor(pixels, width, height), manner, grain);
    return { ...rgba(made), milliseconds: performance.now() - began };
  },
};

self.onmessage = async ({ data: { id, task, ...given } }) => {
  try {
    const answer = await tasks[task](given);
    self.postMessage({ id, answer }, answer.pixels ? [answer.pixels.buffer] : []);
  } catch (error) {
    self.postMessage({ id, wrong: String(error?.message ?? error) });
  }
};

async function fetched() {
  const whole = Object.values(about.models).reduce((sum, model) => sum + model.bytes, 0), data = {};
  let done = 0;
  for (const [role, { path }] of Object.entries(about.models)) {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(`${path} is missing (${answer.status})`);
    const parts = [];
    for (const reader = answer.body.getReader(); ;) {
      const { done: ended, value } = await reader.read();
      if (ended) break;
      parts.push(value);
      self.postMessage({ progress: (done += value.length) / whole });
    }
    data[role] = new Uint8Array(await new Blob(parts).arrayBuffer());
  }
  return data;
}

async function hasGraphics() {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    return Boolean(adapter) && !adapter.info?.isFallbackAdapter;  // one that is pretended is slower than wasm
  } catch {
    return false;
  }
}

async function open(device, data) {
  ort = await import(RUNTIMES[device]);
  ort.env.logLevel = "error";
  ort.env.wasm.wasmPaths = new URL("./runtime/", self.location.href).href;
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency || 1) : 1;
  sessions = {};
  for (const [role, bytes] of Object.entries(data)) {
    sessions[role] = await ort.InferenceSession.create(bytes, { executionProviders: [device] });
  }
  await check();
}

// A made-up picture must come out as it did where the page was written: some graphics drivers compute nonsense.
async function check() {
  const { width, height, factors, grid, means } = about.check;
  const picture = ([a, b]) => {
    const pixels = new Uint8ClampedArray(4 * width * height);
    for (let i = 0; i < pixels.length; i++) {
      const place = i >> 2;
      pixels[i] = ((place % width) * a + Math.floor(place / width) * b + (i & 3) * 60) % 256;
    }
    return tensor(pixels, width, height);
  };
  const like = await lookedAt(picture(factors[1]));
  const found = blocks(await painted(picture(factors[0]), like, (count) => new Float32Array(count)), grid);
  const worst = Math.max(...means.map((mean, i) => Math.abs(mean - found[i]) * 255));
  if (!(worst <= TOLERANCE)) throw new Error(`its results are off by ${worst.toFixed(1)} of 255`);
}

function blocks(made, grid) {
  const [, , height, width] = made.dims, sums = new Float64Array(3 * grid * grid), counts = new Float64Array(3 * grid * grid);
  for (let i = 0; i < made.data.length; i++) {
    const x = i % width, y = Math.floor(i / width) % height, c = Math.floor(i / (width * height));
    const block = (c * grid + Math.floor((y * grid) / height)) * grid + Math.floor((x * grid) / width);
    sums[block] += made.data[i];
    counts[block] += 1;
  }
  return sums.map((sum, i) => sum / counts[i]);
}

async function lookedAt(painting) {
  return sessions.manner ? sessions.manner.run({ painting }) : {};
}

async function painted(picture, like, noise) {
  const session = sessions.paint, feeds = { ...like, [session.inputNames[0]]: picture };
  if (about.kind === "instant") {
    const [, , height, width] = picture.dims;
    const count = GRAIN * Math.ceil(height / STRIDE) * Math.ceil(width / STRIDE);
    feeds.noise = new ort.Tensor("float32", noise(count), [count]);
  }
  return (await session.run(feeds))[session.outputNames[0]];
}

function tensor(pixels, width, height) {
  const area = width * height, data = new Float32Array(3 * area);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) data[c * area + i] = pixels[4 * i + c] / 255;
  }
  return new ort.Tensor("float32", data, [1, 3, height, width]);
}

function rgba({ data, dims: [, , height, width] }) {
  const area = width * height, pixels = new Uint8ClampedArray(4 * area).fill(255);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = 255 * data[c * area + i];
  }
  return { pixels, width, height };
}
