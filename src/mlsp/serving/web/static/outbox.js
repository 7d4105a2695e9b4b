// Queue of ratings and comparisons to send to the server. Those that cannot be sent wait, also across reloads of the page.

import { Refused, post } from "./server.js";

const PREFIX = "mlsp outbox 2";

/**
 * @typedef {object} GivenRating
 * @property {string} photo its path: ids change when the server starts anew
 * @property {object} fields stars, flag, label; those left out stay
 * @property {object} before the photo's rating before
 */

/**
 * @typedef {object} Entry
 * @property {"ratings"|"comparisons"} path of the API
 * @property {GivenRating[]} [ratings] given together
 * @property {{better: string, worse: string}} [comparison] the photos' paths
 * @property {string} words description of what the user did
 * @property {string} [key] of the storage
 */

/** Events: `sent` {entry, answer}, `refused` {entry, error}, `change` {} of what waits, `stuck` {error}. */
export class Outbox extends EventTarget {
  /**
   * @param {object} options
   * @param {string} options.root folder of the photos; entries of other folders are left alone
   * @param {function(string): (number|undefined)} options.idOf a photo's id by its path
   */
  constructor({ root, idOf }) {
    super();
    this._prefix = `${PREFIX} ${root} `;
    this._idOf = idOf;
    this._sending = null;
    /** @type {Entry[]} */
    this.waiting = stored(this._prefix);
  }

  /** @param {Entry} entry is sent after those before it */
  add(entry) {
    // Sortable, and unique among all pages of the server.
    const kept = { ...entry, key: `${this._prefix}${Date.now()} ${Math.random().toString(36).slice(2)}` };
    this.waiting.push(kept);
    keep(kept);
    this._emit("change", {});
    return this.send();
  }

  /** Remove and return the last entry that has not been sent; waits for the one that is being sent. */
  async takeLast() {
    await this._sending;
    const entry = this.waiting.pop() ?? null;
    if (entry !== null) {
      forget(entry);
      this._emit("change", {});
    }
    return entry;
  }

  /** Send all waiting entries in order. */
  send() {
    this._sending ??= this._sendAll().finally(() => { this._sending = null; });
    return this._sending;
  }

  async _sendAll() {
    for (let entry; (entry = this.waiting.find((one) => this._body(one) !== null)); ) {
      let answer;
      try {
        answer = await post(entry.path, this._body(entry));
      } catch (error) {
        if (!(error instanceof Refused) || error.mayPass) {
          this._emit("stuck", { error });
          return;
        }
        this._done(entry);
        this._emit("refused", { entry, error });
        continue;
      }
      this._done(entry);
      this._emit("sent", { entry, answer });
    }
  }

  /** What is sent, with ids for paths; null where a photo is not in the collection (yet). */
  _body({ ratings, comparison }) {
    const photos = ratings ? ratings.map(({ photo }) => photo) : Object.values(comparison);
    const ids = photos.map((photo) => this._idOf(photo));
    if (ids.includes(undefined)) return null;
    if (ratings) return { ratings: ratings.map(({ fields }, place) => ({ id: ids[place], ...fields })) };
    return Object.fromEntries(Object.keys(comparison).map((field, place) => [field, ids[place]]));
  }

  _done(entry) {
    this.waiting = this.waiting.filter((one) => one !== entry);
    forget(entry);
    this._emit("change", {});
  }

  _emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// Browsers may refuse to store; then entries last only as long as the page.

function keep(entry) {
  try {
    localStorage.setItem(entry.key, JSON.stringify(entry));
  } catch {
    return;
  }
}

function forget(entry) {
  try {
    localStorage.removeItem(entry.key);
  } catch {
    return;
  }
}

function stored(prefix) {
  try {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix)).sort();
    return keys.map((key) => JSON.parse(localStorage.getItem(key)));
  } catch {
    return [];
  }
}
