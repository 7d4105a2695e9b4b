// The user's rating of a photo: stars, flag and label, by keys and buttons, with undo. Shown at once; the outbox sends it.

import { element, icon } from "./dom.js";
import { LABELS, PICK, REJECT, marksWords } from "./marks.js";
import { nameOf, photos } from "./records.js";
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
  ["K", "of a stack: pick this frame, reject the rest; with Shift, then on to the next"],
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
    outbox.addEventListener("sent", ({ detail: { answer } }) => {
      for (const { id } of answer.ratings ?? []) collection.settle(id, answer.revision);
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
    for (const { ratings = [] } of this._outbox.waiting) {
      for (const { photo, fields } of ratings) Object.assign(byPhoto.get(photo) ?? {}, fields);
    }
    for (const record of records) this._show(record);
  }

  /**
   * Rate photos alike; undone together.
   * @param {object[]} records
   * @param {{stars?: ?number, flag?: ?string, label?: ?string}} fields those left out stay
   */
  rate(records, fields) {
    this._give(records.map((record) => [record, fields]), (changed, after) => {
      const what = records.length === 1 ? nameOf(records[0]) : photos(changed);
      if (changed === 0) return `${records.length === 1 ? what : photos(records.length)}: ${marksWords(after) || "not rated"} already`;
      return `${what}: ${marksWords(records.length === 1 ? after : fields) || "rating removed"}`;
    });
  }

  /**
   * Pick one frame of a stack, and reject the rest; undone together.
   * @param {object} kept
   * @param {object[]} frames of its stack
   */
  keep(kept, frames) {
    // A copy to the byte has the rating of its original.
    const rest = frames.filter(({ version }) => version !== kept.version);
    this._give([...rest.map((record) => [record, { flag: "reject" }]), [kept, { flag: "pick" }]], (changed) =>
      `${nameOf(kept)} picked, ${rest.length} rejected${changed === 0 ? " already" : ""}`,
    );
  }

  /**
   * Rate by a key.
   * @param {object[]} records all of them alike
   * @returns {boolean} whether the key rates
   */
  key(event, records) {
    if (records.length === 0 || event.ctrlKey || event.metaKey || event.altKey) return false;
    // With Shift, the row of digits gives other characters, which differ by keyboard.
    const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1] ?? (/^[0-9]$/.test(event.key) ? event.key : null);
    const letter = event.key.toLowerCase();
    const label = LABEL_KEYS[digit];
    if (label) this.toggle(records, { label });
    else if (digit !== null) this.rate(records, { stars: Number(digit) || null });
    else if (letter === "p") this.rate(records, { flag: "pick" });
    else if (letter === "x") this.rate(records, { flag: "reject" });
    else if (letter === "u") this.rate(records, records.some((record) => this.of(record).flag !== null) ? { flag: null } : { stars: null });
    else return false;
    if (event.shiftKey) this._onnext();
    return true;
  }

  /** Rate photos alike; what all of them have already is removed. */
  toggle(records, fields) {
    const [[name, value]] = Object.entries(fields);
    this.rate(records, records.every((record) => this.of(record)[name] === value) ? { [name]: null } : fields);
  }

  /** Undo the last ratings or comparison, whichever view they were given in. Calls run one after another. */
  undo() {
    this._undoing = this._undoing.then(() => this._undo());
    return this._undoing;
  }

  async _undo() {
    const entry = await this._outbox.takeLast();
    if (entry !== null) {
      this._restore(entry);
      this._toast.say(`Undone: ${entry.words}`);
      const { ratings, comparison } = entry;
      const paths = ratings ? ratings.map(({ photo }) => photo) : Object.values(comparison);
      this._emit("undone", { ids: paths.map((photo) => this._collection.idOf(photo)), isComparison: !ratings });
      return;
    }
    try {
      const { undone, ids, is_comparison: isComparison } = await post("undo");
      await this._collection.ask();
      this._toast.say(undone === null ? "Nothing to undo" : `Undone: ${undone}`);
      if (undone !== null) this._emit("undone", { ids, isComparison });
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
    const made = this.buttons(`Your rating of ${nameOf(record)}`, () => [this._collection.records.get(id)].filter(Boolean));
    this._controls.set(id, made);
    this._show(record);
    return made;
  }

  /**
   * Make buttons that rate photos alike; pressed again, a button removes what it set.
   * @param {string} label for screen readers
   * @param {function(): object[]} records the photos at that time
   */
  buttons(label, records) {
    const rate = (fields) => this.toggle(records(), fields);
    const stars = Array.from({ length: MAX_STARS }, (_, index) =>
      element("button", { type: "button", class: "p-star", "aria-label": index === 0 ? "1 star" : `${index + 1} stars`, title: `(${index + 1})`, onclick: () => rate({ stars: index + 1 }) }, icon(STAR)),
    );
    const flag = (name, words, key, path) =>
      element("button", { type: "button", class: `p-flag p-${name}`, "aria-label": words, title: `${words} (${key})`, "data-flag": name, onclick: () => rate({ flag: name }) }, icon(path));
    const labels = LABELS.map((colour) =>
      element("button", { type: "button", class: "p-label", "aria-label": `${colour} label`, title: `${colour} label`, "data-label": colour, onclick: () => rate({ label: colour }) }, element("span", { class: "g-dot", "data-label": colour })),
    );
    return element(
      "div", { class: "p-rating", role: "group", "aria-label": label },
      element("span", { class: "p-stars" }, ...stars), flag("pick", "Pick", "P", PICK), flag("reject", "Reject", "X", REJECT),
      element("span", { class: "p-labels" }, ...labels),
    );
  }

  /**
   * Give ratings together.
   * @param {Array<[object, object]>} given each photo with its fields
   * @param {function(number, object): string} words from the number of photos that change, and the last one's rating
   */
  _give(given, words) {
    const ratings = [];
    let after = {};
    for (const [{ id }, fields] of given) {
      const record = this._collection.records.get(id);
      if (!record) continue;
      const before = marksOf(record);
      after = { ...before, ...fields };
      if (FIELDS.every((field) => after[field] === before[field])) continue;
      ratings.push({ photo: record.photo, fields, before });
      Object.assign(record, fields);
      this._changed(record);
    }
    const text = words(ratings.length, after);
    this._toast.say(text, { canUndo: ratings.length > 0 });
    if (ratings.length > 0) this._outbox.add({ path: "ratings", ratings, words: text });
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

  _restore({ ratings = [] }) {
    for (const { photo, before } of ratings) {
      const record = this._collection.records.get(this._collection.idOf(photo));
      if (!record) continue;
      Object.assign(record, before);
      this._changed(record);
    }
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
