// The filmstrip under a photo full-screen: the frames of its stack.

import { element } from "./dom.js";
import { nameOf } from "./records.js";
import { isSuggested, rankWords, stackWords } from "./stacks.js";

/** Shows the frames of one stack at a time; hidden where a photo stands alone. */
export class Filmstrip {
  /**
   * @param {object} options
   * @param {function(any): (string|Promise<string>)} options.load URL of a record's small picture
   * @param {function(any): ?Node} options.badge what the host shows on a photo, such as its stars
   * @param {function(any, any[]): ?Node} options.tools the host's buttons for a stack, given the active frame and all
   * @param {function(any): void} options.onchoose
   */
  constructor({ load, badge, tools, onchoose }) {
    Object.assign(this, { _load: load, _badge: badge, _tools: tools, _onchoose: onchoose });
    this._frames = [];
    this._strip = element("div", { class: "g-frames", role: "group" });
    this._head = element("div", { class: "g-strip-head" });
    this.element = element("div", { class: "g-filmstrip", hidden: true }, this._head, this._strip);
  }

  /**
   * @param {any[]} frames of a stack, the best first
   * @param {any} active one of them
   */
  show(frames, active) {
    this.element.hidden = frames.length < 2;
    if (frames.length < 2) return;
    if (String(frames.map(({ id }) => id)) !== String(this._frames.map(({ id }) => id))) this._strip.replaceChildren(...frames.map((frame) => this._frame(frame)));
    this._frames = frames;
    this._strip.setAttribute("aria-label", stackWords(frames));
    [...this._strip.children].forEach((button, place) => this._mark(button, frames[place], frames[place].id === active.id));
    const head = `${active.id} ${rankWords(active)} ${stackWords(frames)}`;
    // Redrawn, a button would lose the focus.
    if (head === this._head.dataset.of) return;
    this._head.dataset.of = head;
    this._head.replaceChildren(...[element("span", { class: "g-strip-title", text: stackWords(frames) }), element("span", { class: "g-reason", text: rankWords(active) }), this._tools(active, frames)].filter(Boolean));
  }

  _frame(frame) {
    const picture = element("img", { alt: "", draggable: "false" });
    Promise.resolve(this._load(frame)).then((url) => { if (url) picture.src = url; });
    return element("button", { type: "button", class: "g-strip-frame", onclick: () => this._onchoose(this._frames.find(({ id }) => id === frame.id)) }, picture, element("span", { class: "g-strip-best", text: "best", hidden: true }), element("span", { class: "g-badge" }));
  }

  _mark(button, frame, isActive) {
    const name = [nameOf(frame), rankWords(frame)].filter(Boolean).join(": ");
    button.setAttribute("aria-label", name);
    button.title = name;
    button.setAttribute("aria-current", isActive);
    button.querySelector(".g-strip-best").hidden = !isSuggested(frame);
    button.querySelector(".g-badge").replaceChildren(...[this._badge(frame)].filter(Boolean));
    if (isActive) button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}
