// The gallery: photos ranked in a grid, filters, sorting, and a full-screen comparison. The report and the served page show it.
//
//     import { Gallery } from "./gallery.js";
//     const gallery = new Gallery(document.querySelector("main"), { columns: ["quality", "beauty"] });
//     gallery.setRecords(records);
//
// One gallery per page, with gallery.css. It works under the strictest content security policy.

import { Bar } from "./bar.js";
import { CameraFilter } from "./camera_filter.js";
import { drawCard, markCard } from "./card.js";
import { element } from "./dom.js";
import { showFailed } from "./failed.js";
import { Filters } from "./filters.js";
import { Grid, WIDTH } from "./grid.js";
import { keyList } from "./keys.js";
import { amount, filterRecords, isPhoto, pathRanks, photos, ranksOf } from "./records.js";
import { Selection } from "./selection.js";
import { Sorting } from "./sorting.js";
import { comparedFrames, Stacks } from "./stacks.js";
import { ViewControls } from "./view_controls.js";
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
 * @property {string} [smallNote] what is said full-screen where only the small picture can be shown; "" for nothing
 * @property {function(PhotoRecord): ?Node} [badge] what the host shows on a photo's card, such as its stars; not interactive
 * @property {function(PhotoRecord): string} [badgeText] the same for screen readers
 * @property {function(PhotoRecord, PhotoRecord[]): ?Node} [stackTools] the host's buttons for a stack full-screen, given the active frame and all
 * @property {function(PhotoRecord): ?Node} [details] what the host adds to a photo's caption full-screen, such as buttons
 * @property {function(KeyboardEvent, PhotoRecord): boolean} [onkey] called first for each key in grid and viewer with the active photo (which may be
 *     undefined in the grid); true where the host has used the key. The gallery itself uses arrows, Home, End, Page, Enter, Space, Escape, Ctrl+A, C, S, Z, +, −, / and ?
 * @property {Array<[string, string]>} [keys] the host's keys and what they do, for the list of keys
 * @property {Sort[]} [sorts] further orders
 * @property {Object<string, string>} [meanings] what kinds and faults mean, by their names
 * @property {string} [among] which photos percentiles are among: "rated photos"
 * @property {string} [title] heading, shown in the bar
 */

