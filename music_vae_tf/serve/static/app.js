// The page: one loop at a time, where it is in the latent space, and what is done to it.

import { getJson, latestOnly, post, postJson, save } from "/static/api.js";
import { Amounts } from "/static/amounts.js";
import * as link from "/static/link.js";
import { LatentMap } from "/static/map.js";
import { Player } from "/static/player.js";
import { drawNotes, pen } from "/static/roll.js";
import { Shelf } from "/static/shelf.js";
import { SongPanel } from "/static/song.js";
import { Sounds } from "/static/sounds.js";

const $ = (id) => document.getElementById(id);
const randomSeed = () => Math.floor(Math.random() * 2 ** 31);
const SIXTEENTH = 0.25, STEPS = 5, KIT = [36, 38, 42, 46, 43, 47, 50, 49, 51];
const player = new Player();
const banks = new Map(); // of single sounds, by the facts they are made with
const pins = {};
let facts = null, offers = null, loop = null, seed = 0, shelf = null, song = null, timer = 0;
let frame = 0;

const say = (words) => { $("status").className = ""; $("status").textContent = words; };
function fail(error) {
  $("status").className = "alert";
  $("status").textContent = error.message;
}

// Loops.

const amounts = new Amounts($("attributes"), () => { if (loop) sample(here(), false); });

const recipe = (where) => ({
  model: facts.id, where, seed, temperature: Number($("temperature").value),
  qpm: Number($("qpm").value), attributes: amounts.values(),
});

const request = latestOnly(async (where, restart) => {
  try {
    const answer = await postJson("/api/sample", recipe(where));
    player.setLoop(answer);
    if (restart) await player.playLoop(); // first the sound, then the picture
    show(answer, !where.xy && where.point === undefined);
  } catch (error) {
    fail(error);
  }
});

function sample(where, restart) {
  if (!facts) return;
  player.asked = restart ? performance.now() : 0;
  if (restart) player.wake().catch(fail); // while the click allows it
  request(where, restart);
}

function show(answer, moveCursor) {
  loop = { ...answer, model: facts.id, config: facts.config, fingerprint: facts.fingerprint };
  if (player.loop !== answer) player.setLoop(answer);
  if (moveCursor) map.moveTo(loop.xy);
  map.draw();
  const hits = `${loop.notes.length} ${facts.is_drums ? "hits" : "notes"}`;
  $("facts").textContent = `${hits}, ${loop.quarters} beats, seed ${loop.seed}`;
  $("roll").setAttribute("aria-label", `The loop: ${hits} in ${loop.quarters} beats at ${Math.round(loop.qpm)} BPM`);
  say(`${hits} at ${Math.round(loop.qpm)} BPM`);
  enable(true);
  drawLoop();
  clearTimeout(timer);
  timer = setTimeout(remember, 300);
}

// What can be done with a loop, once one is there.
function enable(is) {
  for (const id of ["again", "keep", "link", "play", "pin-a", "pin-b"]) $(id).disabled = !is;
  for (const button of document.querySelectorAll(".save")) button.disabled = !is;
}

function remember() {
  history.replaceState(null, "", link.write(loop, facts));
}

function drawLoop() {
  if (!loop) return;
  const count = Math.round(loop.quarters), beats = [...Array(count).keys()];
  drawNotes($("roll"), loop.notes, {
    from: 0, to: loop.quarters, beats, bars: beats.filter((beat) => beat % 4 === 0),
    now: player.mode === "loop" ? player.position() : undefined,
    labels: true, always: facts.is_drums, audible: 0.012,
    reference: (note) => Math.round(note[0] / SIXTEENTH) * SIXTEENTH,
  });
}

const here = () => ({ z: loop.z });

function newLoop() {
  seed = randomSeed();
  sample({ draw: seed }, true);
}

function vary() {
  seed = randomSeed();
  sample(here(), true);
}

function label() {
  $("temperature-out").value = Number($("temperature").value).toFixed(2);
  $("qpm-out").value = `${$("qpm").value} BPM`;
}

function setTempo() {
  label();
  if (!loop) return;
  loop = { ...loop, qpm: Number($("qpm").value) };
  player.setLoop(loop);
  clearTimeout(timer);
  timer = setTimeout(remember, 300);
}

