// A photo's card in the grid.

import { element, icon } from "./dom.js";
import { amount, describe, isPhoto, nameOf, percent, shortNumber, words } from "./records.js";
import { comparedFrames, isSuggested, rankWords, stackWords } from "./stacks.js";

const TICK = "M5 12.5 10 17.5 19 7";
export const STACK = "M4 9h12v11H4zM7.5 5.5h12V16";
// Of a card; all of them are in the full-screen view.
const MOST_FAULTS = 2;

/**
 * @param {import("./records.js").PhotoRecord} record
 * @param {import("./gallery.js").GalleryOptions} options
 * @returns {HTMLElement} the parts of a card that do not change
 */
export function drawCard(record, { columns, load, meanings, among }) {
  const picture = element("img", { class: "g-thumbnail", alt: "", decoding: "async", draggable: "false" });
  const frame = element("div", { class: "g-picture g-waiting" }, picture);
  picture.onload = () => frame.classList.remove("g-waiting");
  const show = (url) => {
    if (url) picture.src = url;
    else frame.classList.replace("g-waiting", "g-missing");
  };
  picture.onerror = () => show("");
  const url = load(record);
  if (typeof url === "string") show(url);
  else url.then(show, () => show(""));
  const bars = columns.map((head, place) => {
    return element(
      "div", { class: "g-score", title: scoreWords(record, head, among) },
      element("span", { class: "g-head", text: head }), meter(record, head, place), element("span", { class: "g-value", text: scoreNumber(record, head) }),
    );
  });
  const file = element("div", { class: "g-file" }, element("span", { class: "g-rank" }), element("span", { class: "g-name", text: nameOf(record), title: record.photo }));
  if (record.formats) file.append(element("span", { class: "g-formats", text: record.formats, title: record.files.join(", ") }));
  return element(
    "div", { class: "g-card" },
    frame, faultList(record, meanings, MOST_FAULTS), element("span", { class: "g-corner" }, element("span", { class: "g-overall", text: percent(record.overall) }), element("span", { class: "g-stack" })), element("span", { class: "g-tick" }, icon(TICK)),
    element("span", { class: "g-badge" }), element("div", { class: "g-under" }, file, ...bars),
  );
}

const SMALL = "smaller than the size that photos are scored at: its percentiles are less sure";

/**
 * What is wrong with a photo, as small badges, and that it is small; or that it is none.
 * @param {import("./records.js").PhotoRecord} record
 * @param {Object<string, string>} meanings what each means
 * @param {number} [most] of them; the rest is counted
 */
export function faultList(record, meanings, most = Infinity) {
  const faults = isPhoto(record) ? record.faults ?? [] : [record.kind];
  const names = record.is_small && isPhoto(record) ? [...faults, "small"] : faults;
  const rest = names.slice(most);
  return element(
    "span", { class: "g-faults" },
    ...names.slice(0, most).map((name) => element("span", { class: "g-fault", text: words(name), title: meanings[name] ?? (name === "small" ? SMALL : null) })),
    rest.length > 0 ? element("span", { class: "g-fault", text: `+${rest.length}`, title: rest.map(words).join(", ") }) : null,
  );
}

/** The number that stands for a head: its percentile, or the score where there is none. */
export function scoreNumber(record, head) {
  const [value, percentile] = record.scores[head] ?? [null, null];
  return percentile === null ? shortNumber(value) : percent(percentile);
}

/** The rest, for when the pointer rests on it; null where there is no percentile. */
export function scoreWords(record, head, among) {
  const [value, percentile] = record.scores[head] ?? [null, null];
  return percentile === null ? null : `${head} ${shortNumber(value)}: better than ${percent(percentile)} of 100 ${among}`;
}

/**
 * A head's percentile as a bar; empty where there is none.
 * @param {import("./records.js").PhotoRecord} record
 * @param {string} head
 * @param {number} place of the head among the columns, for the bar's colour
 */
export function meter(record, head, place) {
  const percentile = record.scores[head]?.[1] ?? null;
  const bar = element("span", { class: "g-meter", "data-hue": place % 4 }, element("span"));
  bar.firstChild.style.width = `${percentile ?? 0}%`;
  bar.classList.toggle("g-no-percentile", percentile === null);
  return bar;
}

/**
 * Update the parts of a card that change.
 * @param {HTMLElement} card
 * @param {import("./records.js").PhotoRecord} record
 * @param {import("./gallery.js").GalleryOptions} options
 * @param {{rank: number, isChosen: boolean, frames: import("./records.js").PhotoRecord[]}} state rank 1 is best; the frames of a stack that the card stands for
 */
export function markCard(card, record, { columns, badge, badgeText }, { rank, isChosen, frames }) {
  card.setAttribute("aria-selected", isChosen);
  card.classList.toggle("g-chosen", isChosen);
  card.querySelector(".g-rank").textContent = isPhoto(record) ? amount(rank) : "–";
  card.querySelector(".g-badge").replaceChildren(...[badge(record)].filter(Boolean));
  card.querySelector(".g-stack").replaceChildren(...stackBadge(record, frames));
  const words = [describe(record, columns, rank), frames.length > 1 ? stackWords(frames) : "", record.stack ? rankWords(record) : "", badgeText(record)];
  card.setAttribute("aria-label", words.filter(Boolean).join("; "));
}

/** The number of frames that a card stands for, or what a frame that has its own card is among the others. */
function stackBadge(record, frames) {
  if (frames.length > 1) {
    const title = [stackWords(frames), rankWords(record)].filter(Boolean).join("; ");
    return [element("span", { class: "g-stack-count", title }, icon(STACK), element("span", { text: amount(comparedFrames(frames).length) }))];
  }
  if (!record.stack) return [];
  return isSuggested(record) ? [element("span", { class: "g-stack-count g-best", text: "best", title: rankWords(record) })] : [element("span", { class: "g-stack-count", title: rankWords(record) }, icon(STACK))];
}
