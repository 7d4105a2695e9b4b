// What is done with several photos at once: rating the chosen ones, keeping one frame of a stack.

import { element } from "./dom.js";
import { photos } from "./records.js";
import { ownFrames } from "./stacks.js";

export class Batch {
  /**
   * @param {object} options
   * @param {import("./gallery.js").Gallery} options.gallery
   * @param {import("./rating.js").Rating} options.rating
   * @param {import("./toast.js").Toast} options.toast
   */
  constructor({ gallery, rating, toast }) {
    Object.assign(this, { _gallery: gallery, _rating: rating, _toast: toast });
    this._count = element("span", { class: "p-chosen-count" });
    const none = element("button", { type: "button", class: "g-button", text: "Choose none", onclick: () => gallery.selectNone() });
    this.element = element("div", { class: "p-batch", role: "region", "aria-label": "Chosen photos", hidden: true }, this._count, rating.buttons("Rating of the chosen photos", () => gallery.selected), none);
    gallery.addEventListener("selectionchange", ({ detail: { records } }) => {
      this.element.hidden = records.length === 0;
      this._count.textContent = `${photos(records.length)} chosen`;
    });
  }

  /** @returns {object[]} the photos that a key rates: all chosen ones where the active one is among them, or where none is active */
  targets(record) {
    const { selected, viewer } = this._gallery;
    const areChosen = !viewer.isOpen && (!record || selected.some(({ id }) => id === record.id));
    return areChosen ? selected : [record].filter(Boolean);
  }

  /** Pick a frame of a stack and reject the rest. */
  keep(record) {
    if (!record) {
      this._toast.say("No photo is active: go to one by the arrow keys");
      return;
    }
    const frames = this._gallery.stacks.frames(record);
    if (frames.length < 2) this._toast.say("No stack: nothing is rejected");
    else if (record.stack.kind !== "burst") this._toast.say(`${record.stack.kind === "copies" ? "Copies" : `The shots of a ${record.stack.kind}`} do not compete: nothing is rejected`);
    else this._rating.keep(record, ownFrames(frames));
  }

  /** @returns {?HTMLElement} the button for the filmstrip of a burst */
  keepButton(record, frames) {
    if (record.stack.kind !== "burst") return null;
    const text = frames[0].id === record.id ? "Keep the best, reject the rest" : "Keep this, reject the rest";
    return element("button", { type: "button", class: "p-keep", text, title: `${text} (K)`, onclick: () => this.keep(record) });
  }
}
