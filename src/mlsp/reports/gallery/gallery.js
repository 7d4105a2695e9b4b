// The gallery: photos ranked in a grid, filters, sorting, and a full-screen comparison. The report and the served page show it.
//
//     import { Gallery } from "./gallery.js";
//     const gallery = new Gallery(document.querySelector("main"), { columns: ["quality", "beauty"] });
//     gallery.setRecords(records);
//
// One gallery per page, with gallery.css. It works under the strictest content security policy.

import { drawCard, markCard } from "./card.js";
import { element, icon } from "./dom.js";
import { showFailed } from "./failed.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { keyList } from "./keys.js";
import { amount, filterRecords, isPhoto, pathRanks, photos, sortRecords } from "./records.js";
import { Sorting } from "./sorting.js";
import { MOST_SIDE_BY_SIDE, Viewer } from "./viewer.js";

/** @typedef {import("./records.js").PhotoRecord} PhotoRecord */

/**
 * @typedef {object} Sort
 * @property {string} name
 * @property {string} label
 * @property {function(PhotoRecord): (number|string|null|undefined)} value
 * @property {boolean} isDescending initial direction
 */

/**
 * @typedef {object} GalleryOptions
 * @property {string[]} [columns] names of the scores, in their order
 * @property {function(PhotoRecord): (string|Promise<string>)} [load] URL of a small picture, "" if it has none; by default the record's `thumbnail`
 * @property {function(PhotoRecord): ?string} [original] URL of the photo itself; by default the record's `original`
 * @property {function(PhotoRecord): ?Node} [badge] what the host shows on a photo's card, such as its stars; not interactive
 * @property {function(PhotoRecord): string} [badgeText] the same for screen readers
 * @property {function(PhotoRecord): ?Node} [details] what the host adds to a photo's caption full-screen, such as buttons
 * @property {function(KeyboardEvent, PhotoRecord): boolean} [onkey] called first for each key in grid and viewer with the active photo (which may be
 *     undefined in the grid); true where the host has used the key. The gallery itself uses arrows, Home, End, Page, Enter, Space, Escape, C, Z, +, −, / and ?
 * @property {Array<[string, string]>} [keys] the host's keys and what they do, for the list of keys
 * @property {Sort[]} [sorts] further orders
 * @property {Object<string, string>} [meanings] what kinds and faults mean, by their names
 * @property {string} [among] which photos percentiles are among: "rated photos"
 * @property {Node[]} [tools] the host's buttons, for the bar above the grid
 * @property {string} [title] heading, shown in the bar
 */

const COMPARE = "M4 5H10.5V19H4ZM13.5 5H20V19H13.5Z";
// Minimum time between two drawn updates.
const UPDATE_MS = 250;
const FILTER = "M4 6H20M7 12H17M10 18H14";

/**
 * Events of `gallery`, each with `detail`: `activechange` {record}, `selectionchange` {records}, `shownchange` {records},
 * `open` {records} and `close` {} of the full-screen view.
 */
export class Gallery extends EventTarget {
  /**
   * @param {HTMLElement} root is filled
   * @param {GalleryOptions} [options]
   */
  constructor(root, options = {}) {
    super();
    this._options = {
      columns: [], load: (record) => record.thumbnail ?? "", original: (record) => record.original ?? null,
      badge: () => null, badgeText: () => "", details: () => null, onkey: () => false, keys: [], sorts: [], tools: [], meanings: {}, among: "rated photos", title: "Photos", ...options,
    };
    this._records = [];
    this._byId = new Map();
    this._shown = [];
    this._ranks = new Map();
    this._selected = new Set();
    this._conditions = new Map();
    this._frame = 0;
    this._isStale = false;
    this._changedAt = -UPDATE_MS;
    const { columns } = this._options;
    this._sorting = new Sorting({ columns, sorts: this._options.sorts, pathRank: (record) => this._pathRanks().get(record), onchange: () => this._later() });
    this.filters = new Filters({ columns, onchange: () => this._later(), onleave: () => this.focus() });
    this.viewer = new Viewer({
      columns, meanings: this._options.meanings, among: this._options.among, load: this._options.load, original: this._options.original, details: this._options.details, onkey: this._options.onkey,
      onactive: (record) => this._emit("activechange", { record }), onclose: () => this._closed(),
    });
    this._build(root);
  }

  /**
   * Replace all records. Filters, sorting, the active photo and the selection stay.
   * @param {PhotoRecord[]} records
   */
  setRecords(records) {
    this._byId = new Map(records.map((record) => [record.id, record]));
    this._changed();
  }

