// Pixels for the model: RGB, 8 bits, reduced as mlsp reduces a file's: by exact area means, or by Lanczos's filter.

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

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The same of Lanczos's filter of three lobes, as Pillow computes it. */
function lanczosShares(size, cells) {
  const shares = [], scale = size / cells;
  for (let cell = 0; cell < cells; cell++) {
    const middle = (cell + 0.5) * scale;
    const first = Math.max(0, Math.floor(middle - 3 * scale)), last = Math.min(size, Math.ceil(middle + 3 * scale));
    const weights = new Float32Array(last - first);
    let total = 0;
    for (let pixel = first; pixel < last; pixel++) {
      const distance = Math.abs((pixel + 0.5 - middle) / scale);
      const weight = distance < 3 ? sinc(distance) * sinc(distance / 3) : 0;
      weights[pixel - first] = weight;
      total += weight;
    }
    shares.push({ first, weights: weights.map((weight) => weight / total) });
  }
  return shares;
}

const SHARES = { area: areaShares, lanczos: lanczosShares };

/** Round half to even, as numpy does. */
function rounded(value) {
  const whole = Math.round(value);
  return whole - value === 0.5 && whole % 2 ? whole - 1 : whole;
}

/** Round to 8 bits; a filter with negative weights may exceed them. */
function within(value) {
  return Math.min(255, Math.max(0, rounded(value)));
}

/**
 * @param {Uint8ClampedArray} rgba of a width × height photo without transparency
 * @param {"area"|"lanczos"} reduction
 * @returns {{pixels: Uint8Array, width: number, height: number}} RGB
 */
export function modelPixels(rgba, width, height, longestSide, reduction = "area") {
  const [w, h] = reducedSize(width, height, longestSide);
  const pixels = new Uint8Array(w * h * 3);
  if (w === width && h === height) {
    for (let i = 0, o = 0; i < rgba.length; i += 4, o += 3) {
      pixels[o] = rgba[i]; pixels[o + 1] = rgba[i + 1]; pixels[o + 2] = rgba[i + 2];
    }
    return { pixels, width, height };
  }
  const sharesOf = SHARES[reduction];
  // Between columns and rows Pillow, whose filter it is, has 8 bits.
  const between = reduction === "lanczos" ? within : (value) => value;
  const narrow = new Float32Array(height * w * 3);
  sharesOf(width, w).forEach(({ first, weights }, x) => {
    for (let y = 0; y < height; y++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0, place = 4 * (y * width + first) + channel;
        for (let tap = 0; tap < weights.length; tap++, place += 4) sum += weights[tap] * rgba[place];
        narrow[3 * (y * w + x) + channel] = between(sum);
      }
    }
  });
  sharesOf(height, h).forEach(({ first, weights }, y) => {
    for (let value = 0; value < 3 * w; value++) {
      let sum = 0, place = 3 * w * first + value;
      for (let tap = 0; tap < weights.length; tap++, place += 3 * w) sum += weights[tap] * narrow[place];
      pixels[3 * w * y + value] = within(sum);
    }
  });
  return { pixels, width: w, height: h };
}