async function toggle() {
  if (!loop) return;
  if (player.playing) return player.stop();
  try {
    await player.playLoop();
  } catch (error) {
    fail(error);
  }
}

// Files.

const described = (one) => ({
  model: one.model, where: { z: one.z }, seed: one.seed,
  temperature: one.temperature, qpm: one.qpm, attributes: one.attributes,
});

async function saveFile(one, format) {
  try {
    const response = await post(`/api/file/${format}`, described(offered(one)));
    save(await response.blob(), `${one.config}_${one.seed}.${format}`);
  } catch (error) {
    fail(error);
  }
}

async function saveShelf() {
  say("Writing the shelf …");
  try {
    const loops = shelf.loops.map((one) => described(offered(one)));
    const response = await post("/api/shelf.zip", { loops });
    save(await response.blob(), "shelf.zip");
    say("Saved.");
  } catch (error) {
    fail(error);
  }
}

// A loop with the model of this server that it was made with.
function offered(one) {
  const known = offers.find((offer) => offer.id === one.model && offer.config === one.config)
    ?? offers.find((offer) => offer.config === one.config);
  if (!known) throw new Error(`This server has no model of config ${one.config}.`);
  return { ...one, model: known.id };
}

async function copyLink() {
  remember();
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link is copied.");
  } catch {
    say("The address of this page is the link.");
  }
}

// Between two loops.

function pin(name) {
  if (!loop) return;
  pins[name] = loop.z;
  map.pins[name.toUpperCase()] = loop.xy;
  map.draw();
  $(`pin-${name}`).classList.add("pinned");
  const both = Boolean(pins.a && pins.b);
  $("between").disabled = $("keep-steps").disabled = !both;
  $("between").value = name === "a" ? 0 : 1;
  say(both ? "Move the slider from A to B." : `Pinned ${name.toUpperCase()}. Pin another one.`);
}

const between = (t) => ({ between: { ...pins, t } });

async function keepSteps() {
  try {
    for (let i = 0; i < STEPS; i++) {
      const answer = await postJson("/api/sample", recipe(between(i / (STEPS - 1))));
      shelf.add({ ...answer, model: facts.id, config: facts.config, fingerprint: facts.fingerprint });
    }
    say(`Kept ${STEPS} steps from A to B.`);
  } catch (error) {
    fail(error);
  }
}

// Models.

// Nothing of the model before stays: each has a latent space of its own.
function clear() {
  player.stop();
  loop = null;
  enable(false);
  clearTimeout(timer);
  $("facts").textContent = "";
  $("roll").setAttribute("aria-label", "No loop yet");
  pen($("roll"));
  for (const name of ["a", "b"]) {
    delete pins[name];
    $(`pin-${name}`).classList.remove("pinned");
  }
  $("between").disabled = $("keep-steps").disabled = true;
}

async function choose(id) {
  say("Loading the model …");
  clear();
  facts = await getJson(`/api/models/${encodeURIComponent(id)}`);
  $("model").value = id;
  const key = JSON.stringify(facts.sounds);
  if (!banks.has(key)) banks.set(key, new Sounds(facts.sounds));
  player.sounds = banks.get(key);
  map.show(facts.map);
  $("colour").replaceChildren(...map.choices.map((name) => new Option(name, name)));
  $("colour").value = map.colourBy;
  $("colour").parentElement.hidden = !map.choices.length;
  $("map-source").textContent = `${facts.map.points.length} points: ${facts.map.source}. The axes show ${
    facts.map.shares.map((share) => `${Math.round(share * 100)} %`).join(" and ")} of the variance.`;
  $("task").textContent = facts.transform ? `The model ${facts.transform}.`
    : "The first bars of a file are played as the model reads them.";
  amounts.show(facts.attributes);
  song?.follow();
  $("new").disabled = false;
  // The sounds of the kit come before they are needed.
  if (facts.is_drums) await player.sounds.load(KIT.map((pitch) => [0, 0, pitch, 100, 0, 1]));
  say("Click on the map, or press N for a new loop.");
}

async function restore(state) {
  const offer = offers.find((one) => one.config === state.model);
  if (!offer) throw new Error(`The link is of a model ${state.model}, which this server does not have.`);
  if (facts?.id !== offer.id) await choose(offer.id);
  setState(state);
  show(await postJson("/api/sample", recipe({ z: state.z })), true);
  if (state.weights && state.weights !== facts.fingerprint) {
    fail(new Error("The link was made with other weights of this model: the loop differs."));
  }
}

