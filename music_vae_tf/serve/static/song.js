// A user's own MIDI file: transformed, seen and heard before and after.

import { latestOnly, save, upload } from "/static/api.js";
import { Amounts } from "/static/amounts.js";
import { drawNotes, references } from "/static/roll.js";

const $ = (id) => document.getElementById(id);
const WINDOW_BARS = 4, TRACK = "track:";
const number = () => Math.floor(Math.random() * 2 ** 31);

export class SongPanel {
  // page: { player, say(words), fail(error), model(), temperature(), place(loop) }
  constructor(page, limit) {
    Object.assign(this, { page, limit, bytes: null, song: null, seed: 0 });
    this.transform = latestOnly(() => this.transformNow());
    this.amounts = new Amounts($("song-attributes"), () => this.transform());
    $("file").addEventListener("change", (event) => this.take(event.target.files[0]));
    addEventListener("dragover", (event) => { event.preventDefault(); $("dropping").hidden = false; });
    addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("dropping").hidden = true; });
    addEventListener("drop", (event) => {
      event.preventDefault();
      $("dropping").hidden = true;
      this.take(event.dataTransfer.files[0]);
    });
    $("amount").addEventListener("input", () => { this.label(); this.transform(); });
    $("drums").addEventListener("change", () => {
      if (page.model().transform) this.transform(); else this.place();
    });
    $("song-again").addEventListener("click", () => { this.seed = number(); this.transform(); });
    $("play-song").addEventListener("click", () => this.toggle());
    $("seek").addEventListener("input", () => this.seek());
    for (const input of document.querySelectorAll("input[name=side]")) {
      input.addEventListener("change", () => { page.player.setSide(input.value); this.draw(); });
    }
    $("song-mid").addEventListener("click", () => save(this.midi(), `${this.name}_transformed.mid`));
    $("song-wav").addEventListener("click", () => this.saveAs("wav", "Rendering the sound …"));
    $("song-png").addEventListener("click", () => this.saveAs("png", "Drawing the song …"));
    $("song-place").addEventListener("click", () => this.place());
    this.label();
  }

  label() { $("amount-out").value = `${Math.round($("amount").value * 100)} %`; }

  async take(file) {
    if (!file) return;
    try {
      if (file.size > this.limit) {
        throw new Error(`${file.name} is too large: at most ${(this.limit / 2 ** 20).toFixed(1)} MiB are accepted.`);
      }
      this.bytes = await file.arrayBuffer();
      this.name = file.name.replace(/\.\w+$/, "").replace(/[^\w-]+/g, "_") || "song";
      $("file").value = "";
      this.clear();
      this.showTracks([]);
      // `follow` goes on with the file.
      this.waits = !this.page.model();
      if (this.waits) return this.page.say("The model is still loading …");
      await (this.page.model().transform ? this.transform() : this.place());
    } catch (error) {
      this.page.fail(error);
    }
  }

  // Nothing of another file or of other options stays beside a refusal.
  clear() {
    const { player } = this.page;
    if (player.mode === "song") player.stop();
    this.song = null;
    $("song").hidden = true;
  }

  // The options that another model has, and what it makes of the file.
  follow() {
    const model = this.page.model();
    this.amounts.show(model.song_attributes);
    $("song-options").hidden = !(this.bytes && model.transform);
    this.clear();
    if (this.bytes && model.transform) this.transform();
    else if (this.waits) this.place();
    this.waits = false;
  }

  // tracks: { drums, label }; by name, or by number where a track has none.
  showTracks(tracks) {
    const chosen = $("drums").value, options = [...$("drums").options];
    for (const option of options) if (option.value.startsWith(TRACK)) option.remove();
    $("drums").append(...tracks.map(({ drums, label }) => new Option(`on ${label}`, drums)));
    $("drums").value = chosen;
    if (!$("drums").value) $("drums").value = "auto";
  }

  query() {
    const moved = Object.entries(this.amounts.values()).filter(([, amount]) => amount);
    return new URLSearchParams({
      model: this.page.model().id, amount: $("amount").value, seed: this.seed,
      temperature: this.page.temperature(), drums: $("drums").value,
      attributes: moved.map((pair) => pair.join("=")).join(","),
    });
  }

  async transformNow() {
    if (!this.bytes) return;
    this.page.say("Transforming …");
    $("song-options").hidden = false;
    try {
      const response = await upload(`/api/transform?${this.query()}`, this.bytes);
      this.song = await response.json();
      this.showTracks(this.song.tracks);
      this.references = references(this.song.before, this.song.after);
      $("song").hidden = false;
      $("report").replaceChildren(...this.song.report.map((line) => {
        const item = document.createElement("li");
        item.textContent = line;
        return item;
      }));
      this.page.player.setSong(this.song);
      for (const side of ["before", "after"]) {
        $(side).setAttribute("aria-label", `The file ${side}: ${this.song[side].length} notes`);
      }
      this.page.say(this.song.report.at(-1));
      this.draw();
    } catch (error) {
      this.clear();
      if (error.details?.tracks) this.showTracks(error.details.tracks);
      this.page.fail(error);
    }
  }

  async toggle() {
    const { player } = this.page;
    if (player.mode === "song") return player.stop();
    try {
      const start = Number($("seek").value) * this.song.seconds;
      await player.playSong(start < this.song.seconds - 0.1 ? start : 0);
    } catch (error) {
      this.page.fail(error);
    }
  }

  compare() {
    if (!this.song) return;
    const other = document.querySelector("input[name=side]:not(:checked)");
    other.checked = true;
    other.dispatchEvent(new Event("change"));
  }

  async seek() {
    if (!this.song) return;
    const to = Number($("seek").value) * this.song.seconds;
    if (this.page.player.mode === "song") await this.page.player.playSong(to);
    this.draw();
  }

  now() {
    const { player } = this.page;
    return player.mode === "song" ? player.position() : Number($("seek").value) * this.song.seconds;
  }

  draw() {
    if (!this.song) return;
    const now = this.now(), { bars, seconds, before, after } = this.song;
    if (this.page.player.mode === "song") $("seek").value = Math.min(now / seconds, 1);
    const bar = Math.max(bars.findLastIndex((start) => start <= now), 0);
    const first = bar - bar % WINDOW_BARS;
    const from = bars[first] ?? 0, to = bars[first + WINDOW_BARS] ?? Math.max(seconds, from + 1);
    const options = { from, to, bars, now, all: [...before, ...after], labels: true };
    drawNotes($("before"), before, options);
    const reference = (_, i) => this.references.get(i);
    drawNotes($("after"), after, { ...options, reference });
    for (const side of ["before", "after"]) {
      $(side).classList.toggle("silent", side !== this.page.player.side);
    }
  }

  midi(of = this.song.midi) {
    const bytes = Uint8Array.from(atob(of), (letter) => letter.charCodeAt(0));
    return new Blob([bytes], { type: "audio/midi" });
  }

  async saveAs(format, words) {
    this.page.say(words);
    try {
      const { name } = this, heard = await this.midi(this.song.heard).arrayBuffer();
      const response = await upload(`/api/song.${format}`, heard);
      save(await response.blob(), `${name}_transformed.${format}`);
      this.page.say("Saved.");
    } catch (error) {
      this.page.fail(error);
    }
  }

  async place() {
    try {
      const query = new URLSearchParams({ model: this.page.model().id, drums: $("drums").value });
      const response = await upload(`/api/place?${query}`, this.bytes);
      await this.page.place(await response.json());
      this.page.say("The loop is what the model makes of the first bars of the file.");
    } catch (error) {
      if (error.details?.tracks) {
        this.showTracks(error.details.tracks);
        $("song-options").hidden = false;
      }
      this.page.fail(error);
    }
  }
}