  /**
   * Add records, or replace those with the same ids. Cheap: calls in quick succession are drawn together, and
   * visible cards keep their position.
   * @param {PhotoRecord[]} records
   */
  update(records) {
    for (const record of records) this._byId.set(record.id, record);
    if (this._isStale) return;
    this._isStale = true;
    setTimeout(() => this._later(), Math.max(0, this._changedAt + UPDATE_MS - performance.now()));
  }

  /**
   * Show other scores. Records that have none of a name show a dash.
   * @param {string[]} columns
   */
  setColumns(columns) {
    this._options.columns = columns;
    for (const part of [this.filters, this._sorting, this.viewer]) part.setColumns(columns);
    this._changed();
    this.grid.redraw();
  }

  /** Draw the host's badge and details of a record anew, or of all. */
  refresh(id) {
    this.grid.remark(id);
    if (this.viewer.isOpen) this.viewer.redraw();
  }

  /** Sort and filter again, after a change of what the host's own conditions or sorts depend on. */
  rearrange() {
    this._later();
  }

  /**
   * Set a condition of the host that photos must meet to be shown.
   * @param {string} name
   * @param {?function(PhotoRecord): boolean} condition null removes it
   */
  setCondition(name, condition) {
    if (condition === null) this._conditions.delete(name);
    else this._conditions.set(name, condition);
    this._later();
  }

  /**
   * Put a filter of the host into the panel; “Show all” resets it.
   * @param {{element: HTMLElement, isActive: boolean, reset: function(): void}} filter its condition is set by `setCondition`
   */
  addFilter(filter) {
    this.filters.add(filter);
  }

  /** @returns {PhotoRecord|undefined} the photo that keys act on */
  get active() {
    return this.viewer.isOpen ? this.viewer.activeItem : this.grid.activeItem;
  }

  /** @returns {PhotoRecord[]} the selected photos, in the order of selection */
  get selected() {
    return [...this._selected].map((id) => this._byId.get(id)).filter(Boolean);
  }

  /** @returns {PhotoRecord[]} the photos that meet the filters, sorted */
  get shown() {
    return this._shown;
  }

  /** @param {string|number} id */
  record(id) {
    return this._byId.get(id);
  }

  /**
   * Select a photo for comparison, or deselect it.
   * @param {string|number} id
   * @param {boolean} [isChosen] by default toggled
   */
  select(id, isChosen = !this._selected.has(id)) {
    if (isChosen && !this._selected.has(id) && this._selected.size >= MOST_SIDE_BY_SIDE) {
      this._say(`${MOST_SIDE_BY_SIDE} photos are chosen already: compare them, or choose one no longer`);
      return;
    }
    if (isChosen) this._selected.add(id);
    else this._selected.delete(id);
    this._selectionChanged();
  }

  /** Clear the selection. */
  selectNone() {
    this._selected.clear();
    this._selectionChanged();
  }

  /**
   * Show photos full-screen.
   * @param {Array<string|number>} ids one to four
   */
  open(ids) {
    const records = ids.map((id) => this._byId.get(id)).filter(Boolean);
    if (records.length === 0) return;
    this.viewer.open(records, this._shown);
    this._emit("open", { records });
  }

  /** Compare the selected photos; if fewer than two are, the active one and the next. */
  compare() {
    if (this._selected.size >= 2) this.open([...this._selected]);
    else {
      const place = Math.max(0, this.grid.active);
      const chosen = [...this._selected][0];
      const near = [...this._shown.slice(place), ...this._shown.slice(0, place)].map((record) => record.id).filter((id) => id !== chosen);
      this.open(chosen === undefined ? near.slice(0, 2) : [chosen, near[0]].filter((id) => id !== undefined));
    }
  }

  /** Focus the grid. */
  focus() {
    this.grid.element.focus({ preventScroll: true });
  }

  _build(root) {
    const { title, tools } = this._options;
    this.grid = new Grid({
      label: "Photos", draw: (record) => drawCard(record, this._options),
      mark: (card, record, place) => markCard(card, record, this._options, this._ranks.get(record.id) ?? place + 1, this._selected.has(record.id)),
      inset: () => this._bar.getBoundingClientRect().bottom, onactive: (record) => this._emit("activechange", { record }),
    });
    this._count = element("span", { class: "g-count" });
    this._said = element("p", { class: "g-hidden", role: "status" });
    this._toggle = element(
      "button", { type: "button", class: "g-button g-toggle", "aria-expanded": "false", "aria-controls": "g-side", onclick: () => this._toggleSide() },
      icon(FILTER), element("span", { text: "Filter" }),
    );
    this._compare = element("button", { type: "button", class: "g-button g-main", title: "Compare (C)", onclick: () => this.compare() }, icon(COMPARE), element("span", { text: "Compare" }));
    this._help = keyList(this._options.keys);
    const help = element("button", { type: "button", class: "g-button g-square g-help-button", "aria-label": "Keys", title: "Keys (?)", text: "?", onclick: () => this._help.showModal() });
    this._bar = element(
      "header", { class: "g-bar" }, element("div", { class: "g-title" }, element("h1", { text: title }), this._count),
      element("div", { class: "g-tools" }, this._toggle, this._sorting.element, ...tools, this._compare, help),
    );
    this._failed = element("details", { class: "g-failed", hidden: true });
    this._empty = element("p", { class: "g-empty", hidden: true });
    this._side = element("aside", { class: "g-side", id: "g-side", "aria-label": "Filters" }, this.filters.element);
    root.classList.add("gallery");
    root.replaceChildren(this._bar, this._said, element("div", { class: "g-body" }, this._side, element("div", { class: "g-content" }, this._failed, this._empty, this.grid.element)), this.viewer.element, this._help);
    this._listen();
    this._selectionChanged();
  }

