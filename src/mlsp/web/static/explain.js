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
    this._toast.say(this._place < 0 ? "No heat map" : `What raised and lowered ${this._head}`);
  }

  /** A button for a photo's caption. */
  button() {
    return element("button", { type: "button", class: "p-why", "aria-pressed": this._place >= 0, title: "Why this score? (E)", onclick: () => this.turn(), text: "Why?" });
  }

  get _head() {
    return this._heads[this._place];
  }

  _draw() {
    const { element: viewer } = this._gallery.viewer;
    for (const button of viewer.querySelectorAll(".p-why")) {
      button.setAttribute("aria-pressed", this._place >= 0);
      button.textContent = this._place < 0 ? "Why?" : `Why: ${this._head}`;
    }
    for (const pane of viewer.querySelectorAll(".g-pane")) {
      const old = pane.querySelector(".p-heat");
      const url = this._place < 0 ? "" : `/api/explain/${pane.dataset.id}/${encodeURIComponent(this._head)}`;
      if (old?.getAttribute("src") === url) continue;
      old?.remove();
      if (url) pane.querySelector(".g-frame").append(this._map(url));
    }
  }

  _map(url) {
    const map = element("img", { class: "g-photo p-heat", alt: `Heat map: what raised and lowered ${this._head}`, draggable: "false" });
    map.onerror = async () => {
      map.remove();
      // The picture itself does not tell what went wrong.
      const answer = await fetch(url).then((got) => got.json()).catch(() => ({}));
      this._toast.say(answer.error ?? "The heat map did not come.", { isError: true });
    };
    map.src = url;
    return map;
  }
}
