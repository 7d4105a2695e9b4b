// A virtual grid of cards of one size: only those near the window are in the page.

import { element } from "./dom.js";

const GAP = 12;
/** Least width of a card, in pixels, where the user has not chosen one. */
export const WIDTH = 190;
const WIDTH_ON_PHONES = 140;
const PHONE = 520;
// Height of the picture for each pixel of its width.
const SHAPE = 0.75;
// Height drawn beyond the window, as a share of its height, so that cards are ready before they become visible.
const AHEAD = 0.75;

/** A listbox: it has the focus, one of its cards is the active one. */
export class Grid {
  /**
   * @param {object} options
   * @param {string} options.label name for screen readers
   * @param {function(any): HTMLElement} options.draw makes the card of an item
   * @param {function(HTMLElement, any, number): void} options.mark shows on a card what may change: selection, rank, badge
   * @param {function(): number} options.inset pixels at the window's top that something covers
   * @param {function(any): void} options.onactive
   */
  constructor({ label, draw, mark, inset, onactive }) {
    this.element = element("div", { class: "g-grid", role: "listbox", tabindex: "0", "aria-multiselectable": "true", "aria-label": label });
    this.items = [];
    this.columns = 1;
    this.active = -1;
    this._width = null;
    this._draw = draw;
    this._mark = mark;
    this._inset = inset;
    this._onactive = onactive;
    this._cards = new Map();
    this._spare = new Map();
    this._frame = 0;
    window.addEventListener("scroll", () => this._later(), { passive: true });
    new ResizeObserver(() => this._layout()).observe(this.element);
  }

  /**
   * Show other items; the active one stays active if it is among them, or one that stands for it.
   * @param {any[]} items each with an `id`; an item that is the same object as before keeps its card
   * @param {object} options
   * @param {boolean} options.staysInPlace whether visible cards keep their position when others are inserted before them
   * @param {function(any, any): boolean} options.standsFor whether an item stands for another, that is not among them
   */
  setItems(items, { staysInPlace, standsFor }) {
    const active = this.items[this.active];
    const isAtTop = this.element.getBoundingClientRect().top > 0;
    const anchor = staysInPlace && !isAtTop && this._rowHeight ? this._firstInSight() : -1;
    const before = { item: this.items[anchor], row: Math.floor(anchor / this.columns) };
    this._spare = new Map([...this._cards].map(([place, card]) => [this.items[place], card]));
    this._cards.clear();
    this.items = items;
    this.active = active === undefined ? -1 : items.findIndex((item) => item.id === active.id);
    if (active !== undefined && this.active < 0) this.active = items.findIndex((item) => standsFor(item, active));
    this._layout();
    if (before.item) {
      const place = items.findIndex((item) => item.id === before.item.id);
      const rows = Math.floor(place / this.columns) - before.row;
      if (place >= 0 && rows !== 0) window.scrollBy({ top: rows * this._rowHeight, behavior: "instant" });
      this._render();
    }
    for (const card of this._spare.values()) card.remove();
    this._spare.clear();
  }

  /** Show cards of at least this width, in pixels; what is in sight stays in sight. */
  setWidth(width) {
    const anchor = this._rowHeight ? this._firstInSight() : 0;
    this._width = width;
    this._layout();
    if (anchor > 0) this._scrollTo(anchor);
  }

  /** Redraw every card. */
  redraw() {
    for (const card of this._cards.values()) card.remove();
    this._cards.clear();
    this._layout();
  }

  /** The active item, or undefined. */
  get activeItem() {
    return this.items[this.active];
  }

  /** Update what may change, on all cards or on one. */
  remark(id) {
    for (const [place, card] of this._cards) {
      if (id === undefined || this.items[place].id === id) this._markCard(card, place);
    }
  }

  /** Make the card at an index the active one and scroll it into view. */
  activate(place) {
    if (this.items.length === 0) return;
    const before = this.active;
    this.active = Math.min(Math.max(place, 0), this.items.length - 1);
    this._scrollTo(this.active);
    this._render();
    for (const changed of [before, this.active]) {
      if (this._cards.has(changed)) this._markCard(this._cards.get(changed), changed);
    }
    this._onactive(this.activeItem);
  }

