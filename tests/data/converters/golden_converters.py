"""The converters that the golden data were made with, and how examples compare."""

import ast
from pathlib import Path

import note_seq
import numpy as np
import yaml

SPELLINGS = {
    "triad": "note_seq.TriadChordOneHotEncoding()",
    "major_minor": "note_seq.MajorMinorChordOneHotEncoding()",
    "0-31": "range(0, 32)",
}
CONFIGS = Path(__file__).parents[3] / "configs"


def arguments(golden, variant):
    """What a variant's converter is constructed with, as our keyword arguments."""
    if variant.startswith("config_"):
        name = variant.removeprefix("config_")
        section = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["converter"]
        return {key: value for key, value in section.items() if key != "kind"}
    constructor = golden.converter_variants()[variant]["constructor"]
    for ours, magentas in SPELLINGS.items():
        constructor = constructor.replace(magentas, repr(ours))
    call = ast.parse(constructor, mode="eval").body
    return {k.arg: ast.literal_eval(k.value) for k in call.keywords}


def assert_depths(golden, variant, converter):
    expected = golden.converter_variants()[variant]
    assert converter.inputs.depth == expected["input_depth"]
    assert converter.targets.depth == expected["output_depth"]
    controls = converter.controls
    assert (controls.depth if controls else 0) == expected["control_depth"]


def assert_examples(converter, examples, expected, tolerance=0):
    """Our examples, unpacked, are Magenta's, in the same order."""
    assert len(examples) == len(expected)
    for example, other in zip(map(converter.unpack, examples), expected):
        np.testing.assert_array_equal(example.length, other.length)
        np.testing.assert_allclose(example.inputs, other.inputs, 0, tolerance)
        np.testing.assert_allclose(example.targets, other.outputs, 0, tolerance)
        np.testing.assert_allclose(example.controls, other.controls, 0, tolerance)


def assert_decoding(converter, case):
    """Our NoteSequences of Magenta's tensors are Magenta's."""
    for example, serialized in zip(case.examples, case.from_tensors or []):
        sequence = converter.to_sequence(example.outputs, example.controls)
        assert sequence == note_seq.NoteSequence.FromString(serialized)


def sequence_of(golden, case):
    return note_seq.NoteSequence.FromString(golden.notesequences[case.notesequence])
