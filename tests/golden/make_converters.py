"""What Magenta's converters make of the golden NoteSequences, and back."""

import copy
import io
import json
import lzma
import os
import zlib

import note_seq
import numpy as np
from converter_variants import (
    CONFIGS,
    DRUMS,
    MAJOR_MINOR,
    MELODY,
    MULTI,
    TRIAD,
    VARIANTS,
)
from magenta.models.music_vae import configs

DECODED = 3  # examples of a NoteSequence that are turned back


def described(kind, options):
    """The call that constructs a converter, as Python that can be parsed."""
    module = "data_hierarchical" if kind is MULTI else "data"

    def value(option):
        if isinstance(option, (TRIAD, MAJOR_MINOR)):
            return f"note_seq.{type(option).__name__}()"
        return repr(option)

    arguments = ", ".join(
        f"{name}={value(option)}" for name, option in sorted(options.items())
    )
    return f"{module}.{kind.__name__}({arguments})"


def converters():
    """Yields (name of the variant, converter, its description, group)."""
    for name, group in sorted(CONFIGS.items()):
        converter = copy.deepcopy(configs.CONFIG_MAP[name].data_converter)
        words = "CONFIG_MAP['%s'].data_converter (a %s)"
        words %= (name, type(converter).__name__)
        yield "config_" + name, converter, words, group
    for name, (kind, options, group) in sorted(VARIANTS.items()):
        yield name, kind(**options), described(kind, options), group


def is_in_arbitrary_order(converter):
    """Magenta puts these through a Python set."""
    return isinstance(converter, DRUMS) or (
        isinstance(converter, MELODY) and converter._dedupe_event_lists
    )


def examples_of(converter, serialized, seed):
    """[(inputs, outputs, controls, length)] in an order that can be repeated."""
    if seed is not None:
        np.random.seed(seed)
    sequence = note_seq.NoteSequence.FromString(serialized)
    examples = list(zip(*converter.to_tensors(sequence)))
    if is_in_arbitrary_order(converter):
        bits = lambda rows: rows.astype(np.uint8).tobytes()
        examples.sort(key=lambda e: (len(e[1]), bits(e[1]), bits(e[2])))
    return examples


def stored(rows):
    rows = np.concatenate(rows)
    return rows.astype(np.uint8) if rows.dtype == bool else rows


def tensors_of(examples):
    inputs, outputs, controls, lengths = zip(*examples)
    arrays = {
        "outputs": stored(outputs),
        "outputs_rows": np.array([len(rows) for rows in outputs]),
        "lengths": np.array(lengths),
    }
    if any(not np.array_equal(i, o) for i, o in zip(inputs, outputs)):
        arrays["inputs"] = stored(inputs)
        arrays["inputs_rows"] = np.array([len(rows) for rows in inputs])
    if controls[0].shape[-1]:
        arrays["controls"] = stored(controls)
        arrays["controls_rows"] = np.array([len(rows) for rows in controls])
    return arrays


def decoded(converter, examples):
    """{array: value} of the NoteSequences of the first examples."""
    examples = examples[:DECODED]
    controls = [e[2] for e in examples] if converter.control_depth else None
    sequences = converter.from_tensors([e[1] for e in examples], controls)
    data = [np.frombuffer(s.SerializeToString(), np.uint8) for s in sequences]
    return {
        "from_tensors": np.concatenate(data) if data else np.zeros([0], np.uint8),
        "from_tensors_rows": np.array([len(array) for array in data]),
    }


def same(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[key], other[key]) for key in one
    )


def one_case(converter, serialized, seed):
    """(what is noted in the index, {array: value})."""
    info = {} if seed is None else {"numpy_seed": seed}
    try:
        examples = examples_of(converter, serialized, seed)
    except Exception as error:
        return dict(info, raises=type(error).__name__), {}
    info["count"] = len(examples)
    if not examples:
        return info, {}
    arrays = tensors_of(examples)
    try:
        arrays.update(decoded(converter, examples))
    except Exception as error:
        info["from_tensors_raises"] = type(error).__name__
    return info, arrays


def all_modes(converter, serialized, seed, number):
    modes, arrays, first = {}, {}, None
    for mode in ("eval", "infer", "train"):
        converter.set_mode(mode)
        info, found = one_case(converter, serialized, seed)
        if first is not None and found and same(found, first):
            info.update(tensors_same_as="eval", from_tensors_same_as="eval")
        else:
            arrays.update({f"{number}/{mode}/{key}": a for key, a in found.items()})
        first = found if first is None else first
        modes[mode] = info
    return modes, arrays


def of_variant(name, converter, group, names, pool):
    """(entry of the index, {array: value})."""
    entry = {
        name: getattr(converter, name)
        for name in (
            "input_depth",
            "output_depth",
            "control_depth",
            "end_token",
            "max_tensors_per_notesequence",
        )
    }
    for kind in ("input_dtype", "output_dtype", "control_dtype"):
        entry[kind] = np.dtype(getattr(converter, kind)).name
    entry["length_shape"] = [int(n) for n in converter.length_shape]
    entry["inputs"] = group
    is_arbitrary = is_in_arbitrary_order(converter)
    entry["order"] = "arbitrary, so sorted" if is_arbitrary else "as returned"
    if not isinstance(converter, MULTI):
        converter.max_tensors_per_notesequence = None
    entry["files"], arrays = {}, {}
    for number, source in enumerate(names):
        seed = None
        if "dropout" in name:
            seed = zlib.crc32((name + source).encode()) % 100000
        number = f"{number:02d}"
        modes, found = all_modes(converter, pool[source], seed, number)
        entry["files"][number] = {"notesequence": source, "modes": modes}
        arrays.update(found)
    return entry, arrays


def save(path, arrays):
    """Hundreds of small arrays are alike: together they take a third of the space."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    with lzma.open(path, "wb", preset=9) as f:
        f.write(content.getvalue())


def write(folder, pool, groups):
    """Writes `converters/`."""
    variants = {}
    for name, converter, words, group in converters():
        entry, arrays = of_variant(name, converter, group, groups[group], pool)
        variants[name] = dict(entry, constructor=words)
        save(os.path.join(folder, "converters", name + ".npz.xz"), arrays)
    with open(os.path.join(folder, "converters", "index.json"), "w") as f:
        json.dump({"variants": variants}, f, sort_keys=True)
