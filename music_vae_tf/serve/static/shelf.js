// Loops that are kept, in this browser's storage.

import { drawNotes } from "/static/roll.js";

const KEY = "music_vae_tf.shelf";

// What a browser kept may be of another version, or damaged.
function isLoop(one) {
  const isNote = (note) => Array.isArray(note) && note.length >= 6 && note.every(Number.isFinite);
  return Boolean(one) && Array.isArray(one.notes) && one.notes.every(isNote)
    && Number.isFinite(one.quarters) && one.quarters > 0 && Number.isFinite(one.qpm)
    && typeof one.config === "string" && typeof one.z === "string";
}

export class Shelf {
  // actions: { play(loop), save(loop, format) }
  constructor(list, empty, zip, most, actions) {
    Object.assign(this, { list, empty, zip, most, actions });
    try {
      this.loops = JSON.parse(localStorage.getItem(KEY)) ?? [];
    } catch {
      this.loops = [];
    }
    this.loops = Array.isArray(this.loops) ? this.loops.filter(isLoop) : [];
    this.show();
  }

  add(loop) {
    if (this.loops.length >= this.most) throw new Error(`The shelf holds ${this.most} loops. Remove one first.`);
    this.loops.push(loop);
    this.store();
  }

  remove(loop) {
    this.loops = this.loops.filter((one) => one !== loop);
    this.store();
  }

  store() {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.loops));
    } catch { /* without storage it lasts as long as the page */ }
    this.show();
  }

  show() {
    this.list.replaceChildren(...this.loops.map((loop, i) => this.item(loop, i + 1)));
    this.empty.hidden = this.loops.length > 0;
    this.zip.disabled = !this.loops.length;
    this.draw();
  }

  draw() {
    [...this.list.querySelectorAll("canvas")].forEach((canvas, i) => {
      const { notes, quarters } = this.loops[i];
      drawNotes(canvas, notes, { from: 0, to: quarters, always: notes.some((note) => note[5]) });
    });
  }

  item(loop, number) {
    const item = document.createElement("li"), canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Loop ${number}: ${loop.notes.length} notes`);
    const row = document.createElement("div");
    row.className = "row";
    const button = (text, label, action) => {
      const made = document.createElement("button");
      made.textContent = text;
      made.setAttribute("aria-label", `${label} loop ${number}`);
      made.addEventListener("click", () => action());
      row.append(made);
    };
    button("Play", "Play", () => this.actions.play(loop));
    for (const format of ["mid", "wav", "png"]) {
      const name = format === "mid" ? "MIDI" : format.toUpperCase();
      button(name, `Save ${name} of`, () => this.actions.save(loop, format));
    }
    button("Remove", "Remove", () => this.remove(loop));
    const facts = document.createElement("span");
    facts.className = "facts";
    facts.textContent = `${number}. ${loop.config}, ${Math.round(loop.qpm)} BPM`;
    item.append(facts, canvas, row);
    return item;
  }
}
