// Progress of scoring, at the top of the page.

import { element } from "./dom.js";
import { amount, photos } from "./records.js";

export class Progress {
  /** @param {HTMLElement} root is filled */
  constructor(root) {
    this._bar = element("progress", { "aria-label": "Photos scored" });
    this._text = element("span", { class: "p-progress-text" });
    // Screen readers announce the beginning and the end, not numbers that change every second.
    this._said = element("span", { class: "g-hidden", role: "status" });
    this._state = "";
    root.replaceChildren(this._bar, this._text, this._said);
    this._bar.hidden = true;
  }

  /** @param {{scoring: object, stacks: object}} status of the API */
  show({ scoring, stacks }) {
    const { state, total, done, failed, seconds_left: left, message } = scoring;
    this._bar.hidden = state !== "scoring" && state !== "loading";
    if (state === "loading") this._bar.removeAttribute("value");
    else {
      this._bar.max = Math.max(1, total);
      this._bar.value = done;
    }
    this._text.textContent = words(scoring) || stackProgress(stacks);
    this._text.classList.toggle("p-bad", state === "failed");
    if (state !== this._state) {
      if (state === "scoring") this._said.textContent = `Scoring ${photos(total)}`;
      else if (state === "done" && this._state) this._said.textContent = `${photos(done - failed)} scored`;
      else if (state === "failed") this._said.textContent = message ?? "";
      this._state = state;
    }
    this._text.title = left ? `about ${duration(left)} left` : "";
  }
}

function words({ state, total, done, seconds_left: left, message }) {
  if (state === "loading") return message ?? "Loading the model …";
  if (state === "scoring") return `${amount(done)} of ${amount(total)} scored${left ? ` · ${duration(left)} left` : ""}`;
  return state === "failed" ? (message ?? "Scoring stopped.") : "";
}

function stackProgress({ state, total, done, message }) {
  if (state === "grouping") return "Looking for bursts …";
  if (state === "looking" && done < total) return `${amount(done)} of ${amount(total)} bursts looked at in full size`;
  return state === "failed" ? `No bursts were found: ${message}` : "";
}

function duration(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