function setState(state) {
  seed = state.seed;
  $("temperature").value = state.temperature;
  $("qpm").value = state.qpm;
  label();
  amounts.set(state.attributes);
}

async function playKept(kept) {
  try {
    const one = offered(kept);
    if (facts.id !== one.model) await choose(one.model);
    setState(one);
    sample({ z: one.z }, true);
  } catch (error) {
    fail(error);
  }
}

// All together.

const map = new LatentMap($("map"), $("legend"), ({ where, restart }) => sample(where, restart || !player.playing));

function connect() {
  const on = (id, event, action) => $(id).addEventListener(event, action);
  on("model", "change", () => choose($("model").value).catch(fail));
  on("colour", "change", () => map.colour($("colour").value));
  on("play", "click", toggle);
  on("new", "click", newLoop);
  on("again", "click", vary);
  on("keep", "click", keep);
  on("link", "click", copyLink);
  on("zip", "click", saveShelf);
  on("pin-a", "click", () => pin("a"));
  on("pin-b", "click", () => pin("b"));
  on("keep-steps", "click", keepSteps);
  on("between", "input", () => sample(between(Number($("between").value)), !player.playing));
  on("temperature", "input", () => { label(); if (loop) sample(here(), false); });
  on("temperature", "change", () => { if (song?.song) song.transform(); });
  on("qpm", "input", setTempo);
  for (const button of document.querySelectorAll(".save")) {
    button.addEventListener("click", () => saveFile(loop, button.dataset.format));
  }
  addEventListener("hashchange", () => {
    const state = link.read(location.hash);
    if (state) restore(state).catch(fail);
  });
  addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { map.paint(); redraw(); });
  addEventListener("keydown", keys);
  player.onchange = () => {
    for (const [id, mode] of [["play", "loop"], ["play-song", "song"]]) {
      const active = id === "play" ? player.playing : player.mode === mode;
      $(id).textContent = active ? "Stop" : "Play";
      $(id).setAttribute("aria-pressed", String(active));
    }
    redraw();
  };
}

function keep() {
  try {
    shelf.add(loop);
    say("Kept on the shelf.");
  } catch (error) {
    fail(error);
  }
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target.closest("input:not([type=range]), select, textarea, button, summary");
  if (target && (event.key === " " || target.tagName === "SELECT")) return;
  const actions = {
    " ": toggle, n: newLoop, v: () => loop && vary(), k: () => loop && keep(),
    1: () => pin("a"), 2: () => pin("b"), c: () => song.compare(),
  };
  const action = actions[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}

function redraw() {
  map.draw();
  drawLoop();
  song?.draw();
  shelf?.draw();
}

function animate() {
  const bar = $("meter").firstElementChild;
  bar.style.transform = `scaleX(${Math.min(player.level(), 1).toFixed(3)})`;
  frame = (frame + 1) % 2; // half of the frames are smooth enough
  if (frame && player.mode === "loop") drawLoop();
  if (frame && player.mode === "song") song.draw();
  requestAnimationFrame(animate);
}

async function start() {
  connect();
  label();
  const content = await getJson("/api/models");
  offers = content.models;
  $("version").textContent = `music_vae_tf ${content.version}`;
  $("model").replaceChildren(...offers.map((offer) => new Option(offer.title, offer.id)));
  shelf = new Shelf($("shelf"), $("shelf-empty"), $("zip"), content.limits.shelf, { play: playKept, save: saveFile });
  const page = {
    player, say, fail, model: () => facts, temperature: () => $("temperature").value,
    place: async (answer) => {
      setState({ ...answer, temperature: $("temperature").value, qpm: Math.round(answer.qpm) });
      show(answer, true);
      await player.playLoop();
    },
  };
  song = new SongPanel(page, content.limits.upload_bytes);
  requestAnimationFrame(animate);
  const state = link.read(location.hash);
  const wanted = state && offers.find((offer) => offer.config === state.model);
  await choose(wanted ? wanted.id : content.default);
  if (state) await restore(state);
}

start().catch(fail);
