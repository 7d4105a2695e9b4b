// Filter by rating: two choices in the gallery's filter panel.

import { element } from "./dom.js";

const STARS = [
  ["", "any stars", () => true],
  ["5", "★★★★★", ({ stars }) => stars === 5],
  ["4", "★★★★ and more", ({ stars }) => stars >= 4],
  ["3", "★★★ and more", ({ stars }) => stars >= 3],
  ["2", "★★ and more", ({ stars }) => stars >= 2],
  ["some", "some stars", ({ stars }) => stars !== null],
  ["none", "no stars", ({ stars }) => stars === null],
];
const FLAGS = [
  ["", "picked, rejected or neither", () => true],
  ["pick", "picked", ({ flag }) => flag === "pick"],
  ["not rejected", "not rejected", ({ flag }) => flag !== "reject"],
  ["reject", "rejected", ({ flag }) => flag === "reject"],
  ["neither", "neither picked nor rejected", ({ flag }) => flag === null],
];

export class RatingFilter {
  /** @param {function(?function(object): boolean): void} onchange is given the condition, null where all photos meet it */
  constructor(onchange) {
    this._onchange = onchange;
    this._stars = this._choice("Stars", STARS);
    this._flag = this._choice("Flag", FLAGS);
    this.element = element("fieldset", { class: "g-part" }, element("legend", { text: "Your rating" }), this._stars, this._flag);
  }

  /** Whether the filter hides some photos. */
  get isActive() {
    return this._stars.value !== "" || this._flag.value !== "";
  }

  /** Show all. */
  reset() {
    if (!this.isActive) return;
    this._stars.value = this._flag.value = "";
    this._onchange(null);
  }

  _choice(name, choices) {
    return element("select", { class: "g-input", "aria-label": name, onchange: () => this._changed() }, ...choices.map(([value, text]) => element("option", { value, text })));
  }

  _changed() {
    const [stars, flag] = [[this._stars, STARS], [this._flag, FLAGS]].map(([choice, choices]) => choices.find(([value]) => value === choice.value)[2]);
    this._onchange(this.isActive ? (record) => stars(record) && flag(record) : null);
  }
}
