// What a camera wrote about photos: in words, and as a filter by camera, lens and sensitivity.

import { element } from "./dom.js";
import { amount, countsOf } from "./records.js";

const ISO = [["up to 400", 0, 400], ["500 to 1600", 401, 1600], ["2000 to 6400", 1601, 6400], ["more than 6400", 6401, Infinity]];
const LONG_SECONDS = 0.3;

/** Exposure and lens in words: "1/250 s · f/2.8 · ISO 400 · 50 mm · Canon EOS R5 · RF 50mm F1.8". */
export function cameraWords(camera) {
  if (!camera) return "";
  const { seconds, aperture, iso, focal_length: focal, model, lens } = camera;
  const rounded = (number) => String(Number(number.toFixed(1)));
  return [
    seconds && (seconds >= LONG_SECONDS ? `${rounded(seconds)} s` : `1/${Math.round(1 / seconds)} s`), aperture && `f/${rounded(aperture)}`, iso && `ISO ${iso}`, focal && `${rounded(focal)} mm`, model, lens,
  ].filter(Boolean).join(" · ");
}

/** A part of the filter panel; hidden where no photo has camera data. */
export class CameraFilter {
  /** @param {function(?function(object): boolean): void} onchange is given the condition, null where all photos meet it */
  constructor(onchange) {
    this._onchange = onchange;
    this._model = this._select("Camera");
    this._lens = this._select("Lens");
    this._iso = this._select("ISO");
    this.element = element("fieldset", { class: "g-part", hidden: true }, element("legend", { text: "Camera" }), this._model, this._lens, this._iso);
  }

  /** Offer what the photos have. */
  setRecords(records) {
    const of = (field) => countsOf(records, ({ camera }) => (camera?.[field] ? [camera[field]] : []));
    offer(this._model, "All cameras", of("model"));
    offer(this._lens, "All lenses", of("lens"));
    const isos = of("iso");
    offer(this._iso, "Any ISO", ISO.map(([text, low, high]) => [text, isos.reduce((sum, [iso, count]) => sum + (iso >= low && iso <= high ? count : 0), 0)]).filter(([, count]) => count > 0));
    this.element.hidden = [this._model, this._lens, this._iso].every((select) => select.hidden);
  }

  /** Whether the filter hides some photos. */
  get isActive() {
    return [this._model, this._lens, this._iso].some((select) => select.value !== "");
  }

  /** Show all. */
  reset() {
    if (!this.isActive) return;
    for (const select of [this._model, this._lens, this._iso]) select.value = "";
    this._onchange(null);
  }

  _select(name) {
    return element("select", { class: "g-input", "aria-label": name, onchange: () => this._changed() });
  }

  _changed() {
    const [model, lens, iso] = [this._model.value, this._lens.value, this._iso.value];
    const [, low, high] = ISO.find(([text]) => text === iso) ?? ["", -Infinity, Infinity];
    const condition = ({ camera }) => (!model || camera?.model === model) && (!lens || camera?.lens === lens) && (!iso || (camera?.iso >= low && camera?.iso <= high));
    this._onchange(this.isActive ? condition : null);
  }
}

/** Fill a choice; what is chosen stays, also where no photo has it any more. */
function offer(select, all, counts) {
  const chosen = select.value;
  if (chosen && !counts.some(([value]) => value === chosen)) counts = [...counts, [chosen, 0]];
  select.replaceChildren(element("option", { value: "", text: all }), ...counts.map(([value, count]) => element("option", { value, text: `${value} (${amount(count)})` })));
  select.value = chosen;
  select.hidden = counts.length < 2 && !chosen;
}
