// Photos full-screen: one, or two to four side by side, by keyboard, mouse and touch.

import { cameraWords } from "./camera_filter.js";
import { faultList, meter, scoreNumber, scoreWords } from "./card.js";
import { element, icon } from "./dom.js";
import { Exposure } from "./exposure.js";
import { Filmstrip } from "./filmstrip.js";
import { amount, dateOf, nameOf, percent } from "./records.js";
import { comparedFrames } from "./stacks.js";

export const MOST_SIDE_BY_SIDE = 4;
const CLOSE = "M6 6 18 18M18 6 6 18";
const BEFORE = "M15 5 8 12 15 19";
const AFTER = "M9 5 16 12 9 19";
const ADD = "M12 5V19M5 12H19";
const REMOVE = "M5 12H19";
const ZOOM = "M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13M15.5 15.5 20 20M10.5 7.5V13.5M7.5 10.5H13.5";
// Share of the picture that an arrow key moves, and pixels that a finger must move to turn the page.
const STEP = 0.08;
const SWIPE = 60;

/** A dialog with one to four panes; one pane is the active one. */
export class Viewer {
  /**
   * @param {object} options
   * @param {string[]} options.columns
   * @param {Object<string, string>} options.meanings what faults mean
   * @param {string} options.among which photos percentiles are among
   * @param {function(any): (string|Promise<string>)} options.load URL of a record's small picture
   * @param {function(any): ?string} options.original URL of the photo itself
   * @param {string} options.smallNote what is said where only the small picture can be shown; "" for nothing
   * @param {function(any): ?Node} options.badge what the host shows on a photo, such as its stars
   * @param {function(any): any[]} options.frames the frames of a record's stack, the best first
   * @param {function(any, any[]): ?Node} options.stackTools the host's buttons for a stack
   * @param {function(any): ?Node} options.details what the host adds to a photo's caption
   * @param {function(KeyboardEvent, any): boolean} options.onkey the host's keys; true where it has used one
   * @param {function(any): void} options.onactive the active pane shows another record
   * @param {function(): void} options.onclose
   */
  constructor({ columns, meanings, among, load, original, smallNote, badge, frames, stackTools, details, onkey, onactive, onclose }) {
    Object.assign(this, { _frames: frames, _smallNote: smallNote, _columns: columns, _meanings: meanings, _among: among, _load: load, _original: original, _details: details, _onkey: onkey, _onactive: onactive });
    this._exposures = new Map();
    this._list = [];
    this._shown = [];
    this._active = 0;
    this._isZoomed = false;
    this._centre = [0.5, 0.5];
    this._panes = element("div", { class: "g-panes", role: "group", "aria-label": "Photos" });
    this._strip = new Filmstrip({ load, badge, tools: stackTools, onchoose: (record) => this._show(record) });
    this._said = element("p", { class: "g-said", role: "status" });
    const button = (name, key, path, action) =>
      element("button", { type: "button", class: "g-round", "aria-label": name, title: `${name} (${key})`, onclick: action }, icon(path));
    this._add = button("One more photo beside", "+", ADD, () => this.add());
    this._remove = button("One photo fewer", "−", REMOVE, () => this.remove());
    this._zoom = button("Actual pixels", "Z", ZOOM, () => this.zoom());
    this._bar = element(
      "div", { class: "g-viewer-bar" }, this._said,
      button("Photo before", "←", BEFORE, () => this.turn(-1)), button("Next photo", "→", AFTER, () => this.turn(1)),
      this._remove, this._add, this._zoom, button("Close", "Esc", CLOSE, () => this.element.close()),
    );
    this.element = element(
      "dialog",
      {
        class: "g-viewer", "aria-label": "Photos full-screen", tabindex: "-1",
        onkeydown: (event) => this._keydown(event), onclose: () => this._closed(onclose),
      },
      this._bar, this._panes, this._strip.element,
    );
    this._listenToPointer();
    window.addEventListener("resize", () => this._arrangePanes());
  }

  get isOpen() {
    return this.element.open;
  }

  /** The record in the active pane, or undefined. */
  get activeItem() {
    return this._shown[this._active];
  }

  /**
   * Show records.
   * @param {any[]} items one to four
   * @param {any[]} list photos that the arrow keys go through
   */
  open(items, list) {
    this._list = list;
    this._shown = items.slice(0, MOST_SIDE_BY_SIDE);
    this._active = 0;
    this._isZoomed = false;
    this._centre = [0.5, 0.5];
    this._panes.replaceChildren();
    if (!this.element.open) this.element.showModal();
    this.element.focus();
    this._draw();
  }

  /** Show these scores. */
  setColumns(columns) {
    this._columns = columns;
    [...this._panes.children].forEach((pane, place) => pane.querySelector(".g-caption").replaceWith(this._caption(this._shown[place])));
    this.remark();
  }

  /** Draw the filmstrip of the active photo anew, with the host's badges. */
  remark() {
    if (this.activeItem) this._strip.show(this._frames(this.activeItem), this.activeItem);
  }

