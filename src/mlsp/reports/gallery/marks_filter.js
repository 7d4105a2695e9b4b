// Filter by marks: choices of stars, flag and colour label in the filter panel, each with the number of photos.

import { element } from "./dom.js";
import { LABELS } from "./marks.js";
import { amount } from "./records.js";

const STARS = [
  ["", "any stars", () => true],
  ["5", "★★★★★", ({ stars }) => stars === 5],
  ["4", "★★★★ and more", ({ stars }) => stars >= 4],
  ["3", "★★★ and more", ({ stars }) => stars >= 3],
  ["2", "★★ and more", ({ stars }) => stars >= 2],
  ["some", "some stars", ({ stars }) => Boolean(stars)],
  ["none", "no stars", ({ stars }) => !stars],
];
const FLAGS = [
  ["", "picked, rejected or neither", () => true],
  ["pick", "picked", ({ flag }) => flag === "pick"],
  ["not rejected", "not rejected", ({ flag }) => flag !== "reject"],
  ["reject", "rejected", ({ flag }) => flag === "reject"],
  ["neither", "neither picked nor rejected", ({ flag }) => !flag],
];
const COLOURS = [
  ["", "any label", () => true],
  ...LABELS.map((colour) => [colour, colour, ({ label }) => label === colour]),
  ["none", "no label", ({ label }) => !label],
];

export class MarksFilter {
  /** @param {function(?function(object): boolean): void} onchange is given the condition, null where all photos meet it */
  constructor(onchange) {
    this._onchange = onchange;
    this._parts = [["Stars", STARS], ["Flag", FLAGS], ["Label", COLOURS]].map(([name, choices]) => ({
      choices,
      select: element("select", { class: "g-input", "aria-label": name, onchange: () => this._changed() }, ...choices.map(([value, text]) => element("option", { value, text }))),
    }));
    this.element = element("fieldset", { class: "g-part" }, element("legend", { text: "Rating" }), ...this._parts.map(({ select }) => select));
  }

  /** Show how many photos each choice would show. */
  setRecords(records) {
    for (const { choices, select } of this._parts) {
      choices.forEach(([value, text, condition], place) => {
        select.options[place].textContent = value === "" ? text : `${text} (${amount(records.filter(condition).length)})`;
      });
    }
  }

  /** Whether the filter hides some photos. */
  get isActive() {
    return this._parts.some(({ select }) => select.value !== "");
  }

  /** Show all. */
  reset() {
    if (!this.isActive) return;
    for (const { select } of this._parts) select.value = "";
    this._onchange(null);
  }

  _changed() {
    const conditions = this._parts.map(({ choices, select }) => choices.find(([value]) => value === select.value)[2]);
    this._onchange(this.isActive ? (record) => conditions.every((condition) => condition(record)) : null);
  }
}