  _listen() {
    const grid = this.grid.element;
    grid.addEventListener("click", (event) => {
      const place = this.grid.placeOf(event);
      if (place < 0) return;
      const { id } = this._shown[place];
      this.grid.activate(place);
      if (event.target.closest(".g-tick") || event.ctrlKey || event.metaKey || event.shiftKey) this.select(id);
      else this.open([id]);
    });
    grid.addEventListener("keydown", (event) => this._keydown(event));
    document.addEventListener("keydown", (event) => {
      const isTyping = event.target instanceof Element && event.target.closest("input, select, textarea, dialog");
      if (isTyping || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "/") {
        if (getComputedStyle(this._side).display === "none") this._toggleSide();
        this.filters.focus();
      } else if (event.key === "?") this._help.showModal();
      else return;
      event.preventDefault();
    });
  }

  _keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { activeItem } = this.grid;
    if (this._options.onkey(event, activeItem)) event.preventDefault();
    else if (this.grid.move(event.key)) event.preventDefault();
    else if (event.key === "Enter" && activeItem) this.open([activeItem.id]);
    else if (event.key === " ") {
      // Also without an active photo: the page must not scroll.
      event.preventDefault();
      if (activeItem) this.select(activeItem.id);
    } else if (event.key.toLowerCase() === "c") this.compare();
    else if (event.key === "Escape") this.selectNone();
  }

  _pathRanks() {
    this._paths ??= pathRanks(this._records);
    return this._paths;
  }

  _changed(isUpdate = false) {
    this._isStale = false;
    this._changedAt = performance.now();
    const all = [...this._byId.values()];
    this._records = all.filter((record) => !record.failed);
    this._paths = null;
    if (!isUpdate) setTimeout(() => this._pathRanks(), UPDATE_MS);
    this._ranks = new Map(sortRecords(this._records.filter(isPhoto), (record) => record.overall, true).map((record, place) => [record.id, place + 1]));
    showFailed(this._failed, all.filter((record) => record.failed));
    this.filters.setRecords(this._records);
    this._arrange(isUpdate);
  }

  _later() {
    if (this._frame === 0) this._frame = requestAnimationFrame(() => { this._frame = 0; this._isStale ? this._changed(true) : this._arrange(); });
  }

  _arrange(isUpdate = false) {
    this._shown = this._sorting.sorted(filterRecords(this._records, this.filters.wanted, this._conditions.values()));
    this.grid.setItems(this._shown, isUpdate);
    this.filters.setShown(this._shown);
    if (this.viewer.isOpen) this.viewer.setList(this._shown);
    const others = this._records.filter((record) => !isPhoto(record)).length;
    const all = others === 0 ? photos(this._records.length) : `${photos(this._records.length - others)}, ${amount(others)} not photos`;
    this._count.textContent = this._shown.length === this._records.length ? all : `${amount(this._shown.length)} of ${all}`;
    this._empty.hidden = this._shown.length > 0;
    this.grid.element.hidden = this._shown.length === 0;
    this._empty.textContent = this._records.length === 0 ? "No photo has been scored." : "No photo is like this. “Show all” brings them back.";
    this._toggle.classList.toggle("g-on", this.filters.isActive);
    this._say(this._count.textContent);
    this._emit("shownchange", { records: this._shown });
  }

  _selectionChanged() {
    this.grid.remark();
    const count = this._selected.size;
    this._compare.lastChild.textContent = count > 0 ? `Compare ${count}` : "Compare";
    this._compare.classList.toggle("g-on", count > 1);
    if (count > 0) this._say(`${photos(count)} chosen`);
    this._emit("selectionchange", { records: this.selected });
  }

  _toggleSide() {
    const isOpen = this._side.classList.toggle("g-open");
    this._toggle.setAttribute("aria-expanded", isOpen);
  }

  _closed() {
    this.focus();
    this._emit("close", {});
  }

  _say(text) {
    this._said.textContent = text;
  }

  _emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
