// One line of what has just happened, seen and read out, with a button that takes it back.

import { element } from "./dom.js";

const SHOWN_MS = 6000;

export class Toast {
  /** @param {function(): void} onundo */
  constructor(onundo) {
    this._text = element("p", { role: "status", "aria-live": "polite" });
    this._undo = element("button", { type: "button", text: "Undo", title: "Undo (Ctrl+Z)", onclick: onundo, hidden: true });
    this.element = element("div", { class: "p-toast" }, this._text, this._undo);
    this._timer = 0;
    document.body.append(this.element);
  }

  /**
   * @param {string} text
   * @param {object} [options]
   * @param {boolean} [options.canUndo]
   * @param {boolean} [options.isError]
   */
  say(text, { canUndo = false, isError = false } = {}) {
    clearTimeout(this._timer);
    this._text.textContent = text;
    this._undo.hidden = !canUndo;
    this.element.classList.toggle("p-error", isError);
    this.element.classList.add("p-shown");
    this._hideLater(isError ? 2 * SHOWN_MS : SHOWN_MS);
  }

  /** What was said is of no use any more. */
  hide() {
    clearTimeout(this._timer);
    this.element.classList.remove("p-shown");
  }

  /** Stand in this element: what is outside of an open dialog can be neither used nor read out. */
  moveTo(parent) {
    parent.append(this.element);
  }

  _hideLater(wait) {
    this._timer = setTimeout(() => {
      // Whoever is on the button, or about to press it, gets more time.
      if (this.element.matches(":hover, :focus-within")) this._hideLater(wait);
      else this.element.classList.remove("p-shown");
    }, wait);
  }
}
