// Ratings into files that other programs read: sidecars beside the photos, or the photos themselves.

import { element } from "./dom.js";
import { amount, photos } from "./records.js";
import { get, pause, post } from "./server.js";

const CONVENTIONS = [["both", "both"], ["photo.jpg.xmp", "photo.jpg.xmp (darktable)"], ["photo.xmp", "photo.xmp (Lightroom)"]];
const KEYWORDS = [["score", "mlsp|score|83: percentile"], ["rank", "mlsp|rank|07: place among the photos here"]];

/** The part of the export dialog about ratings. */
export class SidecarExport {
  /**
   * @param {object} options
   * @param {function(function(): Promise<string>): Promise<void>} options.attempt runs an action and shows what it returns, or why it failed
   * @param {function(string[]): void} options.list shows lines
   * @param {function(string): void} options.say shows progress
   */
  constructor({ attempt, list, say }) {
    Object.assign(this, { _attempt: attempt, _list: list, _say: say });
    this._convention = element("select", { class: "g-input", id: "p-convention" }, ...CONVENTIONS.map(([value, text]) => element("option", { value, text })));
    this._becomes = element("input", { type: "text", class: "g-input p-folder", id: "p-becomes", placeholder: "5=5+pick,4=green,1=reject", autocomplete: "off", autocapitalize: "off", spellcheck: "false", "aria-describedby": "p-becomes-note" });
    this._inside = checkbox("p-inside");
    this._overwrite = checkbox("p-overwrite");
    this._keywords = KEYWORDS.map(([kind]) => [kind, checkbox(`p-keyword-${kind}`)]);
    this._takeBack = element("button", { type: "button", class: "g-button", text: "Take back", hidden: true, onclick: () => this._undo() });
    const marks = element(
      "details", { class: "p-more" },
      element("summary", { text: "Other marks for stars, and keywords" }),
      element("p", { class: "p-row" }, element("label", { for: "p-becomes", text: "Stars become" }), this._becomes),
      element("p", { class: "g-note", id: "p-becomes-note", text: "For a number of stars what is written instead: other stars, pick, reject, red, yellow, green, blue, purple, joined by +, or none. Your own flags and labels stay, and so does what you see here." }),
      element("div", { role: "group", "aria-labelledby": "p-keywords-title" }, element("p", { id: "p-keywords-title", text: "Keywords for all photos:" }), ...KEYWORDS.map(([, text], number) => tick(this._keywords[number][1], text))),
    );
    /** Elements for the dialog. */
    this.parts = [
      element("h3", { text: "Ratings for other programs" }),
      element("p", { class: "g-note", text: "Writes your stars, −1 for rejected, picks and colour labels into XMP sidecar files beside the photos. The photos are not changed unless you choose so, and everything else in a file stays. “Take back” undoes it, and in a terminal, later too, mlsp stars undo." }),
      element("p", { class: "g-note", text: "darktable and Immich read photo.jpg.xmp; digiKam too, where Settings › Metadata › Sidecars › “Read from sidecar files” is on. Lightroom and Camera Raw read photo.xmp, of RAW photos only; of JPEG, PNG, TIFF and DNG they read what is inside." }),
      element("p", { class: "p-row" }, element("label", { for: "p-convention", text: "Files" }), this._convention),
      tick(this._inside, "into the photos themselves: JPEG, PNG, TIFF, DNG, HEIC, AVIF. Other RAW photos get sidecars"),
      tick(this._overwrite, "also where a file has another rating, and nobody knows which is newer"),
      marks,
      element("p", { class: "p-row" }, element("button", { type: "button", class: "g-button", text: "Write ratings", onclick: () => this._write() }), this._takeBack),
    ];
  }

  /** Offer to take back what was written last. */
  offerTakeBack() {
    this._takeBack.hidden = false;
  }

  async _write() {
    await this._attempt(async () => {
      const keywords = this._keywords.filter(([, box]) => box.checked).map(([kind]) => kind);
      const wanted = { overwrite: this._overwrite.checked, convention: this._convention.value, becomes: this._becomes.value.trim(), keywords, inside: this._inside.checked };
      const { written, files, tagged, kept, failed } = await this._tell(post("export/xmp", wanted)).catch((error) => {
        // Some files may be written already.
        this.offerTakeBack();
        throw error;
      });
      this._list([...kept.map((photo) => `${photo}: kept its rating`), ...failed.map(({ photo, error }) => `${photo}: ${error}`)]);
      const parts = [`Wrote the rating of ${photos(written)} into ${files === 1 ? "1 file" : `${files} files`}`];
      if (keywords.length > 0) parts.push(`keywords of ${photos(tagged)}`);
      if (kept.length > 0) parts.push(`${kept.length} kept another rating`);
      if (failed.length > 0) parts.push(`${failed.length} failed`);
      if (files + tagged > 0) this.offerTakeBack();
      return parts.join("; ");
    });
  }

  /** Say how far writing is until the server has answered; nothing of it replaces what is said then. */
  async _tell(answer) {
    let isOver = false;
    const ask = async () => {
      for (await pause(); !isOver; await pause()) {
        const { done, total } = await get("export/xmp");
        if (!isOver && total > 0) this._say(`Writing: ${amount(done)} of ${amount(total)} …`);
      }
    };
    // Where it cannot be asked, the answer says why.
    ask().catch(() => {});
    try {
      return await answer;
    } finally {
      isOver = true;
    }
  }

  async _undo() {
    await this._attempt(async () => {
      const { restored, removed, left } = await post("export/undo");
      this._list(left);
      this._takeBack.hidden = left.length === 0;
      const parts = [];
      if (restored > 0) parts.push(restored === 1 ? "1 file is as it was" : `${amount(restored)} files are as they were`);
      if (removed > 0) parts.push(`${amount(removed)} that had been made ${removed === 1 ? "is" : "are"} removed`);
      if (left.length > 0) parts.push(`${amount(left.length)} left as they are`);
      return `Taken back: ${parts.join("; ") || "nothing"}`;
    });
  }
}

function checkbox(id) {
  return element("input", { type: "checkbox", id });
}

function tick(box, text) {
  return element("p", { class: "p-tick" }, box, element("label", { for: box.id, text }));
}
