// Requests to the server that this page came from.

const OWN_HEADER = { "x-music-vae": "1" };

async function checked(response) {
  if (response.ok) return response;
  let details = {};
  try {
    details = await response.json();
  } catch { /* it is no JSON */ }
  const words = details.error ?? `the server answered ${response.status}`;
  throw Object.assign(new Error(words), { details });
}

async function ask(path, options) {
  try {
    return await checked(await fetch(path, options));
  } catch (error) {
    if (error instanceof TypeError) {
      throw new Error("The server cannot be reached. Is music_vae_serve running?");
    }
    throw error;
  }
}

export const getJson = async (path) => (await ask(path)).json();
export const getBytes = async (path) => (await ask(path)).arrayBuffer();

export function post(path, content) {
  const headers = { ...OWN_HEADER, "content-type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(content) });
}

export const postJson = async (path, content) => (await post(path, content)).json();

export function upload(path, bytes) {
  const headers = { ...OWN_HEADER, "content-type": "audio/midi" };
  return ask(path, { method: "POST", headers, body: bytes });
}

// Calls of `work` one at a time; of those that come meanwhile only the last is made.
export function latestOnly(work) {
  let running = false, waiting = null;
  return async function run(...values) {
    if (running) {
      waiting = values;
      return;
    }
    running = true;
    try {
      await work(...values);
    } finally {
      running = false;
      if (waiting) {
        const next = waiting;
        waiting = null;
        run(...next);
      }
    }
  };
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
