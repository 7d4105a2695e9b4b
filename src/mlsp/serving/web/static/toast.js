// A message about what has just happened, also for screen readers, with an Undo button.

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

  /** Hide the message, which is out of date. */
  hide() {
    clearTimeout(this._timer);
    this.element.classList.remove("p-shown");
  }

  /** Move into this element: while a dialog is open, nothing outside it can be used or read by screen readers. */
  moveTo(parent) {
    parent.append(this.element);
  }

  _hideLater(wait) {
    this._timer = setTimeout(() => {
      // The pointer or the focus is on it: the user may be about to press Undo.
      if (this.element.matches(":hover, :focus-within")) this._hideLater(wait);
      else this.element.classList.remove("p-shown");
    }, wait);
  }
}
