// The page of `mlsp serve`: three views (photos, compare, taste) of one collection, and the bar above them.

import { Batch } from "./batch.js";
import { Collection } from "./collection.js";
import { Compare } from "./compare.js";
import { element, icon } from "./dom.js";
import { Explain } from "./explain.js";
import { Export } from "./export.js";
import { Gallery } from "./gallery.js";
import { hint } from "./hint.js";
import { Learn } from "./learn.js";
import { marksBadge, marksWords } from "./marks.js";
import { MarksFilter } from "./marks_filter.js";
import { Outbox } from "./outbox.js";
import { Progress } from "./progress.js";
import { RATING_KEYS, Rating } from "./rating.js";
import { Toast } from "./toast.js";

const UNDO = "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3";
const DOWN = "M12 4v11M7 11l5 5 5-5M5 20h14";
const COUNT_MS = 100;
const VIEWS = { photos: "Photos", compare: "Which is better?", taste: "My taste" };

const part = (selector) => document.querySelector(selector);
const collection = new Collection();
const progress = new Progress(part(".p-progress"));
const away = part(".p-away");

collection.addEventListener("status", ({ detail: { status } }) => progress.show(status));
collection.addEventListener("away", ({ detail: { error } }) => showAway(error));
collection.addEventListener("back", () => showAway(null));
// The names of the scores come with the model, a second after the server starts.
const hasStarted = new Promise((done) => {
  collection.addEventListener("status", ({ detail: { status } }) => { if (status.columns.length > 0 || status.scoring.state === "failed") done(status); });
});
collection.start();
build(await hasStarted);

/** @param {?Error} error why the server does not answer; null if it does */
function showAway(error, waiting = 0) {
  // Browsers store waiting entries per address, port included.
  const back = `kept by the browser, and sent as soon as it is back. If it has ended, start it again with --port ${location.port} and open the link that it prints.`;
  const kept = waiting > 0 ? ` ${waiting === 1 ? "One answer of yours waits" : `${waiting} answers of yours wait`} here, ${back}` : "";
  const text = error ? `${error.message}${kept}` : "";
  if (away.textContent !== text) away.textContent = text;
}

