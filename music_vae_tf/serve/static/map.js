// The map of a latent space: examples as points, and a cursor that is moved by pointer
// and keys. Calls `onmove({ where, restart })`.

import { colours, pen } from "/static/roll.js";

const MARGIN = 0.08, SNAP_PX = 9, STEP = 0.03;

export class LatentMap {
  constructor(canvas, legend, onmove) {
    Object.assign(this, { canvas, legend, onmove, cursor: null, pins: {}, colourBy: "style" });
    this.points = [];
    this.chosen = null; // a style that stands out
    canvas.addEventListener("pointerdown", (event) => this.drag(event, true));
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) this.drag(event, false);
      else this.hover(event);
    });
    canvas.addEventListener("pointerleave", () => { this.near = null; this.draw(); });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  show(facts) {
    this.points = facts.points;
    this.examples = facts.examples;
    this.measured = facts.measured; // attributes: name, unit, values or null
    this.chosen = this.near = this.cursor = null;
    this.pins = {};
    const hasStyles = this.examples.some((one) => one[1]);
    this.choices = this.examples.length ? [...(hasStyles ? ["style"] : []), ...this.measured.map((one) => one.name)] : [];
    if (!this.choices.includes(this.colourBy)) this.colourBy = this.choices[0] ?? "";
    this.paint();
  }

  colour(by) {
    this.colourBy = by;
    this.chosen = null;
    this.paint();
  }

  // Colours of all points, and the legend.
  paint() {
    this.legend.replaceChildren();
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const attribute = this.measured.find((one) => one.name === this.colourBy);
    if (this.colourBy === "style") {
      const styles = [...new Set(this.examples.map((one) => one[1]))].sort();
      const hue = (style) => (styles.indexOf(style) * 137.5 + 30) % 360;
      const of = (style) => `oklch(${dark ? 0.78 : 0.58} 0.15 ${hue(style)})`;
      this.fills = this.examples.map((one) => of(one[1]));
      for (const style of styles) this.addStyle(style, of(style));
    } else if (attribute) {
      const { values } = attribute, known = values.filter((value) => value !== null);
      const low = Math.min(...known), span = Math.max(...known) - low;
      const of = (share) => `oklch(${0.42 + 0.43 * share} 0.14 ${285 - 190 * share})`;
      const faint = colours().line;
      this.fills = values.map((value) => (value === null ? faint : of((value - low) / span)));
      this.addScale(low, low + span, of, attribute.unit);
    } else {
      this.fills = this.points.map(() => colours().accent);
    }
    this.draw();
  }

  addStyle(style, fill) {
    const button = document.createElement("button"), dot = document.createElement("canvas");
    dot.width = dot.height = 10;
    const context = dot.getContext("2d");
    context.fillStyle = fill;
    context.fillRect(0, 0, 10, 10);
    button.append(dot, style || "unknown");
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      this.chosen = this.chosen === style ? null : style;
      for (const other of this.legend.children) {
        other.setAttribute("aria-pressed", String(other === button && this.chosen === style));
      }
      this.draw();
    });
    this.legend.append(button);
  }

  addScale(low, high, of, unit) {
    const scale = document.createElement("canvas");
    scale.className = "scale";
    scale.width = 160;
    scale.height = 1;
    const context = scale.getContext("2d");
    for (let i = 0; i < 160; i++) {
      context.fillStyle = of(i / 159);
      context.fillRect(i, 0, 1, 1);
    }
    this.legend.append(low.toFixed(1), scale, `${high.toFixed(1)} ${unit}`);
  }

  scales() {
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    const half = Math.min(width, height) / 2 * (1 - MARGIN);
    return {
      toScreen: ([x, y]) => [width / 2 + x * half * (width / Math.min(width, height)), height / 2 - y * half],
      toMap: (left, top) => [
        (left - width / 2) / (half * (width / Math.min(width, height))), (height / 2 - top) / half],
    };
  }

  nearest(left, top, within) {
    const { toScreen } = this.scales();
    let best = null, least = within ** 2;
    this.points.forEach((point, i) => {
      const [x, y] = toScreen(point), squared = (x - left) ** 2 + (y - top) ** 2;
      if (squared < least) [best, least] = [i, squared];
    });
    return best;
  }

  drag(event, restart) {
    if (!this.points.length) return;
    if (restart) this.canvas.setPointerCapture(event.pointerId);
    const number = this.nearest(event.offsetX, event.offsetY, SNAP_PX);
    const xy = this.scales().toMap(event.offsetX, event.offsetY);
    this.near = number;
    this.go(number === null ? xy : this.points[number], number, restart);
  }

  moveTo(xy) {
    this.cursor = xy.map((value) => Math.max(-1.05, Math.min(1.05, value)));
  }

  go(xy, number, restart) {
    this.moveTo(xy);
    this.draw();
    const where = number === null ? { xy: this.cursor } : { point: number };
    this.onmove({ where, restart });
  }

  hover(event) {
    const near = this.nearest(event.offsetX, event.offsetY, SNAP_PX);
    if (near !== this.near) {
      this.near = near;
      this.draw();
    }
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[event.key], cursor = this.cursor ?? [0, 0];
    if (!move && event.key !== "Enter") return;
    if (!this.points.length || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const step = event.shiftKey ? STEP * 4 : STEP;
    this.go(move ? cursor.map((value, i) => value + move[i] * step) : cursor, null, !move);
  }

  draw() {
    const { context, width, height } = pen(this.canvas), paint = colours();
    const { toScreen } = this.scales();
    context.fillStyle = paint.line;
    const [x0, y0] = toScreen([0, 0]);
    context.fillRect(x0, 0, 1, height);
    context.fillRect(0, y0, width, 1);
    this.points.forEach((point, i) => {
      const stands = this.chosen === null || this.examples[i]?.[1] === this.chosen;
      context.globalAlpha = stands ? 0.85 : 0.12;
      this.dot(context, toScreen(point), stands && this.chosen !== null ? 5 : 3.6, this.fills[i]);
    });
    context.globalAlpha = 1;
    for (const [name, xy] of Object.entries(this.pins)) this.pin(context, toScreen(xy), name, paint);
    if (this.cursor) this.ring(context, toScreen(this.cursor), paint);
    if (this.near !== null && this.examples?.[this.near]) this.name(context, width, toScreen, paint);
  }

  dot(context, [x, y], radius, fill) {
    context.fillStyle = fill;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  }

  ring(context, [x, y], paint) {
    for (const [width, colour] of [[5, paint.card], [2.5, paint.ink]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.beginPath();
      context.arc(x, y, 10, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  pin(context, [x, y], name, paint) {
    this.dot(context, [x, y], 10, paint.accent);
    context.fillStyle = paint.card;
    context.font = "bold 12px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(name, x, y + 0.5);
    context.textAlign = "left";
  }

  name(context, width, toScreen, paint) {
    const [x, y] = toScreen(this.points[this.near]);
    const [name, style] = this.examples[this.near];
    const shown = this.measured.find((one) => one.name === this.colourBy) ?? this.measured[0];
    const value = shown?.values[this.near] ?? null;
    const text = `${name}${style && !name.startsWith(style) ? `, ${style}` : ""}` +
      (value === null ? "" : `, ${shown.name} ${value.toFixed(1)}`);
    context.font = "12px system-ui, sans-serif";
    const wide = context.measureText(text).width + 14;
    const left = Math.max(2, Math.min(x + 12, width - wide - 2)), top = y > 40 ? y - 34 : y + 14;
    context.fillStyle = paint.ink;
    context.beginPath();
    context.roundRect(left, top, wide, 22, 6);
    context.fill();
    context.fillStyle = paint.card;
    context.textBaseline = "middle";
    context.fillText(text, left + 7, top + 11.5);
  }
}
