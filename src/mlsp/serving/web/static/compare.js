// Comparison of two photos. The server chooses pairs from whose answer it learns most. Scores are hidden, so that they do not influence the answer.

import { element } from "./dom.js";
import { nameOf } from "./records.js";
import { get } from "./server.js";

const SIDES = ["left", "right"];
const CHOSEN_MS = 180;

export class Compare {
  /**
   * @param {HTMLElement} root is filled
   * @param {object} options
   * @param {import("./collection.js").Collection} options.collection
   * @param {import("./outbox.js").Outbox} options.outbox
   * @param {import("./rating.js").Rating} options.rating for its undo
   * @param {import("./toast.js").Toast} options.toast
   */
  constructor(root, { collection, outbox, rating, toast }) {
    Object.assign(this, { _root: root, _collection: collection, _outbox: outbox, _rating: rating, _toast: toast });
    this._pair = null;
    this._turn = 0;
    this._count = element("p", { class: "p-count" });
    this._sides = SIDES.map((side, place) => this._side(side, place));
    this._why = element("p", { class: "p-why-pair" });
    this._message = element("div", { class: "p-message", hidden: true });
    this._question = element(
      "div", { class: "p-question" }, element("div", { class: "p-pair", role: "group", "aria-label": "Two photos" }, ...this._sides),
      element(
        "div", { class: "p-answers" },
        element("button", { type: "button", class: "g-button", onclick: () => this.skip() }, "Can’t tell ", element("kbd", { text: "↓" })),
        element("button", { type: "button", class: "g-button", onclick: () => rating.undo() }, "Undo ", element("kbd", { text: "Z" })),
      ),
      this._why,
    );
    root.replaceChildren(element("div", { class: "p-head" }, element("h1", { text: "Which is better?", tabindex: "-1" }), this._count), this._message, this._question);
    document.addEventListener("keydown", (event) => this._keydown(event));
    rating.addEventListener("undone", ({ detail: { ids, isComparison } }) => {
      if (isComparison && ids.length === 2 && !root.hidden) this._show(ids, "asked again");
    });
    collection.addEventListener("status", ({ detail: { status } }) => this._showCount(status.ratings.comparisons, status.learn));
    outbox.addEventListener("sent", ({ detail: { entry, answer } }) => {
      if (entry.path === "comparisons") this._showCount(answer.comparisons, collection.status?.learn);
    });
    collection.addEventListener("back", () => { if (!root.hidden && this._pair === null) this.next(); });
    collection.addEventListener("records", () => { if (!root.hidden && this._pair === null && this._isWaiting) this.next(); });
  }

  /** The view has just been shown. */
  open() {
    if (this._pair === null) return this.next();
    this._sides[0].focus();
    return Promise.resolve();
  }

  /** Answer that this photo of the two is better. */
  async choose(place) {
    if (this._pair === null) return;
    const [better, worse] = place === 0 ? this._pair : [...this._pair].reverse();
    this._pair = null;
    this._sides[place].classList.add("p-chosen");
    const words = `${nameOf(better)} is better than ${nameOf(worse)}`;
    this._toast.say(words, { canUndo: true });
    const sent = this._outbox.add({ path: "comparisons", comparison: { better: better.photo, worse: worse.photo }, words });
    // The next pair depends on the answer.
    await Promise.all([sent, new Promise((done) => { setTimeout(done, CHOSEN_MS); })]);
    await this.next();
  }

  /** Answer with neither; ask about another pair. */
  async skip() {
    if (this._pair === null) return;
    const ids = this._pair.map(({ id }) => id);
    this._pair = null;
    this._toast.say("Can’t tell: two others");
    await this.next(`?skip=${ids}`);
  }

  /** Ask about the next pair. */
  async next(query = "") {
    const turn = ++this._turn;
    let answer;
    try {
      answer = await get(`pair${query}`);
    } catch (error) {
      if (turn === this._turn) this._showMessage(`${error.message} Your answers are kept.`, true);
      return;
    }
    if (turn !== this._turn) return;
    this._isWaiting = answer.pair === null;
    if (answer.pair === null) this._showMessage(answer.message ?? "There are fewer than two photos to compare.", false);
    else await this._show(answer.pair, answer.why ?? "");
  }

  async _show(ids, why) {
    const turn = ++this._turn;
    if (ids.some((id) => !this._collection.records.has(id))) await this._collection.ask();
    const pair = ids.map((id) => this._collection.records.get(id));
    if (turn !== this._turn || pair.includes(undefined)) return;
    // Both appear at once, so that neither is judged before the other has loaded.
    const images = await Promise.all(pair.map(picture));
    if (turn !== this._turn) return;
    this._pair = pair;
    this._message.hidden = true;
    this._question.hidden = false;
    this._why.textContent = why;
    this._sides.forEach((side, place) => {
      side.classList.remove("p-chosen");
      side.querySelector(".p-frame").replaceChildren(images[place]);
      side.querySelector(".p-side-name").textContent = nameOf(pair[place]);
      side.setAttribute("aria-label", `${place === 0 ? "Left" : "Right"} is better: ${nameOf(pair[place])}`);
    });
    if (!this._root.contains(document.activeElement) && !this._root.hidden) this._sides[0].focus();
  }

  _showMessage(text, canRetry) {
    const retry = canRetry ? element("button", { type: "button", class: "g-button", text: "Try again", onclick: () => this.next() }) : null;
    this._message.replaceChildren(...[element("p", { text, role: "status" }), retry].filter(Boolean));
    this._message.hidden = false;
    this._question.hidden = true;
  }

  _showCount(comparisons, learn) {
    const more = learn ? Math.max(0, learn.needed - learn.ratings - comparisons) : 0;
    const answered = comparisons === 1 ? "1 pair answered" : `${comparisons} pairs answered`;
    this._count.textContent = more > 0 ? `${answered} · ${more} more answers or ratings, and your taste can be learned` : answered;
  }

  _side(side, place) {
    return element(
      "button", { type: "button", class: "p-side", onclick: () => this.choose(place) },
      element("span", { class: "p-frame" }), element("span", { class: "p-side-caption" }, element("kbd", { text: place === 0 ? "←" : "→" }), element("span", { class: "p-side-name" })),
    );
  }

  _keydown(event) {
    if (this._root.hidden || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest("input, select, textarea, dialog")) return;
    if (event.key === "ArrowLeft") this.choose(0);
    else if (event.key === "ArrowRight") this.choose(1);
    else if (event.key === "ArrowDown" || event.key === "=") this.skip();
    else if (event.key.toLowerCase() === "z") this._rating.undo();
    else return;
    event.preventDefault();
  }
}

/** Load the photo, or its thumbnail where the browser cannot show it; resolves once it has loaded. */
async function picture(record) {
  for (const url of [record.original, record.thumbnail]) {
    const image = element("img", { src: url, alt: "", draggable: "false" });
    try {
      await image.decode();
      return image;
    } catch {
      continue;
    }
  }
  return element("span", { class: "p-no-picture", text: "This photo cannot be shown." });
}
