"""Our names of variables and Magenta's: one list of pairs, applied both ways.

Our names are the paths of Keras variables without the model's name
(`decoder/layer_0/kernel`). The state of training adds `step`,
`first_moment_decay_power`, `second_moment_decay_power`, `<variable>/first_moment` and
`<variable>/second_moment`. A name that Magenta never had stays as it is.

`music_vae_tf.old_names` lists names that this project has changed. Checkpoints with the
old ones still load.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

# (ours, Magenta's). HOLES lists what each {hole} stands for.
PAIRS = [
    ("mu/{dense}", "encoder/mu/{dense}"),
    ("sigma/{dense}", "encoder/sigma/{dense}"),
    (
        "encoder/{level}layer_{i}/{direction}/{cell}",
        "encoder/{level}cell_{i}/{direction}/{cell}",
    ),
    (
        "encoder/{level}layer_{i}/{cell}",
        "encoder/{level}multi_rnn_cell/cell_{i}/{cell}",
    ),
    (
        "decoder/{core}{part}controls/layer_{i}/{direction}/{cell}",
        "{core}{part}control_preprocessing/cell_{i}/{direction}/{cell}",
    ),
    (
        "decoder/level_{l}/initial_state/{dense}",
        "decoder/hierarchical_level_{l}/initial_state/{dense}",
    ),
    (
        "decoder/level_{l}/layer_{i}/{cell}",
        "decoder/hierarchical_level_{l}/cell_{i}/{cell}",
    ),
    (
        "decoder/{core}{part}initial_state/{dense}",
        "{core}{part}decoder/z_to_initial_state/{dense}",
    ),
    (
        "decoder/{core}{part}layer_{i}/{cell}",
        "{core}{part}decoder/multi_rnn_cell/cell_{i}/{cell}",
    ),
    (
        "decoder/{core}{part}projection/{dense}",
        "{core}{part}decoder/output_projection/{dense}",
    ),
    ("decoder/{core}{part}output/{nade}", "{core}{part}decoder/nade/{nade}"),
    ("step", "global_step"),
    ("first_moment_decay_power", "beta1_power"),
    ("second_moment_decay_power", "beta2_power"),
]

# What a hole stands for, (ours, Magenta's); `#` is a number.
HOLES = {
    "i": [("#", "#")],
    "l": [("#", "#")],
    "level": [("", ""), ("level_#/", "hierarchical_level_#/")],
    "core": [("", ""), ("core/", "core_decoder/")],
    "part": [("", ""), ("part_#/", "core_decoder_#/")],
    "direction": [
        ("forward", "bidirectional_rnn/fw/multi_rnn_cell/cell_0"),
        ("backward", "bidirectional_rnn/bw/multi_rnn_cell/cell_0"),
    ],
    "dense": [("kernel", "kernel"), ("bias", "bias")],
    "nade": [("w_enc", "w_enc"), ("w_dec_t", "w_dec_t")],
    "cell": [
        ("kernel", "lstm_cell/kernel"),
        ("bias", "lstm_cell/bias"),
        ("input_projection/kernel", "input_projection_wrapper/kernel"),
        ("input_projection/bias", "input_projection_wrapper/bias"),
    ],
}

# Suffixes of the slots of TensorFlow's Adam for each variable.
SLOTS = [("/first_moment", "/Adam"), ("/second_moment", "/Adam_1"), ("", "")]

# Tensors that a model does not need. A training with cuDNN saved all cells once more in
# one `opaque_kernel`.
TRAINING_STATE = re.compile(
    r"global_step|beta[12]_power|.+/(Adam|Adam_1|opaque_kernel)"
)

OURS, MAGENTAS = 0, 1


def magenta_names(names: Iterable[str]) -> dict[str, str]:
    """{our name: Magenta's name}, for all variables of a model at once."""
    # In Magenta, the decoder after a control preprocessing has no scope of its own.
    plain = {name: name.replace("/conditioned/", "/") for name in names}
    translated = {name: _translated(plain[name], OURS) for name in plain}
    projection = "input_projection_wrapper"
    wrap = _wrapping(translated.values(), projection, projection)
    return {ours: wrap(theirs) for ours, theirs in translated.items()}


def our_names(names: Iterable[str]) -> dict[str, str]:
    """{Magenta's name: our name}, for all tensors of a checkpoint at once."""
    # In Magenta, a cell is in the scope of the projection of its input.
    plain = {
        name: name.replace("/input_projection_wrapper/lstm_cell/", "/lstm_cell/")
        for name in names
    }
    translated = {name: _translated(plain[name], MAGENTAS) for name in plain}
    wrap = _wrapping(translated.values(), "controls", "conditioned")
    return {theirs: wrap(ours) for theirs, ours in translated.items()}


def _translated(name, side):
    slot = next(slot for slot in SLOTS if name.endswith(slot[side]))
    variable = name.removesuffix(slot[side])
    for pair in PAIRS:
        if match := re.fullmatch(_regex(pair[side], side), variable):
            filled = {
                hole: _filled(text, HOLES[hole], side)
                for hole, text in match.groupdict().items()
            }
            variable = pair[1 - side].format(**filled)
            break
    return variable + slot[1 - side]


@functools.cache
def _regex(template, side):
    """The regular expression of a template, with a named group for each hole."""

    def group(hole):
        choices = "|".join(pair[side].replace("#", r"\d+") for pair in HOLES[hole[1]])
        return f"(?P<{hole[1]}>{choices})"

    return re.sub(r"\{(\w+)\}", group, template)


def _filled(text, pairs, side):
    """The text in a hole, as the other side spells it."""
    return next(
        match.expand(pair[1 - side].replace("#", r"\1"))
        for pair in pairs
        if (match := re.fullmatch(pair[side].replace("#", r"(\d+)"), text))
    )


def _wrapping(names, sign, wrapper):
    """A function of names: if a scope has `sign`, all else in it moves to `wrapper`."""
    scopes = {n.split(f"/{sign}/")[0] + "/" for n in names if f"/{sign}/" in n}

    def wrap(name):
        for scope in sorted(scopes, key=len, reverse=True):  # innermost first
            if name.startswith(scope) and not name.startswith(f"{scope}{sign}/"):
                name = f"{scope}{wrapper}/{name.removeprefix(scope)}"
        return name

    return wrap
