// Filters by text, folder, score and date, with a histogram of the collection.

import { element } from "./dom.js";
import { amount, countsOf, everything, foldersOf, histogram, photos, scaleOf, scoreOf, shortNumber, words } from "./records.js";

const BINS = 25;
// Steps of the two sliders of the score.
const STEPS = 100;

/** The panel beside the grid; `wanted` is the current filter. */
export class Filters {
  /**
   * @param {object} options
   * @param {string[]} options.columns names of the scores
   * @param {function(): void} options.onchange called after `wanted` has changed
   * @param {function(): void} options.onleave called when the user is done with the text field
   */
  constructor({ columns, onchange, onleave }) {
    this.wanted = everything();
    this._onchange = onchange;
    this._records = [];
    this._scale = { low: 0, high: 100, isPercentile: true };
    this._more = [];
    this._text = element("input", {
      type: "search", class: "g-input", placeholder: "Part of a name", "aria-label": "Part of a name or folder", autocomplete: "off", spellcheck: "false",
      oninput: () => this._change({ text: this._text.value }),
    });
    this._folder = element("select", { class: "g-input", "aria-label": "Folder", onchange: () => this._change({ folder: this._folder.value === "" ? null : this._folder.value }) });
    this._score = element("select", { class: "g-input", "aria-label": "Score of histogram and filter", onchange: () => this._changeScore() });
    this.setColumns(columns);
    this._bars = Array.from({ length: BINS }, () => element("span", { class: "g-bin" }, element("span", { class: "g-bin-all" }), element("span", { class: "g-bin-shown" })));
    this._chart = element("div", { class: "g-histogram", role: "img" }, ...this._bars);
    this._low = this._slider("Lowest score shown", 0);
    this._high = this._slider("Highest score shown", STEPS);
    this._range = element("output", { class: "g-range-text" });
    this._from = this._day("From", "from");
    this._to = this._day("To", "to");
    this._dateNote = element("p", { class: "g-note" });
    this._folderPart = part("Folder", this._folder);
    this._datePart = part("Taken", element("div", { class: "g-days" }, label("from", this._from), label("to", this._to)), this._dateNote);
    this._kind = element("select", { class: "g-input", "aria-label": "Kind of photo", onchange: () => this._change({ kind: this._kind.value || null }) });
    this._fault = element("select", { class: "g-input", "aria-label": "Fault", onchange: () => this._change({ fault: { all: null, none: "" }[this._fault.value] ?? this._fault.value }) });
    this._kindPart = part("Kind", this._kind);
    this._faultPart = part("Faults", this._fault);
    this._reset = element("button", { type: "reset", class: "g-button", text: "Show all" });
    this.element = element(
      "form",
      {
        class: "g-filters", role: "search", "aria-label": "Filter photos",
        // Enter in the text field: the keys are for the photos again.
        onsubmit: (event) => { event.preventDefault(); onleave(); },
        onreset: (event) => { event.preventDefault(); this.reset(); },
      },
      part("Score", this._score, this._chart, element("div", { class: "g-sliders" }, this._low, this._high), this._range),
      part("Find", this._text), this._kindPart, this._faultPart, this._folderPart, this._datePart, this._reset,
    );
  }

  /** Set the scores to choose from. */
  setColumns(columns) {
    const names = ["overall", ...columns];
    this._score.replaceChildren(...names.map((name) => element("option", { value: name, text: name })));
    if (!names.includes(this.wanted.score)) this.wanted = { ...this.wanted, score: "overall", low: null, high: null };
    this._score.value = this.wanted.score;
  }

  /** Set the records whose folders, dates and scores can be chosen. */
  setRecords(records) {
    this._records = records;
    this._scale = scaleOf(records, this.wanted.score);
    this._offerFolders(foldersOf(records));
    this._offerLabels();
    const days = records.filter((record) => record.captured).map((record) => record.captured.slice(0, 10)).sort();
    this._datePart.hidden = days.length === 0;
    for (const input of [this._from, this._to]) {
      input.min = days[0] ?? "";
      input.max = days.at(-1) ?? "";
    }
    const unsure = records.filter((record) => record.captured_is_file_time).length;
    this._dateNote.textContent = unsure === 0 ? "" : `${whoIsUnsure(unsure, records.length)} taken: the file's time counts.`;
    this._showRange();
  }

  /** Draw the histogram: of all, and of those shown. */
  setShown(shown) {
    const { score } = this.wanted;
    const all = histogram(this._records, score, this._scale, BINS);
    const these = histogram(shown, score, this._scale, BINS);
    const most = Math.max(1, ...all);
    this._bars.forEach((bar, place) => {
      bar.firstChild.style.height = `${(100 * all[place]) / most}%`;
      bar.lastChild.style.height = `${(100 * these[place]) / most}%`;
    });
    const values = this._records.map((record) => scoreOf(record, score)).filter((value) => value !== null).sort((one, other) => one - other);
    const middle = values.length > 0 ? `; half of ${amount(values.length)} are below ${this._words(values[Math.floor(values.length / 2)])}` : "";
    this._chart.setAttribute("aria-label", `Histogram of ${score} from ${this._words(this._scale.low)} to ${this._words(this._scale.high)}${middle}`);
    this._reset.disabled = !this.isActive;
  }

