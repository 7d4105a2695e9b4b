// The photos that could not be scored.

import { element } from "./dom.js";
import { photos } from "./records.js";

/**
 * List photos and why they failed; an open list stays open.
 * @param {HTMLDetailsElement} details is filled; hidden if no photo failed
 * @param {import("./records.js").PhotoRecord[]} failed
 */
export function showFailed(details, failed) {
  details.hidden = failed.length === 0;
  const lines = failed.map((record) => element("li", {}, element("b", { text: record.photo }), `: ${record.failed}`));
  details.replaceChildren(element("summary", { text: `${photos(failed.length)} could not be scored` }), element("ul", { tabindex: 0, "aria-label": "Failed photos" }, ...lines));
}
