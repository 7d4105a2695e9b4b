// Heat maps that explain a score, over the full-screen photo; one for each score in turn.

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
    this._index = -1;
    gallery.addEventListener("activechange", () => { if (this._index >= 0) this._draw(); });
    gallery.addEventListener("close", () => { this._index = -1; });
  }

  /** Show the map of the next score; after the last, none. */
  turn() {
    if (!this._gallery.viewer.isOpen) return;
    this._index = this._index + 1 < this._heads.length ? this._index + 1 : -1;
    this._draw();
    this._toast.say(this._index < 0 ? "No heat map" : `Computing what raised and lowered ${this._head} …`);
  }

  /** Return the button for a photo's caption. */
  button() {
    return element("button", { type: "button", class: "p-why", "aria-pressed": this._index >= 0, title: "Why this score? (E)", onclick: () => this.turn() }, "Why", element("span", { text: this._index < 0 ? "?" : `: ${this._head}` }));
  }

  get _head() {
    return this._heads[this._index];
  }

  _draw() {
    const { element: viewer } = this._gallery.viewer;
    for (const button of viewer.querySelectorAll(".p-why")) {
      button.setAttribute("aria-pressed", this._index >= 0);
      button.lastChild.textContent = this._index < 0 ? "?" : `: ${this._head}`;
    }
    for (const pane of viewer.querySelectorAll(".g-pane")) {
      const url = this._index < 0 ? "" : `/api/explain/${pane.dataset.id}/${encodeURIComponent(this._head)}`;
      if ((pane.dataset.heat ?? "") === url) continue;
      pane.dataset.heat = url;
      pane.querySelector(".p-heat")?.remove();
      if (url) this._load(pane, url);
    }
  }

  /** Put a map over a photo once it has loaded. Computing it takes a second or two; the photo stays visible. */
  _load(pane, url) {
    const map = element("img", { class: "g-photo p-heat", alt: `Heat map: what raised and lowered ${this._head}`, draggable: "false" });
    map.onload = () => {
      if (pane.dataset.heat !== url) return;
      pane.querySelector(".g-frame").append(map);
      this._toast.say(`What raised and lowered ${this._head}`);
    };
    map.onerror = async () => {
      // An image element does not tell why loading failed.
      const answer = await fetch(url).then((got) => got.json()).catch(() => ({}));
      this._toast.say(`Not explained. ${answer.error ?? "The heat map could not be loaded."}`, { isError: true });
    };
    // Browsers show an image of a known address without asking, but the photo or the model may have changed.
    map.src = `${url}?at=${Date.now()}`;
  }
}
