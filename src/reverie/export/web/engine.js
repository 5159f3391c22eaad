// The network, as the page sees it: questions to the worker, answers as promises.

export class Engine {
  #worker = new Worker("worker.js", { type: "module" });
  #waiting = new Map();
  #last = 0;

  constructor(onProgress) {
    this.#worker.onmessage = ({ data }) => {
      if (data.progress !== undefined) return onProgress(data.progress);
      const { resolve, reject } = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (data.wrong === undefined) resolve(data.answer);
      else reject(new Error(data.wrong));
    };
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message || "the worker stopped"));
      this.#waiting.clear();
    };
  }

  load(about, device) {
    return this.#ask("load", { about, device });
  }

  look(picture) {
    return this.#ask("look", plain(picture));
  }

  async paint(picture) {
    const { pixels, width, height, milliseconds } = await this.#ask("paint", plain(picture));
    return { image: new ImageData(pixels, width, height), milliseconds };
  }

  #ask(task, given) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, task, ...given });
    });
  }
}

const plain = ({ data, width, height }) => ({ pixels: data, width, height });
