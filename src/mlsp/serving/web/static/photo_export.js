// Rated photos as files: copies or hard links in a folder, with sidecars, or a list of names.

import { element } from "./dom.js";
import { LABELS } from "./marks.js";
import { amount, photos } from "./records.js";
import { download, get, pause, post } from "./server.js";

const WANTED = [
  ["picked", "picked", ({ flag }) => flag === "pick"],
  ["picked,4+", "picked, or ★★★★ and more", ({ flag, stars }) => flag === "pick" || stars >= 4],
  ["5", "★★★★★", ({ stars }) => stars === 5],
  ["4+", "★★★★ and more", ({ stars }) => stars >= 4],
  ["3+", "★★★ and more", ({ stars }) => stars >= 3],
  ["rejected", "rejected", () => true],
  ...LABELS.map((colour) => [colour, `${colour} label`, ({ label }) => label === colour]),
];
const WAYS = [["copy", "copies"], ["link", "hard links"]];

/** The part of the export dialog about photos. */
export class PhotoExport {
  /**
   * @param {object} options
   * @param {function(function(): Promise<string>): Promise<void>} options.attempt runs an action and shows what it returns, or why it failed
   * @param {function(string[]): void} options.list shows lines
   * @param {function(string): void} options.say shows progress
   */
  constructor({ attempt, list, say }) {
    Object.assign(this, { _attempt: attempt, _list: list, _say: say });
    this._wanted = choice("p-wanted", WANTED);
    this._way = choice("p-way", WAYS);
    this._folder = element("input", { type: "text", class: "g-input p-folder", id: "p-folder", placeholder: "/home/me/best", autocomplete: "off", spellcheck: "false" });
    /** Elements for the dialog. */
    this.parts = [
      element("h3", { text: "Photos into a folder" }),
      element("p", { class: "g-note", text: "With their sidecars, and their raw photos or JPEGs, in the folders that they have here. Nothing is moved or overwritten; what is there already is left. Hard links take no space, and need the same drive." }),
      element("p", { class: "p-row" }, element("label", { for: "p-wanted", text: "Which" }), this._wanted, element("label", { for: "p-way", text: "as" }), this._way),
      element("p", { class: "p-row" }, element("label", { for: "p-folder", text: "Folder" }), this._folder),
      element(
        "p", { class: "p-row" }, element("button", { type: "button", class: "g-button", text: "Put them there", onclick: () => this._place() }),
        element("button", { type: "button", class: "g-button", text: "List of names", onclick: () => this._save() }),
      ),
    ];
  }

  /** Show how many photos each choice means. */
  setRecords(records) {
    WANTED.forEach(([value, text, condition], place) => {
      // Rejected photos come only where they are named.
      const wanted = records.filter((record) => (record.flag === "reject") === (value === "rejected") && condition(record));
      this._wanted.options[place].textContent = `${text} (${amount(wanted.length)})`;
    });
  }

  _save() {
    return this._attempt(async () => `Saved: ${await download(`export/photos.txt?rated=${encodeURIComponent(this._wanted.value)}`)}`);
  }

  _place() {
    return this._attempt(async () => {
      let now = await post("export/photos", { rated: this._wanted.value, folder: this._folder.value.trim(), hard_links: this._way.value === "link" });
      while (now.state === "running") {
        this._say(`${amount(now.done)} of ${amount(now.total)} files …`);
        await pause();
        now = await get("export/photos");
      }
      this._list(now.failed.map(({ photo, error }) => `${photo}: ${error}`));
      if (now.state === "failed") throw new Error(now.message);
      const parts = [`${photos(now.photos)}: ${now.new === 1 ? "1 file" : `${amount(now.new)} files`} put into ${now.folder}`];
      const old = now.done - now.new - now.failed.length;
      if (old > 0) parts.push(`${amount(old)} ${old === 1 ? "was" : "were"} there already`);
      if (now.differing > 0) parts.push(`${amount(now.differing)} of them ${now.differing === 1 ? "is" : "are"} different now, and left as ${now.differing === 1 ? "it is" : "they are"}`);
      if (now.failed.length > 0) parts.push(`${now.failed.length} failed`);
      return parts.join("; ");
    });
  }
}

function choice(id, choices) {
  return element("select", { class: "g-input", id }, ...choices.map(([value, text]) => element("option", { value, text })));
}