// Minimum time between two drawn updates.
const UPDATE_MS = 250;

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
      badge: () => null, badgeText: () => "", stackTools: () => null, details: () => null, onkey: () => false, keys: [], sorts: [], meanings: {}, among: "rated photos", smallNote: "Small picture: the photo is not where it was, or of a format that browsers do not show.", title: "Photos", ...options,
    };
    this._records = [];
    this._byId = new Map();
    this._shown = [];
    this._tiles = [];
    this._ranks = new Map();
    this._selection = new Selection(() => this._selectionChanged());
    this.stacks = new Stacks();
    this._conditions = new Map();
    this._frame = 0;
    this._isStale = false;
    this._changedAt = -UPDATE_MS;
    const { columns } = this._options;
    this._sorting = new Sorting({ columns, sorts: this._options.sorts, pathRank: (record) => this._pathRanks().get(record), onchange: () => this._later() });
    this.filters = new Filters({ columns, onchange: () => this._later(), onleave: () => this._takeFirst() });
    this._camera = new CameraFilter((condition) => this.setCondition("camera", condition));
    this.filters.add(this._camera);
    this.viewer = new Viewer({
      columns, meanings: this._options.meanings, among: this._options.among, load: this._options.load, original: this._options.original, badge: this._options.badge, details: this._options.details, onkey: this._options.onkey,
      frames: (record) => this.stacks.frames(record), stackTools: this._options.stackTools, smallNote: this._options.smallNote,
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

  /** Draw the host's badge of a record anew. */
  remark(id) {
    this.grid.remark(id);
    this.viewer.remark();
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
    return this._selection.ids.map((id) => this._byId.get(id)).filter(Boolean);
  }

  /** @returns {PhotoRecord[]} the photos that meet the filters, sorted */
  get shown() {
    return this._shown;
  }

  /** @param {string|number} id */
  record(id) {
    return this._byId.get(id);
  }

  /** Clear the selection. */
  selectNone() {
    this._selection.clear();
  }

  /**
   * Show photos full-screen.
   * @param {Array<string|number>} ids one to four
   */
  open(ids) {
    const records = ids.map((id) => this._byId.get(id)).filter(Boolean);
    if (records.length === 0) return;
    this.viewer.open(records, this.stacks.expand(this._tiles));
    this._emit("open", { records });
  }

  /** Compare the selected photos; if fewer than two are, the frames of the active stack, or the active photo and the next. */
  compare() {
    const chosen = this._selection.ids;
    const active = this.grid.activeItem;
    const frames = active && this.stacks.isOn ? comparedFrames(this.stacks.frames(active)) : [];
    if (chosen.length >= 2) this.open(chosen.slice(0, MOST_SIDE_BY_SIDE));
    else if (chosen.length === 0 && frames.length >= 2) this.open(frames.slice(0, MOST_SIDE_BY_SIDE).map(({ id }) => id));
    else {
      const place = Math.max(0, this.grid.active);
      const near = [...this._tiles.slice(place), ...this._tiles.slice(0, place)].map(({ id }) => id).filter((id) => id !== chosen[0]);
      this.open([...chosen, ...near].slice(0, 2));
    }
  }

  /** Focus the grid. */
  focus() {
    this.grid.element.focus({ preventScroll: true });
  }

  _build(root) {
    this.grid = new Grid({
      label: "Photos", draw: (record) => drawCard(record, this._options),
      mark: (card, record, place) => markCard(card, record, this._options, { rank: this._ranks.get(record.id) ?? place + 1, isChosen: this._selection.has(record.id), frames: this.stacks.isOn ? this.stacks.frames(record) : [record] }),
      inset: () => this._bar.bottom, onactive: (record) => this._emit("activechange", { record }),
    });
    this._said = element("p", { class: "g-hidden", role: "status" });
    this._help = keyList(this._options.keys);
    this._view = new ViewControls({
      width: WIDTH, onwidth: (width) => this.grid.setWidth(width),
      onstacks: (isOn) => { this.stacks.isOn = isOn; this._arrange(); },
      onpictures: (isOn) => { this.grid.element.classList.toggle("g-pictures-only", isOn); this.grid.redraw(); },
    });
    const side = element("aside", { class: "g-side", id: "g-side", "aria-label": "Filters" }, this.filters.element);
    this._bar = new Bar({ title: this._options.title, parts: [this._sorting.element, this._view.element], side, most: MOST_SIDE_BY_SIDE, oncompare: () => this.compare(), onhelp: () => this._help.showModal() });
    this._failed = element("details", { class: "g-failed", hidden: true });
    this._empty = element("p", { class: "g-empty", hidden: true });
    root.classList.add("gallery");
    root.replaceChildren(this._bar.element, this._said, element("div", { class: "g-body" }, side, element("div", { class: "g-content" }, this._failed, this._empty, this.grid.element)), this.viewer.element, this._help);
    this._listen();
    this._selectionChanged();
    this._view.restore();
  }

  _listen() {
    const grid = this.grid.element;
    grid.addEventListener("click", (event) => {
      const place = this.grid.placeOf(event);
      if (place < 0) return;
      const { id } = this._tiles[place];
      this.grid.activate(place);
      if (event.shiftKey) this._selection.extend(id, this._tiles.map((record) => record.id));
      else if (event.target.closest(".g-tick") || event.ctrlKey || event.metaKey) this._selection.toggle(id);
      else this.open([id]);
    });
    grid.addEventListener("keydown", (event) => this._keydown(event));
    document.addEventListener("keydown", (event) => {
      const isTyping = event.target instanceof Element && event.target.closest("input, select, textarea, dialog");
      if (isTyping || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "/") {
        this._bar.openSide();
        this.filters.focus();
      } else if (event.key === "?") this._help.showModal();
      else return;
      event.preventDefault();
    });
  }

  _keydown(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
      event.preventDefault();
      this._selection.add(this._tiles.map(({ id }) => id));
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { activeItem } = this.grid;
    if (this._options.onkey(event, activeItem)) event.preventDefault();
    else if (this.grid.move(event.key)) event.preventDefault();
    else if (event.key === "Enter" && activeItem) this.open([activeItem.id]);
    else if (event.key === " ") {
      // Also without an active photo: the page must not scroll.
      event.preventDefault();
      if (activeItem) this._selection.toggle(activeItem.id);
    } else if (event.key.toLowerCase() === "c") this.compare();
    else if (event.key.toLowerCase() === "s") this._view.toggleStacks();
    else if (event.key === "Escape") this.selectNone();
  }

  _pathRanks() {
    this._paths ??= pathRanks(this._records);
    return this._paths;
  }

  /** Take the keys from the text field to the first photo that was found. */
  _takeFirst() {
    this._arrange();
    this.focus();
    this.grid.activate(0);
  }

  _changed(isUpdate = false) {
    this._isStale = false;
    this._changedAt = performance.now();
    const all = [...this._byId.values()];
    this._records = all.filter((record) => !record.failed);
    this._paths = null;
    if (!isUpdate) setTimeout(() => this._pathRanks(), UPDATE_MS);
    this._ranks = ranksOf(this._records);
    showFailed(this._failed, all.filter((record) => record.failed));
    this.filters.setRecords(this._records);
    this._camera.setRecords(this._records);
    this._arrange(isUpdate);
  }

  _later() {
    if (this._frame === 0) this._frame = requestAnimationFrame(() => { this._frame = 0; this._isStale ? this._changed(true) : this._arrange(); });
  }

  _arrange(isUpdate = false) {
    this._shown = this._sorting.sorted(filterRecords(this._records, this.filters.wanted, this._conditions.values()));
    this._tiles = this.stacks.collapse(this._shown);
    this.grid.setItems(this._tiles, { staysInPlace: isUpdate, standsFor: (tile, { id }) => this.stacks.frames(tile).some((frame) => frame.id === id) });
    this.filters.setShown(this._shown);
    this._view.setStacks(this.stacks.size);
    if (this.viewer.isOpen) this.viewer.setList(this.stacks.expand(this._tiles));
    const others = this._records.filter((record) => !isPhoto(record)).length;
    const all = others === 0 ? photos(this._records.length) : `${photos(this._records.length - others)}, ${amount(others)} not photos`;
    const count = this._shown.length === this._records.length ? all : `${amount(this._shown.length)} of ${all}`;
    this._bar.setCount(count, this.filters.isActive);
    this._empty.hidden = this._shown.length > 0;
    const wasHidden = this.grid.element.hidden;
    this.grid.element.hidden = this._shown.length === 0;
    // What is hidden cannot have the focus: where nothing else has it, the keys are for the first photos that come.
    if (wasHidden && document.activeElement === document.body) this.focus();
    this._empty.textContent = this._records.length === 0 ? "No photo has been scored." : "No photo is like this. “Show all” brings them back.";
    this._say(count);
    this._emit("shownchange", { records: this._shown });
  }

  _selectionChanged() {
    this.grid.remark();
    const count = this._selection.size;
    this._bar.setChosen(count);
    if (count > 0) this._say(`${photos(count)} chosen`);
    this._emit("selectionchange", { records: this.selected });
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
