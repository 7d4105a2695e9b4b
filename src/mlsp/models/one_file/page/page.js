// The page: takes files, shows scores, best first.
const find = (id) => document.getElementById(id);
const status = find("status");
const rows = [];
let model, worker, waiting = 0;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Several threads need isolation; see isolation.js. The first visit reloads once. */
async function isolate() {
  if (self.crossOriginIsolated || !navigator.serviceWorker || !self.isSecureContext || sessionStorage.getItem("isolated")) return;
  try {
    await navigator.serviceWorker.register("isolation.js");
    await navigator.serviceWorker.ready;
    sessionStorage.setItem("isolated", "1");
    location.reload();
    await new Promise(() => {});
  } catch {
    // Without isolation, one thread scores.
  }
}

async function start() {
  await isolate();
  model = await (await fetch("model.json")).json();
  find("summary").textContent = model.summary;
  find("license").textContent = `Model ${model.name}: ${model.license}.`;
  find("limits").append(...model.limits.map((limit) => element("li", { textContent: limit })));
  for (const head of model.heads) {
    find("meanings").append(element("dt", { textContent: `${head.name}, ${head.lowest} to ${head.highest}` }), element("dd", { textContent: head.meaning }));
  }
  find("columns").append(
    element("th", { scope: "col", className: "photo", textContent: "photo" }),
    element("th", { scope: "col", textContent: "overall" }),
    ...model.heads.map((head) => element("th", { scope: "col", textContent: head.name })),
    ...model.classifiers.map(({ name }) => element("th", { scope: "col", textContent: name === "kinds" ? "kind" : name })),
  );
  worker = new Worker("worker.js", { type: "module" });
  worker.addEventListener("message", ({ data }) => receive(data));
  worker.addEventListener("error", () => { status.textContent = "This browser cannot run the model: use a current Firefox, Chrome, Edge or Safari."; });
  worker.postMessage({ id: -1, record: model });
}

function receive({ id, engine, error, ...result }) {
  if (id === -1) {
    status.textContent = error ? `The model cannot be loaded: ${error}` : `Ready (${engine}).`;
    if (!error) document.documentElement.dataset.engine = engine;
    return;
  }
  Object.assign(rows[id], result, { error });
  waiting -= 1;
  const done = rows.filter((row) => row.scores).length;
  const failed = rows.filter((row) => row.error).length;
  status.textContent = waiting ? `${done} scored, ${waiting} to go` : `${done} scored${failed ? `, ${failed} failed` : ""}`;
  show();
}

function add(files) {
  for (const file of files) {
    rows.push({ name: file.webkitRelativePath || file.name, url: URL.createObjectURL(file) });
    waiting += 1;
    worker.postMessage({ id: rows.length - 1, file });
  }
  if (waiting) status.textContent = `${waiting} to go`;
}

/** The labels that a photo gets: faults that reach their thresholds, of kinds the most probable one that does. */
function labels({ name, labels: all }, scores) {
  const isFault = name === "faults";
  const found = all.filter((label) => (label.threshold === null ? !isFault : scores[label.name] >= label.threshold))
    .sort((one, other) => scores[other.name] - scores[one.name]);
  return isFault ? found : found.slice(0, 1);
}

// What is no photo has neither an overall nor percentiles.
const number = (value, decimals, none) => (Number.isFinite(value) ? value.toFixed(decimals) : none);
const byOverall = (one, other) => (other.scores?.overall || -1) - (one.scores?.overall || -1);

function scoreCell(value, percentile, head) {
  const cell = element("td", {}, value.toFixed(3));
  if (Number.isFinite(percentile)) {
    cell.append(element("meter", { min: 0, max: 100, value: percentile, title: `better than ${Math.round(percentile)} % of the rated photos`, ariaLabel: `${head} percentile ${Math.round(percentile)}` }));
  }
  return cell;
}

function show() {
  const ranked = rows.filter((row) => row.scores || row.error)
    .sort(byOverall);
  find("rows").replaceChildren(...ranked.map((row) => {
    row.image ??= element("img", { src: row.url, alt: "", loading: "lazy" });
    const photo = element("td", { className: "photo" }, element("div", {}, row.image, row.name));
    if (row.error) return element("tr", {}, photo, element("td", { className: "error", colSpan: 1 + model.heads.length + model.classifiers.length, textContent: row.error }));
    return element("tr", {}, photo,
      element("td", {}, element("strong", { textContent: number(row.scores.overall, 1, "–") })),
      ...model.heads.map(({ name }) => scoreCell(row.scores[name], row.scores[`${name}_percentile`], name)),
      ...model.classifiers.map((one) => {
        const found = labels(one, row.scores);
        return element("td", { textContent: found.map(({ words }) => words).join(", "), title: found.map(({ meaning }) => meaning).join("; ") });
      }));
  }));
  find("results").hidden = find("save").hidden = !ranked.length;
}

function csv() {
  const heads = model.heads.flatMap(({ name, has_percentile: percentile }) => percentile ? [name, `${name}_percentile`] : [name]);
  // Spreadsheets would take a name that begins like this for a formula.
  const quoted = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? `./${text}` : text).replaceAll('"', '""')}"`;
  const lines = rows.filter((row) => row.scores).sort(byOverall)
    .map((row) => [
      quoted(row.name), number(row.scores.overall, 1, ""), ...heads.map((name) => number(row.scores[name], 4, "")),
      ...model.classifiers.map((one) => labels(one, row.scores).map(({ name }) => name).join(" ")), row.width, row.height, model.name,
    ].join(","));
  return [["photo", "overall", ...heads, ...model.classifiers.map(({ name }) => (name === "kinds" ? "kind" : name)), "width", "height", "model"].join(","), ...lines, ""].join("\r\n");
}

find("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
const drop = find("drop");
for (const name of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop") add(event.dataTransfer.files);
  });
}
find("save").addEventListener("click", () => {
  const link = element("a", { href: URL.createObjectURL(new Blob([csv()], { type: "text/csv" })), download: "scores.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
});
start().catch((error) => { status.textContent = `The page cannot start: ${error.message}`; });
