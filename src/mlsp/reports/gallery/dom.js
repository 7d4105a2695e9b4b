// Elements from code. Texts are set as text, never parsed: a file's name may hold markup.

/**
 * Make an element.
 * @param {string} tag
 * @param {Object<string, any>} [attributes] `text` sets the text, `on…` adds a listener, null and false leave an attribute out.
 * @param {...(Node|string|null|undefined)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element of a drawing; drawings are hidden from screen readers.
 * @param {string} tag
 * @param {Object<string, any>} attributes
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function drawing(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * A line drawing of 24 × 24 units, for buttons.
 * @param {string} path SVG path data.
 * @returns {SVGElement}
 */
export function icon(path) {
  return drawing("svg", { viewBox: "0 0 24 24", class: "g-icon", "aria-hidden": "true" }, drawing("path", { d: path }));
}
