// The user's rating of a photo: stars, flag and label, by keys and buttons, with undo. Shown at once; the outbox sends it.

import { element, icon } from "./dom.js";
import { LABELS, PICK, REJECT, marksWords } from "./marks.js";
import { nameOf } from "./records.js";
import { post } from "./server.js";

const MAX_STARS = 5;
const STAR = "M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8L3.6 9.7l5.8-.8z";
// As in Lightroom; purple has no key there either.
const LABEL_KEYS = { 6: "red", 7: "yellow", 8: "green", 9: "blue" };
const FIELDS = ["stars", "flag", "label"];

/** Keys and what they do, for the gallery's list of keys. */
export const RATING_KEYS = [
  ["1 2 3 4 5", "stars; with Shift, then on to the next photo"],
  ["0", "no stars"],
  ["P", "pick"],
  ["X", "reject"],
  ["6 7 8 9", "red, yellow, green, blue label; again: no label"],
  ["U", "remove the flag; again: remove the stars"],
  ["Ctrl+Z", "undo the last rating or comparison; in the grid also Z"],
];

/** Rates photos. Events: `change` {id}, `undone` {ids}. */
export class Rating extends EventTarget {
  /**
   * @param {object} options
   * @param {import("./collection.js").Collection} options.collection
   * @param {import("./outbox.js").Outbox} options.outbox
   * @param {import("./toast.js").Toast} options.toast
   * @param {function(): void} options.onnext go on to the next photo
   */
  constructor({ collection, outbox, toast, onnext }) {
    super();
    Object.assign(this, { _collection: collection, _outbox: outbox, _toast: toast, _onnext: onnext });
    this._controls = new Map();
    this._undoing = Promise.resolve();
    outbox.addEventListener("sent", ({ detail: { entry, answer } }) => {
      if (entry.path === "ratings") collection.settle(answer.id, answer.revision);
    });
    outbox.addEventListener("refused", ({ detail: { entry, error } }) => {
      this._restore(entry);
      toast.say(`${entry.words}: not done. ${error.message}`, { isError: true });
    });
  }

  /** Return the newest record of a photo; the gallery may still show an older one. */
  of(record) {
    return this._collection.records.get(record.id) ?? record;
  }

  /** Apply ratings that wait to be sent to records that have just arrived. */
  overlay(records) {
    const byPhoto = new Map(records.map((record) => [record.photo, record]));
    for (const { path, photos, fields } of this._outbox.waiting) {
      const record = path === "ratings" ? byPhoto.get(photos.id) : undefined;
      if (record) Object.assign(record, fields);
    }
    for (const record of records) this._show(record);
  }

  /**
   * @param {object} record
   * @param {{stars?: ?number, flag?: ?string, label?: ?string}} fields those left out stay
   */
  rate({ id }, fields) {
    const record = this._collection.records.get(id);
    if (!record) return;
    const before = marksOf(record);
    const after = { ...before, ...fields };
    if (FIELDS.every((field) => after[field] === before[field])) {
      this._toast.say(`${nameOf(record)}: ${marksWords(record) || "not rated"} already`);
      return;
    }
    const words = `${nameOf(record)}: ${marksWords(after) || "rating removed"}`;
    Object.assign(record, fields);
    this._changed(record);
    this._toast.say(words, { canUndo: true });
    this._outbox.add({ path: "ratings", photos: { id: record.photo }, fields, before, words });
  }

