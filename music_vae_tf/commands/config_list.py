"""The table of all configs: what each reads and makes, how long, and how large."""

from __future__ import annotations

import difflib
import re
import textwrap

from music_vae_tf.commands.command import UserError

FAMILIES = {  # by kind of converter
    "groove": "Drums with dynamics and timing",
    "tokens": "Drums as tokens",
    "drums": "Drums on a grid",
    "melody": "Melodies",
    "trio": "Melody, bass and drums",
    "multitrack": "Up to eight instruments",
    "piano_roll": "Piano, guitar and bass as class rolls",
    "clefs": "Piano for two hands",
}
COMMANDS = {  # by kind of model
    "music_vae": "music_vae_train",
    "conv_cvae": "piano_roll_vae_train",
    "clstm_decoder": "piano_roll_vae_train",
    "clef_lstm": "clef_lstm_train",
}
# A line in the head of a config's file. Tests compare it with the model that is built.
SIZE = re.compile(r"^# Size +([\d,]+) weights", re.MULTILINE)
CHECKPOINT_BYTES_PER_WEIGHT = 12  # the weight and Adam's two moments
ALL = ("true", "1", "")


def table(wanted: str) -> str:
    """The configs whose name, family, or kind of model or music has a text in it.

    Args:
        wanted: the text; `true`, as a switch gives it, for all of them.

    Raises:
        UserError: there is none; says which are near.
    """
    from music_vae_tf import config as configs

    every = [configs.load(name) for name in configs.names()]
    chosen = [c for c in every if wanted.lower() in ALL or _fits(c, wanted.lower())]
    if not chosen:
        raise UserError(_unknown(wanted, every))
    groups = []
    for kind, family in FAMILIES.items():
        members = [config for config in chosen if config.converter.kind == kind]
        if members:
            command = COMMANDS[members[0].kind]
            rows = "\n".join(_entry(config) for config in members)
            groups.append(f"{family} ({command})\n{rows}")
    return "\n\n".join(groups)


def _fits(config, wanted: str) -> bool:
    family = FAMILIES[config.converter.kind].lower()
    return any(
        wanted in text
        for text in (config.name.lower(), family, config.kind, config.converter.kind)
    )


def _unknown(wanted, every):
    names = [config.name for config in every]
    words = {word: None for name in names for word in re.split(r"[-_]", name)}
    known = [*words, *FAMILIES, *COMMANDS, *names]
    near = difflib.get_close_matches(wanted, dict.fromkeys(known), n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"--list_configs={wanted}: no config has that in its name or family{hint}"


def _entry(config) -> str:
    """`  groovae_4bar` and a line of what it does."""
    music = _MUSIC[config.converter.kind](config)
    line = textwrap.fill(f"{music}; {_size(config)}", 84, break_on_hyphens=False)
    return f"  {config.name}\n{textwrap.indent(line, ' ' * 6)}"


def _size(config) -> str:
    from music_vae_tf import config as configs

    file = configs.configs_folder() / f"{config.name}.yaml"
    found = SIZE.search(file.read_text(encoding="utf-8"))
    if not found:
        return "as large as its music's vocabulary asks for"
    weights = int(found[1].replace(",", ""))
    size = CHECKPOINT_BYTES_PER_WEIGHT * weights
    return f"{weights / 1e6:,.1f} M weights, a checkpoint of {size / 1e6:,.0f} MB"


def _of_groove(config) -> str:
    options = config.converter.arguments
    kit = "9 drums with velocities and offsets"
    source = kit
    if options.get("tapify"):
        source = "a rhythm tapped on one pad"
    elif options.get("humanize"):
        source = "9 drums, quantized, without velocities"
    elif options.get("add_instruments"):
        source = "9 drums without those to be added"
    elif options.get("hits_as_controls"):
        source = f"{kit}, and which are hit"
    return f"{options['split_bars']} bars: {source} -> {kit}"


def _of_tokens(config) -> str:
    return f"{config.converter.arguments['split_bars']} bars: REMI tokens -> the same"


def _of_drums(config) -> str:
    options = config.converter.arguments
    kit = "9 drums" if options["pitch_classes"] == "reduced" else "61 drums"
    return f"{options['slice_bars']} bars: hits of {kit} -> the same"


def _of_melody(config) -> str:
    options = config.converter.arguments
    over = " over given chords" if options.get("chord_encoding") else ""
    return f"{options['slice_bars']} bars: one melody{over} -> the same"


def _of_trio(config) -> str:
    bars = config.converter.arguments["slice_bars"]
    return f"{bars} bars: melody, bass and drums -> the same"


def _of_multitrack(config) -> str:
    options = config.converter.arguments
    over = " over given chords" if options.get("chord_encoding") else ""
    return (
        f"{options['hop_size_bars']} bar: 2 to {options['max_num_instruments']} "
        f"instruments with velocities{over} -> the same"
    )


def _of_rolls(config) -> str:
    options = config.converter.arguments
    length_s = options["roll_steps"] * options["step_seconds"]
    if config.kind == "conv_cvae":
        return f"{length_s:.0f} s: piano, guitar and bass -> the same"
    next_s = options["continuation_steps"] * options["step_seconds"]
    return f"latents of {length_s:.0f} s by conv_cvae -> the {next_s:.0f} s that follow"


def _of_clefs(config) -> str:
    window = config.converter.arguments["window"]
    return f"{window} events of treble and bass -> the next event of each"


_MUSIC = {
    "groove": _of_groove,
    "tokens": _of_tokens,
    "drums": _of_drums,
    "melody": _of_melody,
    "trio": _of_trio,
    "multitrack": _of_multitrack,
    "piano_roll": _of_rolls,
    "clefs": _of_clefs,
}
