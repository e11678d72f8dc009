// The exact state of a loop in the part of the address that no server sees:
// #model=NAME&weights=5da75ef9&seed=7&temperature=0.5&qpm=110&z=BASE64&density=0.5

const NUMBERS = ["seed", "temperature", "qpm"];

export function write(loop, facts) {
  const parts = new URLSearchParams({ model: facts.config, weights: facts.fingerprint });
  for (const name of NUMBERS) parts.set(name, String(loop[name]));
  for (const [name, amount] of Object.entries(loop.attributes)) {
    if (amount) parts.set(`attribute.${name}`, String(amount));
  }
  parts.set("z", loop.z);
  return `#${parts}`;
}

// What an address says, or null where it says nothing of a loop.
export function read(hash) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  if (!parts.get("z") || !parts.get("model")) return null;
  const state = { model: parts.get("model"), weights: parts.get("weights"), z: parts.get("z"), attributes: {} };
  for (const name of NUMBERS) {
    const value = Number(parts.get(name));
    if (!parts.has(name) || !Number.isFinite(value)) return null;
    state[name] = value;
  }
  for (const [name, text] of parts) {
    if (name.startsWith("attribute.")) state.attributes[name.slice(10)] = Number(text);
  }
  return state;
}
