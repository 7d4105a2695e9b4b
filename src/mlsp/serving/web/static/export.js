// The export dialog: tables to save, photos into a folder, and ratings into files that other programs read.

import { element } from "./dom.js";
import { PhotoExport } from "./photo_export.js";
import { download } from "./server.js";
import { SidecarExport } from "./sidecar_export.js";

const TABLES = [
  ["export.csv", "Rated photos", "stars, flags and scores of the photos that you have rated"],
  ["export.csv?all=true", "All photos", "the same for all photos, rated or not"],
  ["comparisons.csv", "Comparisons", "which of two photos you found better"],
];

export class Export {
  /**
   * @param {object} options
   * @param {import("./outbox.js").Outbox} options.outbox
   */
  constructor({ outbox }) {
    this._outbox = outbox;
    this._status = element("p", { class: "p-said", role: "status" });
    this._list = element("ul", { class: "p-kept" });
    const shared = { attempt: (action) => this._try(action), list: (lines) => this._showList(lines), say: (text) => this._say(text) };
    this._photos = new PhotoExport(shared);
    this._sidecars = new SidecarExport(shared);
    const tables = TABLES.map(([path, name, content]) =>
      element("div", { class: "p-export" }, element("button", { type: "button", class: "g-button", text: `${name} (CSV)`, onclick: () => this._save(path) }), element("span", { class: "g-note", text: content })),
    );
    this.element = element(
      "dialog", { class: "g-help p-dialog", "aria-labelledby": "p-export-title" },
      element("h2", { id: "p-export-title", text: "Export" }), ...tables, ...this._photos.parts, ...this._sidecars.parts, this._status, this._list,
      element("p", { class: "p-row" }, element("button", { type: "button", class: "g-button p-strong", text: "Close", onclick: () => this.element.close() })),
    );
  }

  /**
   * @param {object[]} records all photos
   * @param {boolean} canTakeBack whether the server can take back an export of before, when this page was not open
   */
  open(records, canTakeBack) {
    this._photos.setRecords(records);
    if (canTakeBack) this._sidecars.offerTakeBack();
    this._status.textContent = "";
    this._list.replaceChildren();
    this.element.showModal();
  }

  async _save(path) {
    await this._try(async () => `Saved: ${await download(path)}`);
  }

  _showList(lines) {
    this._list.replaceChildren(...lines.map((text) => element("li", { text })));
  }

  _say(text) {
    this._status.textContent = text;
    // The dialog may be longer than the window.
    this._status.scrollIntoView({ block: "nearest" });
  }

  async _try(action) {
    this._say("…");
    this._status.classList.remove("p-bad");
    this._list.replaceChildren();
    try {
      await this._outbox.send();
      this._say(await action());
    } catch (error) {
      this._say(error.message);
      this._status.classList.add("p-bad");
    }
  }
}
