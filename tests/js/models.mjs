// Loads exported models in Magenta.js and compares them with what Python computed.
//
//   node models.mjs FOLDER
//
// FOLDER holds one exported model per subfolder, each with `expected.json`: inputs
// [1, T, D], segment lengths, mu [1, Z], z [2, Z], controls [T, C] and greedy decodings
// [2, T, D]. Prints a line of JSON per model: largest difference of mu, share of decoded
// values that differ, number of notes of a sample.
import {createServer} from 'node:http';
import {readFile, readdir} from 'node:fs/promises';
import {join, normalize} from 'node:path';
import * as tf from '@tensorflow/tfjs';
import magenta from '@magenta/music/node/music_vae.js';

const {MusicVAE} = magenta;

const folder = process.argv[2];
console.log = () => {};

const server = createServer(async (request, response) => {
  try {
    response.end(await readFile(join(folder, normalize(request.url))));
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

function largestDifference(tensor, expected) {
  return tf.tidy(() => tensor.sub(tf.tensor(expected)).abs().max().dataSync()[0]);
}

function shareOfDifferent(tensor, expected) {
  return tf.tidy(() =>
    tensor.sub(tf.tensor(expected)).abs().greater(1e-4).toFloat().mean().dataSync()[0]);
}

// Chords by name; hits as a tensor [T, classes].
function sampleControls({chords, hits}) {
  if (chords) return {chordProgression: chords};
  return hits ? {extraControls: {hits: tf.tensor2d(hits)}} : undefined;
}

async function compare(name) {
  const expected = JSON.parse(await readFile(join(folder, name, 'expected.json')));
  const model = new MusicVAE(`${origin}/${name}`);
  await model.initialize();
  const mu = model.encoder.encode(tf.tensor3d(expected.inputs), expected.segments);
  const controls = expected.controls ? tf.tensor2d(expected.controls) : undefined;
  const decoded = model.decoder.decode(
    tf.tensor2d(expected.z), expected.length, undefined, undefined, controls);
  const [sample] = await model.sample(1, 0.5, sampleControls(expected));
  return {
    name,
    depth: model.dataConverter.depth,
    mu: largestDifference(mu, expected.mu),
    decoded: shareOfDifferent(decoded, expected.decoded),
    notes: sample.notes.length,
  };
}

for (const name of (await readdir(folder)).sort()) {
  const row = await compare(name).catch((error) => ({name, error: String(error)}));
  process.stdout.write(JSON.stringify(row) + '\n');
}
server.close();
