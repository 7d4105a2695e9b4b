// Stacks: the shots of a burst or a set, or a shot and its copies, shown as one tile. Nothing here touches the page.

import { amount, nameOf, photos } from "./records.js";

/** @typedef {import("./records.js").PhotoRecord} PhotoRecord */

/** The photos that are shown, as tiles: one for each photo that stands alone, and for each stack. */
export class Stacks {
  constructor() {
    this.isOn = true;
    this._frames = new Map();
  }

  /** Number of stacks among the photos, also where each frame is a tile of its own. */
  get size() {
    return this._frames.size;
  }

  /**
   * @param {PhotoRecord[]} records that are shown
   * @returns {PhotoRecord[]} a stack's best frame stands for it, in its own position
   */
  collapse(records) {
    this._frames = new Map();
    for (const record of records) {
      if (!record.stack) continue;
      const frames = this._frames.get(record.stack.id);
      if (frames) frames.push(record);
      else this._frames.set(record.stack.id, [record]);
    }
    for (const [id, frames] of this._frames) {
      if (frames.length < 2) this._frames.delete(id);
      else frames.sort((one, other) => one.stack.rank - other.stack.rank);
    }
    return this.isOn ? records.filter((record) => this.frames(record)[0] === record) : records;
  }

  /** @returns {PhotoRecord[]} what the tiles stand for, one stack after another */
  expand(tiles) {
    return this.isOn ? tiles.flatMap((record) => this.frames(record)) : tiles;
  }

  /** @returns {PhotoRecord[]} the shown frames of a photo's stack, the best first; the photo alone where it is in none */
  frames(record) {
    return this._frames.get(record.stack?.id) ?? [record];
  }
}

/** @returns {PhotoRecord[]} the frames of a stack without copies */
export function ownFrames(frames) {
  return frames.filter(({ stack }) => !stack?.isCopy);
}

/** @returns {PhotoRecord[]} the frames to be seen side by side: without copies, but for those of one shot */
export function comparedFrames(frames) {
  const own = ownFrames(frames);
  return own.length > 1 ? own : frames;
}

/** Whether a frame is the one that is suggested of a burst. */
export function isSuggested({ stack }) {
  return stack?.kind === "burst" && stack.rank === 0;
}

/** What a frame is among the others of its stack: "suggested: sharper eyes than IMG_7". */
export function rankWords(record) {
  const { kind, reason, isCopy } = record.stack;
  if (isCopy) return reason;
  if (kind === "copies") return "the original";
  if (kind !== "burst") return kind;
  const words = isSuggested(record) ? ["suggested", reason] : [reason];
  return words.filter(Boolean).join(": ");
}

/** "burst of 5 photos", "bracket of 3 photos, 2 copies", "IMG_7.jpg and its copies". */
export function stackWords(frames) {
  const { kind } = frames[0].stack;
  if (kind === "copies") return `${nameOf(frames[0])} and its copies`;
  const own = ownFrames(frames).length;
  const copies = frames.length - own;
  return `${kind} of ${photos(own)}${copies > 0 ? `, ${copies === 1 ? "1 copy" : `${amount(copies)} copies`}` : ""}`;
}
