// What somebody chose stays when the page is loaded again, as long as the tab is open.

const PREFIX = "mlsp ";

/** @returns {object} what was kept under a name; {} if nothing was */
export function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + name)) ?? {};
  } catch {
    return {};
  }
}

/** Keep some properties under a name, beside those that were kept before. Browsers may refuse; then they last only as long as the page. */
export function keep(name, properties) {
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify({ ...kept(name), ...properties }));
  } catch {
    return;
  }
}
