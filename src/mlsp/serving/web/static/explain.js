// Why a score: a heat map over the photo full-screen, of one score after another.

import { element } from "./dom.js";

export class Explain {
  /**
   * @param {object} options
   * @param {string[]} options.heads names of the scores that can be explained
   * @param {import("./gallery.js").Gallery} options.gallery
   * @param {import("./toast.js").Toast} options.toast
   */
  constructor({ heads, gallery, toast }) {
    Object.assign(this, { _heads: heads, _gallery: gallery, _toast: toast });
    this._place = -1;
    gallery.addEventListener("activechange", () => { if (this._place >= 0) this._draw(); });
    gallery.addEventListener("close", () => { this._place = -1; });
  }

  /** On to the map of the next score, or to none after the last. */
  turn() {
    if (!this._gallery.viewer.isOpen) return;
    this._place = this._place + 1 < this._heads.length ? this._place + 1 : -1;
    this._draw();
    this._toast.say(this._place < 0 ? "No heat map" : `Working out what raised and lowered ${this._head} …`);
  }

  /** A button for a photo's caption. */
  button() {
    return element("button", { type: "button", class: "p-why", "aria-pressed": this._place >= 0, title: "Why this score? (E)", onclick: () => this.turn() }, "Why", element("span", { text: this._place < 0 ? "?" : `: ${this._head}` }));
  }

  get _head() {
    return this._heads[this._place];
  }

  _draw() {
    const { element: viewer } = this._gallery.viewer;
    for (const button of viewer.querySelectorAll(".p-why")) {
      button.setAttribute("aria-pressed", this._place >= 0);
      button.lastChild.textContent = this._place < 0 ? "?" : `: ${this._head}`;
    }
    for (const pane of viewer.querySelectorAll(".g-pane")) {
      const url = this._place < 0 ? "" : `/api/explain/${pane.dataset.id}/${encodeURIComponent(this._head)}`;
      if ((pane.dataset.heat ?? "") === url) continue;
      pane.dataset.heat = url;
      pane.querySelector(".p-heat")?.remove();
      if (url) this._load(pane, url);
    }
  }

  /** Put a map over a photo when it is there: working it out takes a second or two, and the photo stays in sight meanwhile. */
  _load(pane, url) {
    const map = element("img", { class: "g-photo p-heat", alt: `Heat map: what raised and lowered ${this._head}`, draggable: "false" });
    map.onload = () => {
      if (pane.dataset.heat !== url) return;
      pane.querySelector(".g-frame").append(map);
      this._toast.say(`What raised and lowered ${this._head}`);
    };
    map.onerror = async () => {
      // The picture itself does not tell what went wrong.
      const answer = await fetch(url).then((got) => got.json()).catch(() => ({}));
      this._toast.say(answer.error ?? "The heat map did not come.", { isError: true });
    };
    map.src = url;
  }
}
