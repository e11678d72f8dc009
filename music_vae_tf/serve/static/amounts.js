// A slider for each attribute that a model can move.

export class Amounts {
  constructor(box, onchange) {
    Object.assign(this, { box, onchange });
  }

  inputs() { return [...this.box.querySelectorAll("input")]; }

  values() {
    return Object.fromEntries(this.inputs().map((input) => [input.name, Number(input.value)]));
  }

  // amounts: by name; 0 for those that are missing
  set(amounts) {
    for (const input of this.inputs()) {
      input.value = amounts[input.name] ?? 0;
      input.previousElementSibling.value = input.value;
    }
  }

  // attributes: of [{ name, description }]
  show(attributes) {
    this.box.replaceChildren(...attributes.map((one) => this.slider(one)));
  }

  slider({ name, description }) {
    const label = document.createElement("label"), out = document.createElement("output");
    const input = document.createElement("input");
    Object.assign(input, { type: "range", name, min: -3, max: 3, step: 0.1 });
    input.value = out.value = 0;
    label.title = description;
    input.addEventListener("input", () => { out.value = input.value; this.onchange(); });
    label.append(name.replaceAll("_", " "), out, input);
    return label;
  }
}
