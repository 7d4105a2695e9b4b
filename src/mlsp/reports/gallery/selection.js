// The chosen photos: to be compared, or rated together.

/** A set of ids in the order in which they were chosen. */
export class Selection {
  /** @param {function(): void} onchange */
  constructor(onchange) {
    this._onchange = onchange;
    this._ids = new Set();
    this._last = null;
  }

  get ids() {
    return [...this._ids];
  }

  get size() {
    return this._ids.size;
  }

  has(id) {
    return this._ids.has(id);
  }

  /** Choose a photo, or no longer. */
  toggle(id, isChosen = !this._ids.has(id)) {
    if (isChosen) this._ids.add(id);
    else this._ids.delete(id);
    this._last = id;
    this._onchange();
  }

  /**
   * Choose all from the last one that was chosen to this one.
   * @param {string|number} id
   * @param {Array<string|number>} order ids of the photos in the order of the page
   */
  extend(id, order) {
    const [first, last] = [order.indexOf(this._last), order.indexOf(id)].sort((one, other) => one - other);
    if (first < 0) this.toggle(id, true);
    else this.add(order.slice(first, last + 1));
    this._last = id;
  }

  /** Choose these too. */
  add(ids) {
    for (const id of ids) this._ids.add(id);
    this._onchange();
  }

  /** Choose none. */
  clear() {
    this._ids.clear();
    this._last = null;
    this._onchange();
  }
}
