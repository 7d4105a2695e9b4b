// Requests to the server of this page. Failures become errors whose message can be shown to the user.

const ASK_MS = 300;

/** A refusal by the server, with its reason. */
export class Refused extends Error {
  /**
   * @param {string} message
   * @param {number} status of HTTP
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  /** Whether a later try may succeed: the session has ended, or the server has failed. */
  get mayPass() {
    return this.status === 401 || this.status >= 500;
  }
}

/** The server does not answer. */
export class Unreachable extends Error {
  constructor() {
    super("mlsp serve does not answer. Is it still running?");
  }
}

/** @returns {Promise<any>} the answer's JSON */
export async function get(path) {
  return (await request(path)).json();
}

/** @returns {Promise<any>} the answer's JSON */
export async function post(path, body = {}) {
  const answer = await request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  return answer.json();
}

/** Wait before progress is asked for again. */
export function pause() {
  return new Promise((done) => { setTimeout(done, ASK_MS); });
}

/**
 * Save a file of the server as a download.
 * @returns {Promise<string>} its name
 */
export async function download(path) {
  const answer = await request(path);
  const name = /filename="?([^";]+)"?/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? path.slice(path.lastIndexOf("/") + 1);
  const url = URL.createObjectURL(await answer.blob());
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  // The browser reads the URL a moment later.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return name;
}

async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`/api/${path}`, { cache: "no-store", ...options });
  } catch {
    throw new Unreachable();
  }
  if (answer.ok) return answer;
  throw new Refused(await reason(answer), answer.status);
}

async function reason(answer) {
  const text = await answer.text();
  try {
    const { error } = JSON.parse(text);
    if (typeof error === "string") return error;
  } catch {
    // The answer is not from the API; only its status is known.
  }
  return `mlsp serve answered ${answer.status} ${answer.statusText}`.trim();
}