function build(status) {
  let { columns } = status;
  const folder = status.root.split(/[\\/]/).filter(Boolean).at(-1) ?? "Photos";
  const outbox = new Outbox({ root: status.root, idOf: (photo) => collection.idOf(photo) });
  const toast = new Toast(() => rating.undo());
  const rating = new Rating({ collection, outbox, toast, onnext: () => goOn() });
  const filter = new MarksFilter((condition) => setCondition(condition));
  const undo = element("button", { type: "button", class: "g-button g-square", "aria-label": "Undo", title: "Undo (Ctrl+Z)", onclick: () => rating.undo() }, icon(UNDO));
  const exported = element("button", { type: "button", class: "g-button", onclick: () => exporting.open(scored(), collection.status.can_take_back) }, icon(DOWN), element("span", { text: "Export" }));
  part(".p-actions").replaceChildren(undo, exported);

  const gallery = new Gallery(part("#photos"), {
    columns, title: folder, meanings: status.meanings, smallNote: "Small picture: the photo is not where it was, or cannot be read any more.", keys: [...RATING_KEYS, ["E", "full-screen: explain a score by a heat map; again: the next score"]],
    badge: (record) => marksBadge(rating.of(record)), badgeText: (record) => marksWords(rating.of(record)), onkey: useKey,
    stackTools: (record, frames) => batch.keepButton(record, frames),
    details: (record) => element("div", { class: "p-details" }, rating.control(record), explain.button()),
    sorts: [{ name: "stars", label: "stars", value: (record) => record.stars, isDescending: true }],
  });
  if (status.undo === null && outbox.waiting.length === 0) part("#photos .g-content").prepend(hint());
  if (status.left_out) part("#photos .g-content").append(element("p", { class: "g-note", text: `Left out: ${status.left_out}` }));
  const batch = new Batch({ gallery, rating, toast });
  part("#photos").append(batch.element);
  const explain = new Explain({ heads: Object.keys(status.heads), gallery, toast });
  const exporting = new Export({ outbox });
  // Dialogs open over each view, so they must not be in one.
  document.body.append(element("div", { class: "gallery p-dialogs" }, part("#photos .g-help"), exporting.element));
  const views = {
    photos: { open: () => gallery.focus() },
    compare: new Compare(part("#compare"), { collection, outbox, rating, toast }),
    taste: new Learn(part("#taste"), { collection, outbox, toast }),
  };
  views.taste.show(status.learn);

  // While the full-screen view is open, a photo stays in it even if its new rating no longer meets the filter.
  const held = new Set();
  function setCondition(condition) {
    gallery.setCondition("rating", condition && ((record) => held.has(record.id) || condition(record)));
  }
  gallery.addFilter(filter);
  // The active place: where the active photo goes out of sight, the one that takes its place is next.
  let place = -1;
  gallery.addEventListener("activechange", () => { place = gallery.grid.active; });
  gallery.addEventListener("shownchange", () => {
    if (gallery.grid.active < 0 && place >= 0 && !gallery.viewer.isOpen) gallery.grid.activate(place);
  });
  // The full-screen view covers what is outside it.
  gallery.addEventListener("open", () => {
    toast.moveTo(gallery.viewer.element);
    gallery.viewer.element.prepend(away);
  });
  gallery.addEventListener("close", () => {
    toast.hide();
    toast.moveTo(document.body);
    part(".p-top").after(away);
    if (held.size === 0) return;
    held.clear();
    gallery.rearrange();
  });

  rating.addEventListener("change", ({ detail: { id } }) => {
    if (gallery.viewer.isOpen) held.add(id);
    gallery.remark(id);
    countMarks();
    if (filter.isActive && !gallery.viewer.isOpen) gallery.rearrange();
  });

  function take({ records, isWhole }) {
    rating.overlay(records);
    if (isWhole) gallery.setRecords(records);
    else gallery.update(records);
    countMarks();
  }
  let counting = 0;
  function countMarks() {
    // Photos come many at a time.
    clearTimeout(counting);
    counting = setTimeout(() => filter.setRecords(scored()), COUNT_MS);
  }
  function scored() {
    return [...collection.records.values()].filter((record) => !record.failed);
  }
  take({ records: [...collection.records.values()], isWhole: true });
  collection.addEventListener("records", ({ detail }) => {
    take(detail);
    // Entries may wait for photos that have only now been listed.
    if (outbox.waiting.length > 0) outbox.send();
  });
  collection.addEventListener("status", ({ detail: { status: now } }) => {
    if (String(now.columns) !== String(columns)) {
      columns = now.columns;
      gallery.setColumns(columns);
    }
    const what = outbox.waiting.at(-1)?.words ?? now.undo;
    undo.disabled = what === null;
    undo.title = what === null ? "Nothing to undo" : `Undo: ${what} (Ctrl+Z)`;
    // One answer may have been lost while all polls came through.
    if (outbox.waiting.length > 0) outbox.send();
    else showAway(null);
  });
  collection.addEventListener("away", ({ detail: { error } }) => showAway(error, outbox.waiting.length));
  outbox.addEventListener("sent", () => { undo.disabled = false; });
  outbox.addEventListener("stuck", ({ detail: { error } }) => showAway(error, outbox.waiting.length));
  outbox.addEventListener("change", () => { if (away.textContent !== "") collection.ask(); });
  outbox.send();

  function useKey(event, record) {
    if (event.key.toLowerCase() === "e" && gallery.viewer.isOpen) explain.turn();
    else if (event.key.toLowerCase() === "z" && !gallery.viewer.isOpen) rating.undo();
    else if (event.key.toLowerCase() === "k") {
      batch.keep(record);
      if (event.shiftKey) gallery.viewer.isOpen ? gallery.viewer.turnStack(1) : goOn();
    } else return rating.key(event, batch.targets(record));
    return true;
  }
  function goOn() {
    if (gallery.viewer.isOpen) gallery.viewer.turn(1);
    else gallery.grid.activate(gallery.grid.active + 1);
  }

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof Element && event.target.closest("input:not([type=checkbox], [type=range]), textarea");
    if (event.defaultPrevented || isTyping) return;
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z") rating.undo();
    // Keys act on the active photo, wherever the focus is.
    else if (part("#photos").hidden || event.target.closest?.("dialog, select, .g-grid") || !rating.key(event, batch.targets(gallery.active))) return;
    event.preventDefault();
  });
  window.addEventListener("beforeunload", (event) => { if (outbox.waiting.length > 0) event.preventDefault(); });

  function showView() {
    const name = location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "photos";
    for (const [other, label] of Object.entries(VIEWS)) {
      part(`#${other}`).hidden = other !== name;
      const link = part(`.p-nav [href="#${other}"]`);
      if (other === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
      if (other === name) document.title = `${label} · ${folder} · mlsp`;
    }
    if (gallery.viewer.isOpen) gallery.viewer.element.close();
    toast.hide();
    window.scrollTo({ top: 0, behavior: "instant" });
    views[name].open();
  }
  // The gallery's keys work only in the view that shows it.
  window.addEventListener("keydown", (event) => { if (event.key === "/" && part("#photos").hidden) event.stopPropagation(); }, { capture: true });
  window.addEventListener("hashchange", showView);
  showView();
}
