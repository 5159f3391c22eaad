// The grain that strokes grow from: normal numbers, the same ones every time, so that a film does not flicker.

const SEED = 1;
let known = new Float32Array(0);

export function grain(count) {
  if (known.length < count) known = drawn(count);
  return known.subarray(0, count);
}

function drawn(count) {
  const next = uniform(SEED), out = new Float32Array(count + (count % 2));
  for (let i = 0; i < out.length; i += 2) {  // Box & Muller 1958
    const radius = Math.sqrt(-2 * Math.log(1 - next())), angle = 2 * Math.PI * next();
    out[i] = radius * Math.cos(angle);
    out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}

// Tommy Ettinger's mulberry32: numbers in [0, 1).
function uniform(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
