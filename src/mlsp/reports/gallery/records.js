// Photo records: reading, sorting and filtering them. Nothing here touches the page.

/**
 * A photo, or one that could not be scored.
 * @typedef {object} PhotoRecord
 * @property {string|number} id unique, and the same in every update
 * @property {string} photo path, as it is to be shown
 * @property {string} folder path of its folder, separated by "/"; "" for the top folder
 * @property {?string} captured local time as "2024-05-03T14:22:10", null if unknown
 * @property {boolean} [captured_is_file_time] `captured` is when the file was changed, not when the photo was taken
 * @property {number} width pixels, upright
 * @property {number} height of the upright photo, in pixels
 * @property {string} [formats] "RAW+JPEG" where its shot has several files; "" for one alone
 * @property {string[]} [files] their names, that of the photo first
 * @property {?{model: ?string, lens: ?string, seconds: ?number, aperture: ?number, iso: ?number, focal_length: ?number}} [camera] what the camera wrote
 * @property {string} [version] the same for files of one content
 * @property {?number} overall 0…100
 * @property {Object<string, [?number, ?number]>} scores a head's value and percentile (0…100)
 * @property {?string} [kind] what it shows, such as "people"; "not_photo" for what is none, which has no rank
 * @property {string[]} [faults] what is wrong with it, the most probable first
 * @property {boolean} [is_small] its percentiles are less sure than those of larger photos
 * @property {?{id: number, rank: number, kind: string, reason: string, isCopy: boolean}} [stack] its place in a stack: of a "burst", "copies", or a kind of set; rank 0 is the best
 * @property {string} [thumbnail] URL of a small picture
 * @property {string} [original] URL of the photo itself, for the full-screen view
 * @property {?number} [stars] 1…5, by a person, and with flag (pick, reject) and colour label from any program
 * @property {?string} [flag]
 * @property {?string} [label]
 * @property {string} [failed] why it could not be scored; such a photo is listed apart
 */

/** @typedef {{text: string, folder: ?string, score: string, low: ?number, high: ?number, from: string, to: string, kind: ?string, fault: ?string}} Wanted `fault` is "" for photos without one */

/** @returns {Wanted} the filter that shows every photo */
export function everything() {
  return { text: "", folder: null, score: "overall", low: null, high: null, from: "", to: "", kind: null, fault: null };
}

/** Whether a record is a photo at all: a screenshot or a chart is none, comes last, and has no rank. */
export function isPhoto(record) {
  return record.kind !== "not_photo";
}

/** The name of a kind or fault in words: "subject soft". */
export function words(name) {
  return name === "not_photo" ? "not a photo" : name.replaceAll("_", " ");
}

/** The last part of a path. */
export function nameOf(record) {
  return record.photo.slice(record.photo.lastIndexOf("/") + 1);
}

/** The value that bars and the filter use: overall, a head's percentile, or its value if it has no percentile. */
export function scoreOf(record, score) {
  if (score === "overall") return record.overall;
  const pair = record.scores[score];
  return pair ? (pair[1] ?? pair[0]) : null;
}

/**
 * Ends of a score's scale.
 * @param {PhotoRecord[]} records
 * @param {string} score
 * @returns {{low: number, high: number, isPercentile: boolean}} 0…100, or for a head without percentiles its lowest and highest value
 */
