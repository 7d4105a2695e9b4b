// A photo's exposure full-screen: its histogram, and how much of it is clipped.

import { drawing, element } from "./dom.js";

const BARS = 64;
const HEIGHT = 32;
// Pixels that are read of a photo's longest side: every so many, not their means, which would hide what is clipped.
const READ = 360;
// JPEG moves values by one or two.
const WHITE = 253;
const BLACK = 2;

/**
 * @param {Uint8ClampedArray} pixels RGBA
 * @returns {{bars: number[], white: number, black: number}} share of the pixels by brightness, of those with a colour at its maximum, and of black ones
 */
export function exposureOf(pixels) {
  const bars = new Array(BARS).fill(0);
  let [white, black] = [0, 0];
  for (let place = 0; place < pixels.length; place += 4) {
    const [red, green, blue] = [pixels[place], pixels[place + 1], pixels[place + 2]];
    const most = Math.max(red, green, blue);
    if (most >= WHITE) white += 1;
    else if (most <= BLACK) black += 1;
    bars[Math.floor(((0.299 * red + 0.587 * green + 0.114 * blue) * BARS) / 256)] += 1;
  }
  const count = pixels.length / 4;
  return { bars: bars.map((bar) => bar / count), white: white / count, black: black / count };
}

/** A small histogram that is drawn once its photo can be read. */
export class Exposure {
  constructor() {
    this.element = element("span", { class: "g-exposure", hidden: true });
  }

  /** @param {HTMLImageElement} image that has loaded; one whose pixels the browser does not give, as of another file, changes nothing */
  show(image) {
    const scale = Math.min(1, READ / Math.max(image.naturalWidth, image.naturalHeight));
    const canvas = Object.assign(document.createElement("canvas"), { width: Math.max(1, image.naturalWidth * scale), height: Math.max(1, image.naturalHeight * scale) });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingEnabled = false;
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    try {
      this._draw(exposureOf(context.getImageData(0, 0, canvas.width, canvas.height).data));
    } catch (error) {
      if (error.name !== "SecurityError") throw error;
    }
  }

  _draw({ bars, white, black }) {
    // A few very high bars would flatten the rest.
    const most = [...bars].sort((one, other) => other - one)[2] || 1;
    const steps = bars.map((bar, place) => `V${(HEIGHT * (1 - Math.min(1, bar / most))).toFixed(1)}H${place + 1}`);
    const chart = drawing("svg", { viewBox: `0 0 ${BARS} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, drawing("path", { d: `M0 ${HEIGHT}${steps.join("")}V${HEIGHT}Z` }));
    const clipped = (words, share, title) => element("span", { class: share >= 0.01 ? "g-clipped" : "", text: `${words} ${share > 0 && share < 0.001 ? "<0.1" : (100 * share).toFixed(share < 0.1 ? 1 : 0)} %`, title });
    this.element.replaceChildren(chart, clipped("black", black, "of the pixels have no light left"), clipped("clipped", white, "of the pixels have a colour at its maximum"));
    this.element.hidden = false;
  }
}
