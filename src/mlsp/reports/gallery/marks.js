// Marks of a photo: stars, flag and colour label, as badge and in words.

import { element, icon } from "./dom.js";

export const PICK = "M6 21V4M6 4.5h11l-2.5 4 2.5 4H6";
export const REJECT = "M6.5 6.5l11 11M17.5 6.5l-11 11";
export const LABELS = ["red", "yellow", "green", "blue", "purple"];

/** @returns {string} "4 stars, picked, red label"; "" for nothing */
export function marksWords({ stars, flag, label }) {
  const parts = [];
  if (stars) parts.push(stars === 1 ? "1 star" : `${stars} stars`);
  if (flag) parts.push(flag === "pick" ? "picked" : "rejected");
  if (label) parts.push(`${label} label`);
  return parts.join(", ");
}

/** @returns {?HTMLElement} the badge on a card */
export function marksBadge({ stars, flag, label }) {
  if (!stars && !flag && !label) return null;
  const badge = element("span", { class: `g-marks${flag ? ` g-${flag}` : ""}` });
  if (flag) badge.append(icon(flag === "pick" ? PICK : REJECT));
  if (stars) badge.append(element("span", { class: "g-marks-stars", text: "★".repeat(stars) }));
  if (label) badge.append(element("span", { class: "g-dot", "data-label": label }));
  return badge;
}
