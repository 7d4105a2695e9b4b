// The list of keys.

import { element } from "./dom.js";

const KEYS = [
  ["← ↑ → ↓", "move; full-screen: the photo before and after, or with several another pane (← →) and another photo in it (↑ ↓)"],
  ["↑ ↓", "full-screen: the stack before and after"],
  ["Home End Page↑ Page↓", "move far"],
  ["Enter", "the photo full-screen"],
  ["Space", "choose it, to compare or to rate together, or no longer"],
  ["Ctrl+A", "choose all that are shown"],
  ["C", "compare the chosen photos, or the frames of this stack, or this and the next"],
  ["S", "stacks, or every photo for itself"],
  ["+ −", "full-screen: one photo more, one fewer"],
  ["Z", "full-screen: actual pixels and back; Shift with arrows moves them"],
  ["/", "find by name; Enter: to the first photo that is found"],
  ["Esc", "close; choose none"],
];

/**
 * A dialog with the gallery's keys and the host's.
 * @param {Array<[string, string]>} more keys, separated by spaces, and what they do
 * @returns {HTMLDialogElement}
 */
export function keyList(more) {
  const lines = [...KEYS, ...more].flatMap(([keys, what]) => [
    element("dt", {}, ...keys.split(" ").map((key) => element("kbd", { text: key }))),
    element("dd", { text: what }),
  ]);
  const close = element("button", { type: "button", class: "g-button g-main", text: "Close", onclick: () => dialog.close() });
  // The button has the focus: at the end, the dialog would begin there.
  const dialog = element("dialog", { class: "g-help", "aria-label": "Keys" }, element("div", { class: "g-help-head" }, element("h2", { text: "Keys" }), close), element("dl", {}, ...lines));
  return dialog;
}