  /** Take over records and order of an update; ids stay. */
  setList(list) {
    this._list = list;
    const records = new Map(list.map((record) => [record.id, record]));
    this._shown = this._shown.map((record) => records.get(record.id) ?? record);
    this.remark();
  }

  /** Show the previous or next photo in the active pane. */
  turn(step) {
    let place = this._list.findIndex((record) => record.id === this.activeItem.id);
    do place += step;
    while (this._list[place] && this._isShown(this._list[place]));
    if (this._list[place]) this._show(this._list[place]);
  }

  /** Show the best frame of the stack before or after, in the list; a photo that stands alone is a stack. */
  turnStack(step) {
    const frames = this._frames(this.activeItem);
    const end = this._list.findIndex((record) => record.id === (step > 0 ? frames.at(-1) : frames[0]).id) + step;
    const next = this._list[end];
    if (next) this._show(step > 0 ? next : this._list.find(({ id }) => id === this._frames(next)[0].id));
  }

  /** Show a record in the active pane. */
  _show(record) {
    if (!this._isShown(record)) this._shown[this._active] = record;
    else this._active = this._shown.findIndex(({ id }) => id === record.id);
    this._draw();
  }

  /** Add a pane with the next photo after the active one that is not shown yet. */
  add() {
    if (this._shown.length >= MOST_SIDE_BY_SIDE) return;
    const after = this._list.findIndex((record) => record.id === this._shown.at(-1).id) + 1;
    const next = [...this._list.slice(after), ...this._list.slice(0, after)].find((record) => !this._isShown(record));
    if (!next) return;
    this._shown.push(next);
    this._draw();
  }

  /** Show the frames of the active photo's stack beside it, or the next photo; where several are shown, the active one alone. */
  compare() {
    const { activeItem } = this;
    const others = this._shown.length > 1 ? [] : comparedFrames(this._frames(activeItem)).filter(({ id }) => id !== activeItem.id);
    if (this._shown.length === 1 && others.length === 0) {
      this.add();
      return;
    }
    this._shown = [activeItem, ...others].slice(0, MOST_SIDE_BY_SIDE);
    this._active = 0;
    this._draw();
  }

  /** Remove the active pane. */
  remove() {
    if (this._shown.length < 2) return;
    this._shown.splice(this._active, 1);
    this._active = Math.min(this._active, this._shown.length - 1);
    this._draw();
  }

  /** Switch between the whole photo and its actual pixels, in all panes. */
  zoom() {
    this._isZoomed = !this._isZoomed;
    this._centre = [0.5, 0.5];
    this._draw();
  }

  _closed(onclose) {
    // The event comes late: photos may have been opened again.
    if (this.element.open) return;
    this._shown = [];
    this._ahead = null;
    this._exposures.clear();
    this._panes.replaceChildren();
    onclose();
  }

  _isShown(record) {
    return this._shown.some((shown) => shown.id === record.id);
  }

  _draw() {
    const kept = new Map([...this._panes.children].map((pane) => [pane.dataset.id, pane]));
    this._panes.replaceChildren(...this._shown.map((record) => kept.get(String(record.id)) ?? this._pane(record)));
    [...this._panes.children].forEach((pane, place) => {
      const isActive = place === this._active;
      pane.classList.toggle("g-active", isActive && this._shown.length > 1);
      pane.setAttribute("aria-current", isActive);
    });
    this._panes.dataset.count = this._shown.length;
    this._arrangePanes();
    this._panes.classList.toggle("g-zoomed", this._isZoomed);
    this._zoom.setAttribute("aria-pressed", this._isZoomed);
    this._add.disabled = this._shown.length >= Math.min(MOST_SIDE_BY_SIDE, this._list.length);
    this._remove.disabled = this._shown.length < 2;
    this._move(0, 0);
    const place = this._list.findIndex((record) => record.id === this.activeItem.id) + 1;
    const pane = this._shown.length > 1 ? ` · photo ${this._active + 1} of the ${this._shown.length} here` : "";
    this._said.textContent = `${amount(place)} of ${amount(this._list.length)} · ${nameOf(this.activeItem)}${pane}`;
    this.remark();
    this._onactive(this.activeItem);
    // The next photo is likely to be wanted.
    const next = this._list[place];
    const url = next && !this._isShown(next) ? this._original(next) : null;
    if (url) this._ahead = Object.assign(new Image(), { src: url });
  }

  /** Put as many panes into a row as show the photos largest. */
  _arrangePanes() {
    const count = this._shown.length;
    if (count === 0) return;
    const { width, height } = this.activeItem;
    const { clientWidth, clientHeight } = this._panes;
    const scale = (columns) => Math.min(clientWidth / columns / width, clientHeight / Math.ceil(count / columns) / height);
    const columns = Array.from({ length: count }, (_, index) => index + 1).sort((one, other) => scale(other) - scale(one))[0];
    this._panes.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  }

