// A model of the user's own taste: ratings so far, learning, agreement with the user, installing.

import { element } from "./dom.js";
import { photos } from "./records.js";
import { get, pause, post } from "./server.js";

export class Learn {
  /**
   * @param {HTMLElement} root is filled
   * @param {object} options
   * @param {import("./collection.js").Collection} options.collection
   * @param {import("./outbox.js").Outbox} options.outbox
   * @param {import("./toast.js").Toast} options.toast
   */
  constructor(root, { collection, outbox, toast }) {
    Object.assign(this, { _root: root, _collection: collection, _outbox: outbox, _toast: toast });
    this._learn = null;
    this._isNew = false;
    this._isLearning = false;
    this._heading = element("h1", { text: "My taste", tabindex: "-1" });
    this._amount = element("p", { class: "p-amount" });
    this._bar = element("progress", { class: "p-bar", "aria-label": "Ratings and comparisons so far" });
    this._button = element("button", { type: "button", class: "g-button p-strong", text: "Learn my taste", onclick: () => this._start() });
    this._status = element("p", { class: "p-said", role: "status" });
    this._result = element("div", { class: "p-result" });
    root.replaceChildren(
      element(
        "div", { class: "p-card" }, this._heading,
        element("p", {
          text: "The default model knows what people like in general. From your stars, picks, rejects and comparisons it can learn what you like. Learning runs on this computer, takes seconds, and changes no photo.",
        }),
        this._amount, this._bar,
        element("p", { class: "p-row" }, this._button, element("a", { class: "g-button", href: "#photos", text: "Rate photos" }), element("a", { class: "g-button", href: "#compare", text: "Compare two" })),
        this._status, this._result,
      ),
    );
    collection.addEventListener("status", ({ detail: { status } }) => { if (!this._isLearning) this.show(status.learn); });
  }

  /** Focus the view, which has just been shown. */
  open() {
    this._heading.focus();
    // Ratings given a moment ago count.
    this._collection.ask();
  }

  /** @param {object} learn as the API gives it */
  show(learn) {
    // Redrawing would clear the name field, so an answer without news changes nothing.
    if (JSON.stringify(this._learn) === JSON.stringify(learn)) return;
    this._learn = learn;
    const { state, message, ratings, comparisons, needed, left_out: leftOut, result, saved } = learn;
    const have = ratings + comparisons;
    const missing = Math.max(0, needed - have);
    this._amount.textContent = `${count(ratings, "rating")} and ${count(comparisons, "comparison")} so far${missing > 0 ? `: about ${missing} more are needed` : ", which is enough. More make the result more certain"}.`;
    this._bar.max = needed;
    this._bar.value = Math.min(have, needed);
    this._button.disabled = missing > 0 || state === "running";
    this._button.textContent = state === "running" ? "Learning …" : result ? "Learn again" : "Learn my taste";
    this._status.textContent = state === "running" ? "Learning from your ratings and comparisons …" : (message ?? "");
    this._status.classList.toggle("p-bad", state !== "running" && message !== null);
    this._result.replaceChildren(...named(leftOut), ...(state === "done" && result ? this._verdict(result, saved) : saved ? this._howToUse(saved) : []));
  }

  async _start() {
    // Status answers that were requested earlier are out of date.
    this._isLearning = true;
    try {
      // The server must have all ratings before it learns from them.
      await this._outbox.send();
      this._isNew = true;
      this.show(await post("learn"));
      while (this._learn.state === "running") {
        await pause();
        this.show(await get("learn"));
      }
      this._toast.say(this._learn.state === "done" ? "Learned" : (this._learn.message ?? "Not learned"));
    } catch (error) {
      this._isNew = false;
      this._status.textContent = error.message;
      this._status.classList.add("p-bad");
    }
    this._isLearning = false;
  }

  _verdict(result, saved) {
    const { is_better: isBetter, agreement, default_agreement: general, measure } = result;
    const words = isBetter ? "Your own model predicts you better than the default does." : "Your own model does not predict you better than the default does yet, so it is not offered. Rate and compare more photos, then learn again.";
    const bar = (name, value, isOwn) =>
      element("div", { class: `p-agreement${isOwn ? " p-own" : ""}` }, element("dt", { text: name }), element("dd", {}, track(value), element("b", { text: value === null ? "–" : value.toFixed(2) })));
    return [
      element("h2", { text: words }),
      element("dl", { class: "p-agreements" }, bar("your model", agreement, true), bar("default", general, false)),
      element("p", { class: "g-note", text: `${measure}. Measured on answers that the model was not trained on.` }),
      ...(isBetter && (this._isNew || !saved) ? [this._form(saved)] : []), ...(saved ? this._howToUse(saved) : []),
    ];
  }

  _form(saved) {
    const name = element("input", { class: "g-input", id: "p-model-name", value: saved?.name ?? "mine", required: true, autocomplete: "off", spellcheck: "false" });
    const failure = element("p", { class: "p-said p-bad", role: "status" });
    const save = async (event) => {
      event.preventDefault();
      try {
        const saved = await post("learn/save", { name: name.value.trim() });
        this._toast.say(`Installed as ${saved.name}`);
        this._isNew = false;
        const learn = { ...this._learn, saved };
        this._learn = null;
        this.show(learn);
        this._result.querySelector(".p-installed").focus();
        await this._collection.ask();
      } catch (error) {
        failure.textContent = error.message;
      }
    };
    return element(
      "form", { class: "p-install", onsubmit: save }, element("label", { for: "p-model-name", text: "Name" }), name,
      element("button", { type: "submit", class: "g-button p-strong", text: "Install my model" }), failure,
    );
  }

  _howToUse({ name, folder }) {
    const command = `mlsp score --model ${name} PHOTOS`;
    const copy = element("button", {
      type: "button", class: "g-button", text: "Copy",
      onclick: () => navigator.clipboard.writeText(command).then(() => this._toast.say("Copied"), () => this._toast.say("The browser does not let this page use the clipboard", { isError: true })),
    });
    return [
      element("h2", { class: "p-installed", tabindex: "-1", text: `Your model is installed as ${name}` }),
      element("p", { class: "p-command" }, element("code", { text: command }), copy),
      element("p", { class: "g-note", text: `The photos on this page have its score, taste, beside the others. The model is a folder that you can copy: ${folder}` }),
    ];
  }
}

/** Photos whose judgements do not count, and why. */
function named(failures) {
  if (failures.length === 0) return [];
  return [
    element("p", { class: "g-note", text: `${photos(failures.length)} left out:` }),
    element("ul", { class: "p-kept" }, ...failures.map(({ photo, error }) => element("li", { text: `${photo}: ${error}` }))),
  ];
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function track(value) {
  const bar = element("span", { class: "p-track" }, element("span"));
  bar.firstChild.style.width = `${100 * Math.min(1, Math.max(0, value ?? 0))}%`;
  return bar;
}