  /** Put a filter of the host before the button that resets all. */
  add(filter) {
    this._more.push(filter);
    this._reset.before(filter.element);
  }

  /** Whether the filter can hide a photo. */
  get isActive() {
    if (this._more.some(({ isActive }) => isActive)) return true;
    const { score: _, ...wanted } = this.wanted;
    const { score: __, ...all } = everything();
    return JSON.stringify(wanted) !== JSON.stringify(all);
  }

  /** Reset the filter: show every photo. */
  reset() {
    this.wanted = { ...everything(), score: this.wanted.score };
    this._text.value = this._folder.value = this._from.value = this._to.value = this._kind.value = "";
    this._fault.value = "all";
    this._low.value = 0;
    this._high.value = STEPS;
    for (const filter of this._more) filter.reset();
    this._showRange();
    this._onchange();
  }

  /** Focus the text field. */
  focus() {
    this._text.focus();
    this._text.select();
  }

  _change(changed) {
    this.wanted = { ...this.wanted, ...changed };
    this._onchange();
  }

  _changeScore() {
    this.wanted = { ...this.wanted, score: this._score.value };
    this._scale = scaleOf(this._records, this.wanted.score);
    this._slid();
  }

  _slider(name, value) {
    return element("input", { type: "range", min: 0, max: STEPS, step: 1, value, "aria-label": name, oninput: (event) => this._slid(event.target) });
  }

  _slid(moved) {
    // The sliders never cross: the one that is moved stops at the other.
    if (moved === this._low) this._low.value = Math.min(Number(this._low.value), Number(this._high.value));
    if (moved === this._high) this._high.value = Math.max(Number(this._low.value), Number(this._high.value));
    const [low, high] = [Number(this._low.value), Number(this._high.value)];
    const value = (step) => this._scale.low + ((this._scale.high - this._scale.low) * step) / STEPS;
    this._change({ low: low > 0 ? value(low) : null, high: high < STEPS ? value(high) : null });
    this._showRange();
  }

  _showRange() {
    const low = this.wanted.low ?? this._scale.low;
    const high = this.wanted.high ?? this._scale.high;
    this._range.textContent = `${this._words(low)} – ${this._words(high)}${this._scale.isPercentile ? " of 100" : ""}`;
    for (const [slider, value] of [[this._low, low], [this._high, high]]) slider.setAttribute("aria-valuetext", this._words(value));
    this._bars.forEach((bar, place) => {
      const middle = ((place + 0.5) / BINS) * STEPS;
      bar.classList.toggle("g-outside", middle < Number(this._low.value) || middle > Number(this._high.value));
    });
  }

  _words(value) {
    return this._scale.isPercentile ? String(Math.round(value)) : shortNumber(value);
  }

  _day(name, key) {
    return element("input", { type: "date", class: "g-input", "aria-label": `${name} this day`, oninput: (event) => this._change({ [key]: event.target.value }) });
  }

  /** Offer the kinds and faults that there are; what is chosen stays, also where no photo has it any more. */
  _offerLabels() {
    const option = (value, text) => element("option", { value, text });
    const { kind, fault } = this.wanted;
    const kinds = countsOf(this._records, (record) => (record.kind ? [record.kind] : []));
    this._kindPart.hidden = kinds.length < 2 && kind === null;
    this._kind.replaceChildren(option("", "All kinds"), ...kinds.map(([name, count]) => option(name, `${words(name)} (${amount(count)})`)));
    if (kind !== null && !kinds.some(([name]) => name === kind)) this._kind.append(option(kind, words(kind)));
    this._kind.value = kind ?? "";
    const faults = countsOf(this._records, (record) => record.faults ?? []);
    const without = this._records.filter((record) => !record.faults?.length).length;
    this._faultPart.hidden = faults.length === 0 && fault === null;
    this._fault.replaceChildren(option("all", "With and without"), option("none", `none (${amount(without)})`), ...faults.map(([name, count]) => option(name, `${words(name)} (${amount(count)})`)));
    if (fault && !faults.some(([name]) => name === fault)) this._fault.append(option(fault, words(fault)));
    this._fault.value = fault === null ? "all" : fault === "" ? "none" : fault;
  }

  _offerFolders(folders) {
    this._folderPart.hidden = folders.length < 2;
    const before = this._folder.value;
    const offered = folders.filter(({ folder }) => folder !== "");
    this._folder.replaceChildren(
      element("option", { value: "", text: `All folders (${amount(this._records.length)})` }),
      ...offered.map(({ folder, depth, count }) =>
        element("option", { value: folder, text: `${"\u2003".repeat(depth - 1)}${folder.slice(folder.lastIndexOf("/") + 1)} (${amount(count)})` }),
      ),
    );
    this._folder.value = offered.some(({ folder }) => folder === before) ? before : "";
    this.wanted.folder = this._folder.value === "" ? null : this._folder.value;
  }
}

function whoIsUnsure(unsure, all) {
  if (unsure === all) return "No photo says when it was";
  return unsure === 1 ? "1 photo does not say when it was" : `${photos(unsure)} do not say when they were`;
}

function part(title, ...children) {
  return element("fieldset", { class: "g-part" }, element("legend", { text: title }), ...children);
}

function label(text, input) {
  return element("label", {}, element("span", { text }), input);
}
