// Single sounds of the server's SoundFont, and notes that are played with them.
// A note is [start, end, pitch, velocity, program, drum].

import { getBytes } from "/static/api.js";

const RATE_HZ = 48000;
const APART = 4; // semitones between the sounds of a pitched program
const CLOSED = new Set([42, 44, 22]), OPEN = new Set([46, 26]); // hi-hats
const RELEASE_S = 0.08;

export class Sounds {
  // facts: velocities, seconds and most pitches, as the server describes them
  constructor(facts) {
    this.facts = facts;
    this.found = new Map();
  }

  // Fetches what these notes need and is not here yet.
  async load(notes) {
    const wanted = new Map();
    for (const note of notes) {
      const { kind, pitch } = this.source(note);
      if (this.found.has(`${kind} ${pitch}`)) continue;
      wanted.set(kind, (wanted.get(kind) ?? new Set()).add(pitch));
    }
    const all = [];
    for (const [kind, pitches] of wanted) {
      const sorted = [...pitches].sort((a, b) => a - b), most = this.facts.most_pitches;
      for (let i = 0; i < sorted.length; i += most) {
        all.push(this.fetch(kind, sorted.slice(i, i + most)));
      }
    }
    await Promise.all(all);
  }

  source([, , pitch, , program, drum]) {
    if (drum) return { kind: `drum=1&program=${program}`, pitch };
    const near = Math.min(Math.round(pitch / APART) * APART, 124);
    return { kind: `drum=0&program=${program}`, pitch: near };
  }

  async fetch(kind, pitches) {
    const bytes = await getBytes(`/api/sounds?${kind}&pitches=${pitches.join(",")}`);
    const decoder = new OfflineAudioContext(1, 1, RATE_HZ);
    const buffer = await decoder.decodeAudioData(bytes);
    const isDrum = kind.startsWith("drum=1");
    const layers = this.facts[isDrum ? "drum_velocities" : "pitched_velocities"];
    const seconds = this.facts[isDrum ? "drum_seconds" : "pitched_seconds"];
    pitches.forEach((pitch, i) => {
      this.found.set(`${kind} ${pitch}`, layers.map((velocity, j) => (
        { buffer, velocity, offset: (i * layers.length + j) * seconds, seconds })));
    });
  }

  // Lets a note sound at a time of the context; gives the voice, or null.
  play(context, bus, note, when, lasts) {
    const { kind, pitch } = this.source(note);
    const layers = this.found.get(`${kind} ${pitch}`);
    if (!layers) return null;
    const distance = (layer) => Math.abs(layer.velocity - note[3]);
    const layer = layers.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    const source = context.createBufferSource(), gain = context.createGain();
    source.buffer = layer.buffer;
    gain.gain.value = (note[3] / layer.velocity) ** 2; // as General MIDI has it
    if (!note[5]) {
      source.playbackRate.value = 2 ** ((note[2] - pitch) / 12);
      gain.gain.setTargetAtTime(0, when + lasts, RELEASE_S);
    }
    source.connect(gain).connect(bus);
    source.start(when, layer.offset, layer.seconds);
    if (!note[5]) source.stop(when + lasts + 6 * RELEASE_S);
    source.onended = () => gain.disconnect();
    return { source, gain, when, note };
  }
}

// Ends an open hi-hat where a closed one is struck.
export class HiHat {
  constructor() { this.open = null; }

  after(voice) {
    const pitch = voice.note[5] ? voice.note[2] : -1;
    if (!OPEN.has(pitch) && !CLOSED.has(pitch)) return;
    if (this.open && voice.when > this.open.when) {
      this.open.gain.gain.setTargetAtTime(0, voice.when, 0.015);
    }
    this.open = OPEN.has(pitch) ? voice : null;
  }
}
