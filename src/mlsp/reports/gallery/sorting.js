// Order of the photos.

import { element, icon } from "./dom.js";
import { keep, kept } from "./kept.js";
import { isPhoto, sortRecords, timeOf } from "./records.js";

const TURN = "M8 4V20M8 20 4 16M16 20V4M16 4 20 8";

/** A choice of sort keys and a button that reverses the order. */
export class Sorting {
  /**
   * @param {object} options
   * @param {string[]} options.columns names of the scores
   * @param {import("./gallery.js").Sort[]} options.sorts further orders
   * @param {function(any): number} options.pathRank rank of a record by its path
   * @param {function(): void} options.onchange
   */
  constructor({ columns, sorts, pathRank, onchange }) {
    this._onchange = onchange;
    this._pathRank = pathRank;
    this._more = sorts;
    this._choice = element("select", { class: "g-input", "aria-label": "Sort by", onchange: () => this._sortBy(this._choice.value) });
    this._turn = element("button", { type: "button", class: "g-button g-square", onclick: () => this._reverse() }, icon(TURN));
    this.element = element("div", { class: "g-sort" }, element("span", { text: "Sort by", "aria-hidden": "true" }), this._choice, this._turn);
    this.setColumns(columns);
  }

  /** Set the scores to sort by; the order stays if its score is still there. */
  setColumns(columns) {
    this._sorts = [
      { name: "overall", label: "overall", value: (record) => record.overall, isDescending: true },
      ...columns.map((head) => ({ name: `score ${head}`, label: head, value: (record) => record.scores[head]?.[0], isDescending: true })),
      { name: "captured", label: "date", value: timeOf, isDescending: true },
      { name: "photo", label: "name", value: this._pathRank, isDescending: false },
      ...this._more,
    ];
    this._choice.replaceChildren(...this._sorts.map(({ name, label }) => element("option", { value: name, text: label })));
    if (!this._sorts.some(({ name }) => name === this._sort?.name)) {
      const chosen = kept("sorting");
      const known = this._sorts.find(({ name }) => name === chosen.name);
      this._sort = known ? { ...known, isDescending: chosen.isDescending } : this._sorts[0];
    }
    this._choice.value = this._sort.name;
    this._show();
  }

  /** Return the records in the current order, as a new array; what is no photo comes last. */
  sorted(records) {
    const sorted = sortRecords(records, this._sort.value, this._sort.isDescending);
    return [...sorted.filter(isPhoto), ...sorted.filter((record) => !isPhoto(record))];
  }

  _sortBy(name) {
    this._change(this._sorts.find((sort) => sort.name === name));
  }

  _reverse() {
    this._change({ ...this._sort, isDescending: !this._sort.isDescending });
  }

  _change(sort) {
    this._sort = sort;
    keep("sorting", { name: sort.name, isDescending: sort.isDescending });
    this._show();
    this._onchange();
  }

  _show() {
    const words = this._sort.isDescending ? "highest first" : "lowest first";
    this._turn.setAttribute("aria-label", `Now ${words}: turn round`);
    this._turn.title = `Now ${words}: turn round`;
    this._turn.classList.toggle("g-turned", !this._sort.isDescending);
  }
}
