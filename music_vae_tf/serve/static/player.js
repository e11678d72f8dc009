// What is heard: a loop that goes round, or a song before and after in sync.

import { HiHat } from "/static/sounds.js";

const AHEAD_S = 0.12; // notes are handed to the browser this long before they sound
const AHEAD_HIDDEN_S = 1.5; // the timers of a hidden page are slow
const TICK_MS = 25, START_S = 0.02, SWITCH_S = 0.01, VOLUME = 0.7;
const modulo = (a, n) => ((a % n) + n) % n;

export class Player {
  constructor() {
    this.sounds = null;
    this.mode = null; // "loop" or "song"
    this.loop = null;
    this.song = null;
    this.side = "after";
    this.voices = [];
    this.asked = 0; // when a sound was last asked for, by performance.now()
    this.onchange = () => {};
  }

  // Browsers allow sound only after a click or a key; hence not in the constructor.
  async wake() {
    if (!this.context) {
      const context = new AudioContext({ latencyHint: "interactive" });
      const limiter = context.createDynamicsCompressor();
      limiter.threshold.value = -3;
      limiter.ratio.value = 12;
      limiter.attack.value = 0.002;
      limiter.release.value = 0.12;
      this.analyser = context.createAnalyser();
      this.master = context.createGain();
      this.master.gain.value = VOLUME;
      this.master.connect(limiter).connect(this.analyser).connect(context.destination);
      this.buses = {};
      for (const side of ["loop", "before", "after"]) {
        this.buses[side] = context.createGain();
        this.buses[side].connect(this.master);
      }
      this.context = context;
    }
    if (this.context.state !== "running") await this.context.resume();
  }

  get playing() { return this.mode !== null; }

  // The loudest sample of the last moment, 0 to 1.
  level() {
    if (!this.analyser) return 0;
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    return samples.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  }

  // Loops: notes in quarters, { notes, quarters, qpm }.

  setLoop(loop) {
    const position = this.mode === "loop" ? this.position() : 0;
    this.loop = loop;
    if (this.mode !== "loop") return;
    const now = this.context.currentTime;
    this.cancel(now);
    this.origin = now - position * this.secondsPerQuarter;
    this.until = now;
    this.tick();
  }

  async playLoop() {
    await this.wake();
    await this.sounds.load(this.loop.notes);
    this.begin("loop");
    const early = this.loop.notes.filter((note) => note[0] < 0); // before the first beat
    for (const note of early) this.strike("loop", note, this.origin, this.secondsPerQuarter);
    this.tick();
  }

  get secondsPerQuarter() { return 60 / this.loop.qpm; }

  // In quarters of a loop, in seconds of a song.
  position() {
    if (!this.playing) return this.mode === null && this.rest ? this.rest : 0;
    const seconds = Math.max(this.context.currentTime - this.origin, 0);
    if (this.mode === "song") return seconds;
    return modulo(seconds / this.secondsPerQuarter, this.loop.quarters);
  }

  scheduleLoop(from, to) {
    const scale = this.secondsPerQuarter, length = this.loop.quarters;
    const first = (from - this.origin) / scale, last = (to - this.origin) / scale;
    for (let k = Math.floor(first / length); k <= Math.floor(last / length); k++) {
      for (const note of this.loop.notes) {
        const at = k * length + modulo(note[0], length);
        if (at >= first && at < last) this.strike("loop", note, this.origin + at * scale, scale);
      }
    }
  }

  // Songs: notes in seconds, { before, after, seconds }.

  setSong(song) {
    const position = this.position(), playing = this.mode === "song";
    this.song = song;
    if (playing) this.playSong(position);
  }

  async playSong(position = 0) {
    await this.wake();
    await this.sounds.load([...this.song.before, ...this.song.after]);
    this.begin("song", position);
    this.next = {};
    for (const side of ["before", "after"]) {
      const index = this.song[side].findIndex((note) => note[0] >= position);
      this.next[side] = index < 0 ? this.song[side].length : index;
      this.buses[side].gain.value = side === this.side ? 1 : 0;
    }
    this.tick();
  }

  setSide(side) {
    this.side = side;
    if (!this.context) return;
    for (const name of ["before", "after"]) {
      const gain = this.buses[name].gain;
      gain.setTargetAtTime(name === side ? 1 : 0, this.context.currentTime, SWITCH_S);
    }
  }

  scheduleSong(to) {
    for (const side of ["before", "after"]) {
      const notes = this.song[side];
      while (this.next[side] < notes.length && this.origin + notes[this.next[side]][0] < to) {
        const note = notes[this.next[side]++];
        this.strike(side, note, this.origin + Math.max(note[0], 0), 1);
      }
    }
    if (this.context.currentTime > this.origin + this.song.seconds + 0.5) this.stop();
  }

  // Both.

  begin(mode, position = 0) {
    this.stop();
    this.mode = mode;
    this.hiHats = { loop: new HiHat(), before: new HiHat(), after: new HiHat() };
    this.origin = this.context.currentTime + START_S - position;
    this.until = this.origin + position;
    this.timer = setInterval(() => this.tick(), TICK_MS);
    if (this.asked) {
      const delay = performance.now() - this.asked + START_S * 1000;
      const latency = (this.context.baseLatency ?? 0) * 1000;
      performance.measure("sample to sound", { start: this.asked, duration: delay + latency });
      this.asked = 0;
    }
    this.onchange();
  }

  tick() {
    if (!this.playing) return;
    const now = this.context.currentTime;
    const to = now + (document.hidden ? AHEAD_HIDDEN_S : AHEAD_S);
    this.voices = this.voices.filter((voice) => voice.when > now - 1);
    if (this.mode === "song") return this.scheduleSong(to);
    if (to <= this.until) return;
    this.scheduleLoop(Math.max(this.until, now - 0.05), to);
    this.until = to;
  }

  strike(side, note, when, scale) {
    const at = Math.max(when, this.context.currentTime);
    const lasts = Math.max((note[1] - note[0]) * scale, 0.03);
    const voice = this.sounds.play(this.context, this.buses[side], note, at, lasts);
    if (!voice) return;
    this.hiHats[side].after(voice);
    this.voices.push(voice);
  }

  // Takes back notes that have not sounded yet.
  cancel(from) {
    for (const voice of this.voices) if (voice.when > from) voice.source.stop();
    this.voices = this.voices.filter((voice) => voice.when <= from);
  }

  stop() {
    if (!this.playing) return;
    this.rest = this.mode === "song" ? this.position() : 0;
    clearInterval(this.timer);
    const now = this.context.currentTime;
    this.cancel(now);
    for (const { gain } of this.voices) gain.gain.setTargetAtTime(0, now, 0.03);
    this.voices = [];
    this.mode = null;
    this.onchange();
  }
}