export function scaleOf(records, score) {
  const isPercentile = score === "overall" || records.some((record) => Number.isFinite(record.scores[score]?.[1]));
  if (isPercentile) return { low: 0, high: 100, isPercentile };
  let low = Infinity;
  let high = -Infinity;
  for (const record of records) {
    const value = scoreOf(record, score);
    if (value === null) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low < high ? { low, high, isPercentile } : { low: low === Infinity ? 0 : low, high: low === Infinity ? 1 : low + 1, isPercentile };
}

/**
 * @param {PhotoRecord[]} records
 * @param {Wanted} wanted
 * @param {Iterable<function(PhotoRecord): boolean>} [more] further conditions
 * @returns {PhotoRecord[]} those that meet every condition, in their order
 */
export function filterRecords(records, wanted, more = []) {
  const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
  const below = wanted.folder === null ? null : `${wanted.folder}/`;
  const conditions = [...more];
  return records.filter((record) => {
    if (below !== null && wanted.folder !== "" && record.folder !== wanted.folder && !record.folder.startsWith(below)) return false;
    if (words.length > 0) {
      const text = record.photo.toLowerCase();
      if (!words.every((word) => text.includes(word))) return false;
    }
    if (wanted.low !== null || wanted.high !== null) {
      const value = scoreOf(record, wanted.score);
      if (value === null || (wanted.low !== null && value < wanted.low) || (wanted.high !== null && value > wanted.high)) return false;
    }
    if (wanted.from || wanted.to) {
      const day = record.captured?.slice(0, 10);
      if (!day || (wanted.from && day < wanted.from) || (wanted.to && day > wanted.to)) return false;
    }
    if (wanted.kind !== null && record.kind !== wanted.kind) return false;
    if (wanted.fault !== null && !(wanted.fault === "" ? (record.faults ?? []).length === 0 : record.faults?.includes(wanted.fault))) return false;
    return conditions.every((condition) => condition(record));
  });
}

const collator = new Intl.Collator(undefined, { numeric: true });

/**
 * @param {PhotoRecord[]} records
 * @param {function(PhotoRecord): (number|string|null|undefined)} value sort key of a record; records without one come last
 * @param {boolean} isDescending
 * @returns {PhotoRecord[]} a new array; equal ones by path
 */
export function sortRecords(records, value, isDescending) {
  const keyed = records.map((record) => ({ record, key: value(record) ?? null }));
  const sign = isDescending ? -1 : 1;
  keyed.sort((one, other) => {
    if (one.key === null || other.key === null) return (one.key === null) - (other.key === null) || byPath(one.record, other.record);
    if (typeof one.key === "string") return sign * collator.compare(one.key, other.key) || byPath(one.record, other.record);
    return sign * (one.key - other.key) || byPath(one.record, other.record);
  });
  return keyed.map(({ record }) => record);
}

function byPath(one, other) {
  return one.photo < other.photo ? -1 : Number(one.photo > other.photo);
}

/**
 * Ranks of photos by overall, from 1. A file's copies have the rank of the file, and take none from others.
 * @returns {Map<string|number, number>} by id; what is no photo has none
 */
export function ranksOf(records) {
  const contents = new Map();
  const ranks = new Map();
  for (const { id, version } of sortRecords(records.filter(isPhoto), (record) => record.overall, true)) {
    const content = version || id;
    if (!contents.has(content)) contents.set(content, contents.size + 1);
    ranks.set(id, contents.get(content));
  }
  return ranks;
}

/**
 * Ranks of records by path in natural order (9 before 10). Such comparisons are slow, so they are done once.
 * @returns {Map<PhotoRecord, number>}
 */
export function pathRanks(records) {
  return new Map(sortRecords(records, (record) => record.photo, false).map((record, place) => [record, place]));
}

/** Milliseconds of a record's time, for sorting. */
export function timeOf(record) {
  return record.captured ? Date.parse(record.captured) : null;
}

/**
 * Histogram of a score.
 * @returns {number[]} a count for each of `bins` equal parts
 */
export function histogram(records, score, scale, bins) {
  const counts = new Array(bins).fill(0);
  for (const record of records) {
    const value = scoreOf(record, score);
    if (value === null) continue;
    const place = Math.floor(((value - scale.low) / (scale.high - scale.low)) * bins);
    counts[Math.min(bins - 1, Math.max(0, place))] += 1;
  }
  return counts;
}

/**
 * Every folder that holds photos, itself or in folders below.
 * @returns {{folder: string, depth: number, count: number}[]} in the order of a tree
 */
export function foldersOf(records) {
  const counts = new Map();
  for (const record of records) counts.set(record.folder, (counts.get(record.folder) ?? 0) + 1);
  const all = new Map();
  for (const [folder, count] of counts) {
    const parts = folder === "" ? [] : folder.split("/");
    for (let depth = 0; depth <= parts.length; depth += 1) {
      const above = parts.slice(0, depth).join("/");
      if (above === "" && depth > 0) continue;
      all.set(above, (all.get(above) ?? 0) + count);
    }
  }
  return [...all]
    .sort(([one], [other]) => collator.compare(one, other))
    .map(([folder, count]) => ({ folder, depth: folder === "" ? 0 : folder.split("/").length, count }));
}

const whole = new Intl.NumberFormat();

/** A count, in the notation of the user's locale. */
export function amount(number) {
  return whole.format(number);
}

/** "1 photo", "2,000 photos". */
export function photos(count) {
  return `${amount(count)} ${count === 1 ? "photo" : "photos"}`;
}

/** A score with three significant digits. */
export function shortNumber(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** 0…100 without decimals; 99.7 is not yet 100. */
export function percent(value) {
  return value === null || value === undefined ? "–" : String(value < 100 ? Math.min(99, Math.round(value)) : 100);
}

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** When a photo was taken, in words; marked where only the file's time is known. */
export function dateOf(record) {
  if (!record.captured) return "";
  const text = moment.format(new Date(record.captured));
  return record.captured_is_file_time ? `file of ${text}` : text;
}

/**
 * Names with how many records have each, the most frequent first.
 * @param {PhotoRecord[]} records
 * @param {function(PhotoRecord): string[]} names of a record
 * @returns {Array<[string, number]>}
 */
export function countsOf(records, names) {
  const counts = new Map();
  for (const record of records) for (const name of names(record)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([one, many], [other, few]) => few - many || collator.compare(one, other));
}

/** A record in one sentence, for screen readers. */
export function describe(record, columns, rank) {
  const scores = columns.map((head) => {
    const [value, percentile] = record.scores[head] ?? [null, null];
    return percentile === null ? `${head} ${shortNumber(value)}` : `${head} ${shortNumber(value)}, percentile ${percent(percentile)}`;
  });
  if (!isPhoto(record)) return `${nameOf(record)}; not a photo, not ranked`;
  return [`${rank}. ${nameOf(record)}`, ...(record.formats ? [record.formats] : []), `overall ${percent(record.overall)}`, ...scores, ...(record.faults ?? []).map(words)].join("; ");
}
