// The server's photos as records. Polls for changes, once a second while photos are scored.

import { get } from "./server.js";

const BUSY_MS = 1000;
const IDLE_MS = 5000;
// Longest side of full-screen photos, in pixels: all pixels of most cameras, within what browsers display.
const LONGEST_SIDE = 4096;

/**
 * Events: `status` {status} after each answer; `records` {records, isWhole} new and changed ones, or all, which replace those before;
 * `away` {error} where the server does not answer or refuses; `back` {}.
 */
export class Collection extends EventTarget {
  constructor() {
    super();
    this.status = null;
    this.records = new Map();
    this._ids = new Map();
    this._rated = new Map();
    this._revision = 0;
    this._isAway = false;
    this._isWhole = true;
    this._timer = 0;
    this._asking = null;
  }

  /** Start polling. */
  start() {
    return this.ask();
  }

  /** Poll now. */
  async ask() {
    // The answer of a poll that is under way may be older than the change that the caller wants to see.
    while (this._asking !== null) await this._asking;
    clearTimeout(this._timer);
    this._asking = this._ask();
    await this._asking;
    this._asking = null;
    const isBusy = this.status === null || ["loading", "scoring"].includes(this.status.scoring.state) || ["grouping", "looking"].includes(this.status.stacks.state) || this.status.learn?.state === "running";
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this.ask(), isBusy || this._isAway ? BUSY_MS : IDLE_MS);
  }

  /** @returns {number|undefined} id of the photo with this path */
  idOf(photo) {
    return this._ids.get(photo);
  }

  /** Note that the server has a photo's rating from this revision on; older answers no longer change it. */
  settle(id, revision) {
    this._rated.set(id, revision);
  }

  async _ask() {
    try {
      const status = await get("status");
      // A restarted server counts revisions from the beginning and gives other ids.
      if (this._isAway || status.revision < this._revision) {
        this._revision = 0;
        this._isWhole = true;
      }
      while (status.revision > this._revision) {
        if (!(await this._askPhotos())) break;
      }
      this.status = status;
      if (this._isAway) {
        this._isAway = false;
        this._emit("back", {});
      }
      this._emit("status", { status });
    } catch (error) {
      this._isAway = true;
      this._emit("away", { error });
    }
  }

  async _askPhotos() {
    const answer = await get(`photos?since=${this._revision}`);
    const isWhole = this._isWhole;
    if (isWhole) {
      this.records.clear();
      this._ids.clear();
      this._rated.clear();
      this._isWhole = false;
    }
    const place = Object.fromEntries(answer.fields.map((field, index) => [field, index]));
    const records = answer.rows.map((row) => this._record((field) => row[place[field]], answer));
    for (const record of records) {
      this.records.set(record.id, record);
      this._ids.set(record.photo, record.id);
    }
    this._revision = answer.revision;
    this._emit("records", { records, isWhole });
    return answer.more;
  }

  _record(field, { columns, revision }) {
    const id = field("id");
    const version = field("version");
    const before = (this._rated.get(id) ?? 0) > revision ? this.records.get(id) : null;
    const failed = field("failed");
    return {
      id, photo: field("photo"), folder: field("folder"), captured: field("captured"), captured_is_file_time: field("captured_is_file_time"),
      width: field("width"), height: field("height"), overall: field("overall"),
      scores: Object.fromEntries(columns.map((head, index) => [head, field("scores")[index] ?? [null, null]])),
      kind: field("kind"), faults: field("faults"), is_small: field("is_small"), version, stack: stackOf(field("stack")), camera: field("camera"),
      formats: field("formats"), files: field("files"),
      stars: before ? before.stars : field("stars"), flag: before ? before.flag : field("flag"), label: before ? before.label : field("label"),
      thumbnail: `/api/thumbnail/${id}?v=${version}`, original: `/api/photo/${id}?side=${LONGEST_SIDE}&v=${version}`,
      ...(failed === null ? {} : { failed }),
    };
  }

  _emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function stackOf(place) {
  if (place === null) return null;
  const [id, rank, kind, reason, isCopy] = place;
  return { id, rank, kind, reason, isCopy };
}
