// The report: shows the records and pictures that are in this page. It comes after the gallery's files, in one script.

import { Gallery } from "./gallery/gallery.js";
import { marksBadge, marksWords } from "./gallery/marks.js";
import { MarksFilter } from "./gallery/marks_filter.js";

const WAIT_MS = 50;

// Pictures are behind this script, in pieces of many, best photos first: the first are on the screen while the rest is still read.
const pieces = new Map();

function isRead(piece) {
  return document.readyState !== "loading" || document.getElementById(`pictures-${piece + 1}`) !== null;
}

function pictures(piece) {
  if (!pieces.has(piece)) {
    const found = document.getElementById(`pictures-${piece}`);
    pieces.set(piece, found ? found.textContent.trim().split("\n") : []);
    found?.replaceChildren();
  }
  return pieces.get(piece);
}

async function picture(record, { piece_size, media_type }) {
  const piece = Math.floor(record.id / piece_size);
  while (!isRead(piece)) await new Promise((resolve) => { setTimeout(resolve, WAIT_MS); });
  const base64 = pictures(piece)[record.id % piece_size];
  return base64 && base64 !== "-" ? `data:${media_type};base64,${base64}` : "";
}

const report = JSON.parse(document.getElementById("report").textContent);
const gallery = new Gallery(document.querySelector("main"), {
  columns: report.heads,
  title: report.title,
  meanings: report.meanings,
  among: report.among,
  ...(report.has_previews ? { smallNote: "" } : {}),
  load: (record) => picture(record, report), badge: marksBadge, badgeText: marksWords,
  sorts: [{ name: "stars", label: "stars", value: (record) => record.stars, isDescending: true }],
});
// What photos were given in other programs, where some were.
const scored = report.records.filter((record) => !record.failed);
if (scored.some((record) => marksWords(record))) {
  const marks = new MarksFilter((condition) => gallery.setCondition("marks", condition));
  gallery.addFilter(marks);
  marks.setRecords(scored);
}
gallery.setRecords(report.records);
gallery.focus();