  /**
   * Rate by a key.
   * @returns {boolean} whether the key rates
   */
  key(event, record) {
    if (!record || event.ctrlKey || event.metaKey || event.altKey) return false;
    // With Shift, the row of digits gives other characters, which differ by keyboard.
    const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1] ?? (/^[0-9]$/.test(event.key) ? event.key : null);
    const letter = event.key.toLowerCase();
    const label = LABEL_KEYS[digit];
    if (label) this.rate(record, { label: this.of(record).label === label ? null : label });
    else if (digit !== null) this.rate(record, { stars: Number(digit) || null });
    else if (letter === "p") this.rate(record, { flag: "pick" });
    else if (letter === "x") this.rate(record, { flag: "reject" });
    else if (letter === "u") this.rate(record, this.of(record).flag === null ? { stars: null } : { flag: null });
    else return false;
    if (event.shiftKey) this._onnext();
    return true;
  }

  /** Undo the last rating or comparison, whichever view it was given in. Calls run one after another. */
  undo() {
    this._undoing = this._undoing.then(() => this._undo());
    return this._undoing;
  }

  async _undo() {
    const entry = await this._outbox.takeLast();
    if (entry !== null) {
      this._restore(entry);
      this._toast.say(`Undone: ${entry.words}`);
      this._emit("undone", { ids: Object.values(entry.photos).map((photo) => this._collection.idOf(photo)) });
      return;
    }
    try {
      const { undone, ids } = await post("undo");
      await this._collection.ask();
      this._toast.say(undone === null ? "Nothing to undo" : `Undone: ${undone}`);
      if (undone !== null) this._emit("undone", { ids });
    } catch (error) {
      this._toast.say(`Not undone. ${error.message}`, { isError: true });
    }
  }

  /**
   * Make the buttons for stars, flags and labels of a record.
   * @returns {HTMLElement} they follow changes of the record
   */
  control(record) {
    const { id } = record;
    const rate = (fields) => {
      const now = this._collection.records.get(id);
      const [[name, value]] = Object.entries(fields);
      // Pressed again, a button removes what it set.
      if (now) this.rate(now, now[name] === value ? { [name]: null } : fields);
    };
    const stars = Array.from({ length: MAX_STARS }, (_, index) =>
      element("button", { type: "button", class: "p-star", "aria-label": index === 0 ? "1 star" : `${index + 1} stars`, title: `(${index + 1})`, onclick: () => rate({ stars: index + 1 }) }, icon(STAR)),
    );
    const flag = (name, label, key, path) =>
      element("button", { type: "button", class: `p-flag p-${name}`, "aria-label": label, title: `${label} (${key})`, "data-flag": name, onclick: () => rate({ flag: name }) }, icon(path));
    const labels = LABELS.map((label) =>
      element("button", { type: "button", class: "p-label", "aria-label": `${label} label`, title: `${label} label`, "data-label": label, onclick: () => rate({ label }) }, element("span", { class: "g-dot", "data-label": label })),
    );
    const made = element(
      "div", { class: "p-rating", role: "group", "aria-label": `Your rating of ${nameOf(record)}` },
      element("span", { class: "p-stars" }, ...stars), flag("pick", "Pick", "P", PICK), flag("reject", "Reject", "X", REJECT),
      element("span", { class: "p-labels" }, ...labels),
    );
    this._controls.set(id, made);
    this._show(record);
    return made;
  }

  _show({ id, stars, flag, label }) {
    const control = this._controls.get(id);
    if (!control) return;
    control.querySelectorAll(".p-star").forEach((button, index) => {
      button.classList.toggle("p-lit", index < (stars ?? 0));
      button.setAttribute("aria-pressed", index + 1 === stars);
    });
    for (const button of control.querySelectorAll(".p-flag")) button.setAttribute("aria-pressed", button.dataset.flag === flag);
    for (const button of control.querySelectorAll(".p-label")) button.setAttribute("aria-pressed", button.dataset.label === label);
  }

  _restore({ path, photos, before }) {
    if (path !== "ratings") return;
    const record = this._collection.records.get(this._collection.idOf(photos.id));
    if (!record) return;
    Object.assign(record, before);
    this._changed(record);
  }

  _changed(record) {
    this._show(record);
    this._emit("change", { id: record.id });
  }

  _emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function marksOf(record) {
  return Object.fromEntries(FIELDS.map((field) => [field, record[field] ?? null]));
}