  _pane(record) {
    const picture = element("img", { class: "g-photo", alt: nameOf(record), draggable: "false", width: record.width, height: record.height });
    const frame = element("div", { class: "g-frame" }, picture);
    const exposure = new Exposure();
    this._exposures.set(record.id, exposure);
    picture.onload = () => exposure.show(picture);
    const pane = element("figure", { class: "g-pane", "data-id": record.id }, frame, this._caption(record));
    Promise.resolve(this._load(record)).then((url) => { if (url && !picture.src) picture.src = url; });
    const original = this._original(record);
    if (original) {
      const whole = new Image();
      // The small picture, enlarged, must not pass for a soft photo.
      const note = element("p", { class: "g-frame-note g-loading", text: "Loading the photo …" });
      frame.append(note);
      whole.onload = () => { picture.src = whole.src; note.remove(); };
      // The page may have been moved away from its photos, and few browsers show HEIC or raw files.
      whole.onerror = () => note.replaceWith(...(this._smallNote ? [element("p", { class: "g-frame-note", text: this._smallNote })] : []));
      whole.src = original;
    }
    return pane;
  }

  _caption(record) {
    const scores = this._columns.map((head, place) => element("li", { title: scoreWords(record, head, this._among) }, head, meter(record, head, place), element("b", { text: scoreNumber(record, head) })));
    const facts = [record.folder, record.formats, dateOf(record), `${record.width} × ${record.height}`].filter(Boolean).join(" · ");
    const camera = cameraWords(record.camera);
    const original = this._original(record);
    return element(
      "figcaption", { class: "g-caption" },
      element("span", { class: "g-overall", text: percent(record.overall), title: "overall, of 100" }),
      element(
        "div", { class: "g-caption-text" },
        original ? element("a", { class: "g-name", href: original, target: "_blank", rel: "noopener noreferrer", text: nameOf(record) }) : element("span", { class: "g-name", text: nameOf(record) }),
        element("ul", { class: "g-scores" }, ...scores), faultList(record, this._meanings), element("span", { class: "g-facts", text: facts }),
        camera ? element("span", { class: "g-facts", text: camera }) : null,
      ),
      this._exposures.get(record.id).element,
      this._details(record),
    );
  }

  _keydown(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest("input, select, textarea")) return;
    if (this._onkey(event, this.activeItem)) {
      event.preventDefault();
      return;
    }
    const many = this._shown.length > 1;
    const choose = (step) => { this._active = (this._active + step + this._shown.length) % this._shown.length; this._draw(); };
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    if (event.shiftKey && this._isZoomed && event.key in moves) this._move(...moves[event.key]);
    else if (event.key === "ArrowLeft") many ? choose(-1) : this.turn(-1);
    else if (event.key === "ArrowRight") many ? choose(1) : this.turn(1);
    else if (event.key === "ArrowUp" || event.key === "PageUp") many ? this.turn(-1) : this.turnStack(-1);
    else if (event.key === "ArrowDown" || event.key === "PageDown") many ? this.turn(1) : this.turnStack(1);
    else if (event.key === "+" || event.key === "=") this.add();
    else if (event.key === "-" || event.key === "−" || event.key === "Delete") this.remove();
    else if (event.key.toLowerCase() === "c") this.compare();
    else if (event.key.toLowerCase() === "z") this.zoom();
    else return;
    event.preventDefault();
  }

  _move(right, down) {
    this._centre = [this._centre[0] + right, this._centre[1] + down].map((share) => Math.min(1, Math.max(0, share)));
    this._panes.style.setProperty("--g-x", `${100 * this._centre[0]}%`);
    this._panes.style.setProperty("--g-y", `${100 * this._centre[1]}%`);
  }

  _listenToPointer() {
    let start = null;
    this._panes.addEventListener("pointerdown", (event) => {
      const pane = event.target.closest(".g-pane");
      if (!pane || event.target.closest("a, button, input, select")) return;
      start = [event.clientX, event.clientY, event.clientX];
      const place = [...this._panes.children].indexOf(pane);
      if (place !== this._active) {
        this._active = place;
        this._draw();
      }
    });
    this._panes.addEventListener("pointermove", (event) => {
      if (start === null || !this._isZoomed) return;
      const box = this._panes.getBoundingClientRect();
      this._move((start[0] - event.clientX) / box.width, (start[1] - event.clientY) / box.height);
      start[0] = event.clientX;
      start[1] = event.clientY;
    });
    window.addEventListener("pointercancel", () => { start = null; });
    window.addEventListener("pointerup", (event) => {
      if (start === null) return;
      const moved = event.clientX - start[2];
      start = null;
      if (!this._isZoomed && Math.abs(moved) > SWIPE) this.turn(moved < 0 ? 1 : -1);
    });
    this._panes.addEventListener("dblclick", (event) => { if (event.target.closest(".g-frame")) this.zoom(); });
  }
}
