// The bar above the grid: heading, count, and buttons.

import { element, icon } from "./dom.js";

const COMPARE = "M4 5H10.5V19H4ZM13.5 5H20V19H13.5Z";
const FILTER = "M4 6H20M7 12H17M10 18H14";

/** Heading, number of photos, and the buttons of the gallery. */
export class Bar {
  /**
   * @param {object} options
   * @param {string} options.title
   * @param {Node[]} options.parts what stands between the buttons for filters and for comparing
   * @param {HTMLElement} options.side the panel that the button for filters opens where the page is narrow
   * @param {number} options.most photos that are compared at most
   * @param {function(): void} options.oncompare
   * @param {function(): void} options.onhelp
   */
  constructor({ title, parts, side, most, oncompare, onhelp }) {
    Object.assign(this, { _side: side, _most: most });
    this._count = element("span", { class: "g-count" });
    this._toggle = element(
      "button", { type: "button", class: "g-button g-toggle", "aria-expanded": "false", "aria-controls": side.id, onclick: () => this._toggleSide() },
      icon(FILTER), element("span", { text: "Filter" }),
    );
    this._compare = element("button", { type: "button", class: "g-button g-main", title: "Compare (C)", onclick: oncompare }, icon(COMPARE), element("span", { text: "Compare" }));
    const help = element("button", { type: "button", class: "g-button g-square g-help-button", "aria-label": "Keys", title: "Keys (?)", text: "?", onclick: onhelp });
    this.element = element(
      "header", { class: "g-bar" }, element("div", { class: "g-title" }, element("h1", { text: title }), this._count),
      element("div", { class: "g-tools" }, this._toggle, ...parts, this._compare, help),
    );
  }

  /** Pixels at the window's top that the bar covers. */
  get bottom() {
    return this.element.getBoundingClientRect().bottom;
  }

  /** Show how many photos there are, and whether filters hide some. */
  setCount(text, isFiltered) {
    this._count.textContent = text;
    this._toggle.classList.toggle("g-on", isFiltered);
  }

  /** Show how many photos are chosen. */
  setChosen(count) {
    this._compare.lastChild.textContent = count > 0 ? `Compare ${Math.min(count, this._most)}` : "Compare";
    this._compare.title = count > this._most ? `Compare the first ${this._most} that were chosen (C)` : "Compare (C)";
    this._compare.classList.toggle("g-on", count > 1);
  }

  /** Open the panel of filters where it is closed. */
  openSide() {
    if (getComputedStyle(this._side).display === "none") this._toggleSide();
  }

  _toggleSide() {
    this._toggle.setAttribute("aria-expanded", this._side.classList.toggle("g-open"));
  }
}
