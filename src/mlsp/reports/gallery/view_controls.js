// How the grid shows photos: stacks or all frames, large or small, with or without what is under the pictures.

import { STACK } from "./card.js";
import { element, icon } from "./dom.js";
import { keep, kept } from "./kept.js";
import { amount } from "./records.js";

const PICTURES = "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4";
const MIN_WIDTH = 110;
const MAX_WIDTH = 480;

/** Buttons for stacks and for pictures only, and a slider for the size. */
export class ViewControls {
  /**
   * @param {object} options
   * @param {number} options.width least width of a card, in pixels
   * @param {function(boolean): void} options.onstacks
   * @param {function(boolean): void} options.onpictures
   * @param {function(number): void} options.onwidth
   */
  constructor({ width, onstacks, onpictures, onwidth }) {
    const change = (name, action) => (value) => {
      keep("view", { [name]: value });
      action(value);
    };
    const chosen = { stacks: true, pictures: false, width, ...kept("view") };
    this._actions = { stacks: onstacks, pictures: onpictures, width: onwidth };
    const resize = change("width", onwidth);
    this._stacks = toggle("Stacks", "Stacks, or every photo for itself (S)", STACK, chosen.stacks, change("stacks", onstacks));
    this._stacks.hidden = true;
    this._pictures = toggle("Pictures only", "Pictures only", PICTURES, chosen.pictures, change("pictures", onpictures));
    this._size = element("input", { type: "range", class: "g-size", min: MIN_WIDTH, max: MAX_WIDTH, step: 10, value: chosen.width, "aria-label": "Size of the pictures", title: "Size of the pictures", oninput: () => resize(Number(this._size.value)) });
    this.element = element("div", { class: "g-view" }, this._stacks, this._pictures, this._size);
  }

  /** Apply what was chosen before the page was loaded again. */
  restore() {
    for (const [name, value] of Object.entries(kept("view"))) this._actions[name](value);
  }

  /** @param {number} count of stacks */
  setStacks(count) {
    this._stacks.hidden = count === 0;
    const text = `${amount(count)} ${count === 1 ? "stack" : "stacks"}`;
    this._stacks.lastChild.textContent = text;
    this._stacks.setAttribute("aria-label", text);
  }

  /** Press the button for stacks, where there are some. */
  toggleStacks() {
    if (!this._stacks.hidden) this._stacks.click();
  }
}

function toggle(text, title, path, isOn, action) {
  const press = () => {
    isOn = !isOn;
    made.setAttribute("aria-pressed", String(isOn));
    action(isOn);
  };
  const made = element("button", { type: "button", class: "g-button", "aria-pressed": String(isOn), "aria-label": text, title, onclick: press }, icon(path), element("span", { text }));
  return made;
}
