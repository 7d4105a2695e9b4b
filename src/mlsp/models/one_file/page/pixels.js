// Pixels for the model: RGB, 8 bits, reduced by exact area means as mlsp reduces a file's.

/** Width and height after the reduction; rounded half up, never enlarged. */
export function reducedSize(width, height, longestSide) {
  const longest = Math.max(width, height);
  if (longestSide === null || longest <= longestSide) return [width, height];
  const side = (pixels) => Math.max(1, Math.floor((2 * pixels * longestSide + longest) / (2 * longest)));
  return [side(width), side(height)];
}

/** For each cell of an axis: its first pixel, and the weights of that pixel and those after it. */
function areaShares(size, cells) {
  const shares = [];
  for (let cell = 0; cell < cells; cell++) {
    const begin = cell * size, end = begin + size;
    const first = Math.floor(begin / cells), last = Math.ceil(end / cells);
    const weights = new Float32Array(last - first);
    for (let pixel = first; pixel < last; pixel++) {
      weights[pixel - first] = (Math.min(end, (pixel + 1) * cells) - Math.max(begin, pixel * cells)) / size;
    }
    shares.push({ first, weights });
  }
  return shares;
}

/** Round half to even, as numpy does. */
function rounded(value) {
  const whole = Math.round(value);
  return whole - value === 0.5 && whole % 2 ? whole - 1 : whole;
}

/**
 * @param {Uint8ClampedArray} rgba of a width × height photo without transparency
 * @returns {{pixels: Uint8Array, width: number, height: number}} RGB
 */
export function modelPixels(rgba, width, height, longestSide) {
  const [w, h] = reducedSize(width, height, longestSide);
  const pixels = new Uint8Array(w * h * 3);
  if (w === width && h === height) {
    for (let i = 0, o = 0; i < rgba.length; i += 4, o += 3) {
      pixels[o] = rgba[i]; pixels[o + 1] = rgba[i + 1]; pixels[o + 2] = rgba[i + 2];
    }
    return { pixels, width, height };
  }
  const columns = areaShares(width, w);
  const line = new Float32Array(width * 3);
  areaShares(height, h).forEach(({ first, weights }, y) => {
    line.fill(0);
    weights.forEach((share, tap) => {
      const start = (first + tap) * width * 4;
      for (let x = 0; x < width; x++) {
        line[3 * x] += share * rgba[start + 4 * x];
        line[3 * x + 1] += share * rgba[start + 4 * x + 1];
        line[3 * x + 2] += share * rgba[start + 4 * x + 2];
      }
    });
    columns.forEach(({ first: left, weights: shares }, x) => {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let tap = 0; tap < shares.length; tap++) sum = Math.fround(sum + Math.fround(shares[tap] * line[3 * (left + tap) + channel]));
        pixels[3 * (y * w + x) + channel] = rounded(sum);
      }
    });
  });
  return { pixels, width: w, height: h };
}
