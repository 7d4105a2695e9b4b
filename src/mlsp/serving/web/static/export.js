// Export of ratings: tables to save, and marks in sidecar files beside the photos.

import { element } from "./dom.js";
import { PhotoExport } from "./photo_export.js";
import { photos } from "./records.js";
import { download, post } from "./server.js";

const TABLES = [
  ["export.csv", "Rated photos", "stars, flags and scores of the photos that you have rated"],
  ["export.csv?all=true", "All photos", "the same for all photos, rated or not"],
  ["comparisons.csv", "Comparisons", "which of two photos you found better"],
];
const CONVENTIONS = [["both", "both"], ["photo.jpg.xmp", "photo.jpg.xmp (darktable)"], ["photo.xmp", "photo.xmp (Lightroom)"]];

export class Export {
  /**
   * @param {object} options
   * @param {import("./outbox.js").Outbox} options.outbox
   * @param {boolean} options.canWriteXmp
   */
  constructor({ outbox, canWriteXmp }) {
    this._outbox = outbox;
    this._status = element("p", { class: "p-said", role: "status" });
    this._list = element("ul", { class: "p-kept" });
    this._photos = new PhotoExport({ attempt: (action) => this._try(action), list: (lines) => this._showList(lines), say: (text) => { this._status.textContent = text; } });
    const tables = TABLES.map(([path, name, content]) =>
      element("div", { class: "p-export" }, element("button", { type: "button", class: "g-button", text: `${name} (CSV)`, onclick: () => this._save(path) }), element("span", { class: "g-note", text: content })),
    );
    this.element = element(
      "dialog", { class: "g-help p-dialog", "aria-labelledby": "p-export-title" },
      element("h2", { id: "p-export-title", text: "Export" }), ...tables, ...this._photos.parts, ...(canWriteXmp ? this._sidecars() : []), this._status, this._list,
      element("p", { class: "p-row" }, element("button", { type: "button", class: "g-button p-strong", text: "Close", onclick: () => this.element.close() })),
    );
  }

  open() {
    this._status.textContent = "";
    this._list.replaceChildren();
    this.element.showModal();
  }

  _sidecars() {
    this._convention = element("select", { class: "g-input", id: "p-convention" }, ...CONVENTIONS.map(([value, text]) => element("option", { value, text })));
    this._takeBack = element("button", { type: "button", class: "g-button", text: "Take back", hidden: true, onclick: () => this._undo() });
    this._overwrite = element("input", { type: "checkbox", id: "p-overwrite" });
    return [
      element("h3", { text: "Ratings for other programs" }),
      element("p", { class: "g-note", text: "Writes your stars, −1 for rejected, picks and colour labels into XMP sidecar files beside the photos. The photos are not changed, and everything else in a sidecar stays. “Take back” undoes it." }),
      element("p", { class: "g-note", text: "darktable and Immich read photo.jpg.xmp; digiKam too, where Settings › Metadata › Sidecars › “Read from sidecar files” is on. Lightroom and Camera Raw read photo.xmp, of RAW photos only." }),
      element("p", { class: "p-row" }, element("label", { for: "p-convention", text: "Files" }), this._convention),
      element("p", { class: "p-tick" }, this._overwrite, element("label", { for: "p-overwrite", text: "also where a sidecar has another rating, and nobody knows which is newer" })),
      element("p", { class: "p-row" }, element("button", { type: "button", class: "g-button", text: "Write sidecars", onclick: () => this._write() }), this._takeBack),
    ];
  }

  async _save(path) {
    await this._try(async () => `Saved: ${await download(path)}`);
  }

  async _write() {
    await this._try(async () => {
      const { written, files, kept, failed } = await post("export/xmp", { overwrite: this._overwrite.checked, convention: this._convention.value });
      const lines = [...kept.map((photo) => `${photo}: kept its rating`), ...failed.map(({ photo, error }) => `${photo}: ${error}`)];
      this._showList(lines);
      const parts = [`Wrote the rating of ${photos(written)} into ${files === 1 ? "1 file" : `${files} files`}`];
      if (kept.length > 0) parts.push(`${kept.length} kept another rating`);
      if (failed.length > 0) parts.push(`${failed.length} failed`);
      if (files > 0) this._takeBack.hidden = false;
      return parts.join("; ");
    });
  }

  async _undo() {
    await this._try(async () => {
      const { restored, removed, left } = await post("export/undo");
      this._showList(left);
      this._takeBack.hidden = true;
      const parts = [`Taken back: ${restored} sidecars are as they were, ${removed} removed`];
      if (left.length > 0) parts.push(`${left.length} left as they are`);
      return parts.join("; ");
    });
  }

  _showList(lines) {
    this._list.replaceChildren(...lines.map((text) => element("li", { text })));
  }

  async _try(action) {
    this._status.textContent = "…";
    this._status.classList.remove("p-bad");
    this._list.replaceChildren();
    try {
      await this._outbox.send();
      this._status.textContent = await action();
    } catch (error) {
      this._status.textContent = error.message;
      this._status.classList.add("p-bad");
    }
  }
}
