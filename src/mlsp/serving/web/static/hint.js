// How to rate, for those who have not rated yet.

import { element } from "./dom.js";

const PARTS = [
  [["←", "→"], "go from photo to photo,"], [["1", "…", "5"], "give stars,"], [["P"], "picks,"], [["X"], "rejects,"],
  [["Enter"], "shows it full-screen,"], [["?"], "lists all keys"],
];

/** @returns {HTMLElement} two lines of which one is shown: for keys, and for fingers */
export function hint() {
  // Lines break between the parts only.
  const keys = PARTS.flatMap(([names, what]) => [element("span", {}, ...names.map((name) => (name === "…" ? name : element("kbd", { text: name }))), ` ${what}`), " "]);
  return element(
    "div", { class: "p-hint" },
    element("p", { class: "p-for-keys" }, ...keys), element("p", { class: "p-for-fingers", text: "Tap a photo to see and rate it. The ticks choose several, to rate them together." }),
  );
}
