// Notes as pictures: drums as hits in named rows, other notes as bars.

// From the top; the General MIDI pitches in each row, and a Roland kit's hi-hat edges.
const DRUM_ROWS = [
  ["Crash", [49, 57, 52, 55]], ["Ride bell", [53]], ["Ride", [51, 59]],
  ["Open hi-hat", [46, 26]], ["Closed hi-hat", [42, 22]], ["Foot hi-hat", [44]],
  ["High tom", [50]], ["Mid tom", [48, 47]], ["Low tom", [45, 43, 41]],
  ["Clap", [39]], ["Cross-stick", [37]], ["Snare", [38, 40]], ["Kick", [36, 35]],
];
const KIT = ["Crash", "Ride", "Open hi-hat", "Closed hi-hat", "High tom", "Mid tom", "Low tom", "Snare", "Kick"];
const EARLY_S = 0.004; // less cannot be heard

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["card", "ink", "pale", "line", "accent", "shade", "hit-soft", "hit-loud", "late", "early"];
  return Object.fromEntries(names.map((name) => [name, of(name)]));
}

// The drawing context of a canvas, as sharp as the screen is.
export function pen(canvas) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

function mixed(soft, loud, share) {
  return `color-mix(in oklab, ${loud} ${Math.round(share * 100)}%, ${soft})`;
}

// Rows of a picture: names from the top, and the row of a note.
function rowsOf(notes, always) {
  const drums = notes.filter((note) => note[5]), others = notes.filter((note) => !note[5]);
  const used = new Set(drums.map((note) => note[2]));
  const named = (drums.length || always) ? DRUM_ROWS.filter(([name, pitches]) =>
    (always && KIT.includes(name)) || pitches.some((pitch) => used.has(pitch))) : [];
  const known = new Set(DRUM_ROWS.flatMap(([, pitches]) => pitches));
  const rest = [...used].filter((pitch) => !known.has(pitch)).sort((a, b) => b - a);
  const rows = [...named, ...rest.map((pitch) => [`Note ${pitch}`, [pitch]])];
  const pitches = others.map((note) => note[2]);
  const low = Math.min(...pitches), high = Math.max(...pitches);
  const pitched = others.length ? high - low + 1 : 0;
  const weight = pitched ? Math.min(pitched / 3, 12) : 0; // rows of drums are taller
  const total = rows.length + weight || 1;
  const place = (note) => {
    if (note[5]) {
      const row = rows.findIndex(([, of]) => of.includes(note[2]));
      return [(weight + row) / total, 1 / total];
    }
    return [((high - note[2]) / pitched) * weight / total, weight / pitched / total];
  };
  return { rows, weight, total, place };
}

// Options: from, to (of time), bars and beats (times of lines), now (of the playhead),
// grid (distance of steps; hits off it are marked), others (notes to compare with),
// labels, always (all rows of a kit).
export function drawNotes(canvas, notes, options) {
  const { context, width, height } = pen(canvas), paint = colours();
  const layout = rowsOf(options.all ?? notes, options.always);
  const labels = options.labels && layout.rows.length ? 92 : 0;
  const top = options.labels ? 14 : 0;
  const x = (time) => labels + (time - options.from) / (options.to - options.from) * (width - labels);
  const tall = height - top;
  context.font = "11px system-ui, sans-serif";
  layout.rows.forEach(([name], row) => {
    const y = top + (layout.weight + row) / layout.total * tall, size = tall / layout.total;
    if (row % 2 === 0) {
      context.fillStyle = paint.shade;
      context.fillRect(labels, y, width - labels, size);
    }
    if (labels && size > 8) {
      context.fillStyle = paint.pale;
      context.textBaseline = "middle";
      context.fillText(name, 0, y + size / 2, labels - 6);
    }
  });
  lines(context, options.beats ?? [], x, top, height, paint.line, 0.6);
  lines(context, options.bars ?? [], x, top, height, paint.pale, 0.9);
  if (options.labels) numbers(context, options, x, paint.pale);
  context.save();
  context.beginPath();
  context.rect(labels - 4, 0, width - labels + 4, height);
  context.clip();
  notes.forEach((note, i) => {
    if (note[1] < options.from || note[0] > options.to) return;
    const [y, size] = layout.place(note);
    drawNote(context, note, x, top + y * tall, size * tall, paint, options, i);
  });
  if (options.now !== undefined && options.now >= options.from) {
    context.fillStyle = paint.accent;
    context.fillRect(x(options.now) - 1, 0, 2, height);
  }
  context.restore();
}

function lines(context, times, x, top, bottom, colour, width) {
  context.fillStyle = colour;
  for (const time of times) context.fillRect(x(time), top, width, bottom - top);
}

function numbers(context, options, x, colour) {
  context.fillStyle = colour;
  context.textBaseline = "top";
  (options.bars ?? []).forEach((time, i) => {
    const inside = time >= options.from && time < options.to;
    if (inside) context.fillText(`${i + 1}`, x(time) + 3, 0);
  });
}

function drawNote(context, note, x, y, tall, paint, options, index) {
  context.fillStyle = mixed(paint["hit-soft"], paint["hit-loud"], note[3] / 127);
  if (!note[5]) {
    const left = x(note[0]);
    context.fillRect(left, y, Math.max(x(note[1]) - left - 1, 2), Math.max(tall, 2));
    return;
  }
  const size = Math.min(tall - 2, 22), high = Math.max(size * (0.35 + 0.65 * note[3] / 127), 3);
  const wide = Math.max(Math.min(high * 0.62, 9), 3), middle = y + tall / 2, left = x(note[0]);
  context.beginPath();
  context.roundRect(left, middle - high / 2, wide, high, Math.min(wide / 2, 3));
  context.fill();
  const reference = options.reference?.(note, index);
  if (reference === undefined) return;
  const off = note[0] - reference;
  if (Math.abs(off) < (options.audible ?? EARLY_S)) return;
  context.fillStyle = off > 0 ? paint.late : paint.early;
  const from = x(reference);
  context.fillRect(Math.min(from, left), middle + high / 2 + 1, Math.max(Math.abs(left - from), 3), 3);
}

// Of each note of a song, where it was before: the one of its kind in the same order,
// where there are as many.
export function references(before, after) {
  const kind = (note) => note.slice(2, 3).concat(note.slice(4)).join();
  const group = (notes) => {
    const groups = new Map();
    notes.forEach((note, i) => {
      if (!groups.has(kind(note))) groups.set(kind(note), []);
      groups.get(kind(note)).push([note[0], i]);
    });
    return groups;
  };
  const old = group(before), found = new Map();
  for (const [name, notes] of group(after)) {
    const others = old.get(name) ?? [];
    if (others.length === notes.length) notes.forEach(([, i], n) => found.set(i, others[n][0]));
  }
  return found;
}