  /**
   * Move the active card by a key.
   * @returns {boolean} whether the key moves it
   */
  move(key) {
    const rows = Math.max(1, Math.floor((window.innerHeight - this._inset()) / this._rowHeight));
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -rows * this.columns, PageDown: rows * this.columns };
    if (key === "Home") this.activate(0);
    else if (key === "End") this.activate(this.items.length - 1);
    else if (!(key in steps)) return false;
    else if (this.active < 0) this.activate(this._firstInSight());
    else {
      const place = this.active + steps[key];
      const isInside = place >= 0 && place < this.items.length;
      // Up from the first row stays; a page down from the last but one goes to the end.
      if (isInside || key.startsWith("Page")) this.activate(place);
      else if (key === "ArrowDown" && Math.floor(this.active / this.columns) < this._rows - 1) this.activate(this.items.length - 1);
    }
    return true;
  }

  /** Index of the card that an event came from, or -1. */
  placeOf(event) {
    const card = event.target instanceof Element ? event.target.closest(".g-card") : null;
    return card ? Number(card.dataset.place) : -1;
  }

  get _rows() {
    return Math.ceil(this.items.length / this.columns);
  }

  _firstInSight() {
    const above = this._inset() - this.element.getBoundingClientRect().top;
    return Math.max(0, Math.ceil(above / this._rowHeight)) * this.columns;
  }

  _later() {
    if (this._frame === 0) this._frame = requestAnimationFrame(() => this._render());
  }

  _layout() {
    const width = this.element.clientWidth;
    if (width === 0) return;
    const least = Math.min(this._width ?? (width < PHONE ? WIDTH_ON_PHONES : WIDTH), width);
    const columns = Math.floor((width + GAP) / (least + GAP));
    const cardWidth = Math.floor((width - GAP * (columns - 1)) / columns);
    const picture = Math.round(cardWidth * SHAPE);
    this.element.style.setProperty("--g-card", `${cardWidth}px`);
    this.element.style.setProperty("--g-picture", `${picture}px`);
    this._columnWidth = cardWidth + GAP;
    this.columns = columns;
    if (this.items.length > 0) {
      // All cards are as high as the first: their captions are lines of one height.
      const probe = this._draw(this.items[0]);
      probe.style.visibility = "hidden";
      this.element.append(probe);
      this._rowHeight = Math.ceil(probe.getBoundingClientRect().height) + GAP;
      probe.remove();
    }
    this.element.style.height = `${Math.max(0, this._rows * (this._rowHeight ?? 0) - GAP)}px`;
    for (const [place, card] of this._cards) this._put(card, place);
    this._render();
  }

  _put(card, place) {
    const left = (place % this.columns) * this._columnWidth;
    const top = Math.floor(place / this.columns) * this._rowHeight;
    card.style.transform = `translate(${left}px, ${top}px)`;
  }

  _render() {
    if (this._frame !== 0) cancelAnimationFrame(this._frame);
    this._frame = 0;
    if (this.items.length === 0 || !this._rowHeight) return;
    const above = -this.element.getBoundingClientRect().top;
    const ahead = window.innerHeight * AHEAD;
    const first = Math.max(0, Math.floor((above - ahead) / this._rowHeight)) * this.columns;
    const last = Math.min(this.items.length, Math.ceil((above + window.innerHeight + ahead) / this._rowHeight) * this.columns);
    for (const [place, card] of this._cards) {
      if ((place < first || place >= last) && place !== this.active) {
        card.remove();
        this._cards.delete(place);
      }
    }
    const made = document.createDocumentFragment();
    for (let place = first; place < last; place += 1) this._ensure(place, made);
    // Screen readers follow the active card wherever the window is.
    if (this.active >= 0) this._ensure(this.active, made);
    this.element.append(made);
    const active = this._cards.get(this.active);
    if (active) this.element.setAttribute("aria-activedescendant", active.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  _ensure(place, into) {
    if (this._cards.has(place)) return;
    const item = this.items[place];
    const spare = this._spare.get(item);
    this._spare.delete(item);
    const card = spare ?? this._draw(item);
    card.id = `g-card-${place}`;
    card.dataset.place = place;
    card.setAttribute("role", "option");
    card.setAttribute("aria-posinset", place + 1);
    card.setAttribute("aria-setsize", this.items.length);
    this._put(card, place);
    this._cards.set(place, card);
    this._markCard(card, place);
    if (!spare) into.append(card);
  }

  _markCard(card, place) {
    card.classList.toggle("g-active", place === this.active);
    this._mark(card, this.items[place], place);
  }

  _scrollTo(place) {
    const top = this.element.getBoundingClientRect().top + Math.floor(place / this.columns) * this._rowHeight;
    const bottom = top + this._rowHeight;
    const inset = this._inset() + GAP;
    // What the host puts over the end of the window.
    const end = window.innerHeight - (parseFloat(getComputedStyle(document.documentElement).scrollPaddingBottom) || 0);
    if (top < inset) window.scrollBy({ top: top - inset, behavior: "instant" });
    else if (bottom > end) window.scrollBy({ top: bottom - end, behavior: "instant" });
  }
}
