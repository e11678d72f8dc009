"""The table of all configs: what each reads and makes, how long, and how large."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import re
import textwrap

from music_vae_tf import kinds
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
# A line in the head of a config's file. Tests compare it with the model that is built.
SIZE = re.compile(r"^# Size +([\d,]+) weights", re.MULTILINE)
CHECKPOINT_BYTES_PER_WEIGHT = 12  # the weight and Adam's two moments
ALL = ("true", "1", "")
PAGE_HEAD = """# All configs

<!-- Generated from the heads of configs/*.yaml: bin/docs writes this page. -->

A config is a file in `configs/`. It describes the data, the model and the training, and
it is complete: no config builds on another. Copy one, change it, and give its path to
`--config`. *Size* is the number of weights; a checkpoint takes 12 bytes for each.
*Pretrained*: `--config=NAME` alone plays a model of the package.
`music_vae_train --list_configs=groovae` prints these tables on the terminal, filtered.
"""
COLUMNS = (
    "| config | what it is for | length | in | out | size | pretrained |\n"
    "|---|---|---|---|---|--:|---|"
)


def table(wanted: str) -> str:
    """The configs whose name, family, or kind of model or music has a text in it.

    Args:
        wanted: the text; `true`, as a switch gives it, for all of them.

    Raises:
        UserError: there is none; the message has similar names.
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
            command = _trained_by(members)
            rows = "\n".join(_entry(config) for config in members)
            groups.append(f"{family} ({command})\n{rows}")
    return "\n\n".join(groups)


def _trained_by(configs) -> str:
    """The commands that train some configs: `music_vae_train`."""
    commands = (kinds.find(config.kind).command for config in configs)
    return ", ".join(dict.fromkeys(name or "music_vae_tf.train" for name in commands))


def _fits(config, wanted: str) -> bool:
    family = FAMILIES[config.converter.kind].lower()
    return any(
        wanted in text
        for text in (config.name.lower(), family, config.kind, config.converter.kind)
    )


def _unknown(wanted, every):
    names = [config.name for config in every]
    words = {word: None for name in names for word in re.split(r"[-_]", name)}
    known = [*words, *FAMILIES, *kinds.names(), *names]
    near = difflib.get_close_matches(wanted, dict.fromkeys(known), n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"--list_configs={wanted}: no config has that in its name or family{hint}"


@dataclasses.dataclass(frozen=True)
class Music:
    """What the examples of a config hold.

    Attributes:
        length: of one example, in bars, seconds or events.
        source: what the encoder, or the model, is given.
        target: what comes out.
    """

    length: str
    source: str
    target: str = "the same"

    def __str__(self):
        return f"{self.length}: {self.source} -> {self.target}"


def _entry(config) -> str:
    """`  groovae_4bar` and a line of what it does."""
    music = _MUSIC[config.converter.kind](config)
    trained = "; pretrained" if _is_pretrained(config) else ""
    text = f"{music}; {_size(config)}{trained}"
    line = textwrap.fill(text, 84, break_on_hyphens=False)
    return f"  {config.name}\n{textwrap.indent(line, ' ' * 6)}"


def _is_pretrained(config) -> bool:
    from music_vae_tf import pretrained

    return config.name in pretrained.names()


def _head(config) -> str:
    """The comment at the top of a config's file."""
    from music_vae_tf import config as configs

    file = configs.configs_folder() / f"{config.name}.yaml"
    return file.read_text(encoding="utf-8")


def purpose(config) -> str:
    """The first paragraph of the head: what the model is for, in a sentence."""
    lines = _head(config).splitlines()[2:]
    paragraph = itertools.takewhile(lambda line: line.strip("# "), lines)
    return " ".join(line.lstrip("# ") for line in paragraph)


def _weights(config) -> int | None:
    """How many numbers the model has; None where that depends on the data."""
    found = SIZE.search(_head(config))
    return int(found[1].replace(",", "")) if found else None


def _size(config) -> str:
    weights = _weights(config)
    if weights is None:
        return "its size depends on the vocabulary of its data"
    size = CHECKPOINT_BYTES_PER_WEIGHT * weights
    return f"{weights / 1e6:,.1f} M weights, a checkpoint of {size / 1e6:,.0f} MB"


def markdown() -> str:
    """The page `docs/play/configs.md`: a table for each family of configs."""
    from music_vae_tf import config as configs

    every = [configs.load(name) for name in configs.names()]
    return "\n".join([PAGE_HEAD, *_sections(every)])


def _sections(every):
    for kind, family in FAMILIES.items():
        members = [config for config in every if config.converter.kind == kind]
        yield f"## {family}\n\nTrained with `{_trained_by(members)}`.\n\n{COLUMNS}"
        yield from (_table_row(config) for config in members)
        yield ""


def _table_row(config) -> str:
    music = _MUSIC[config.converter.kind](config)
    weights = _weights(config)
    size = "by vocabulary" if weights is None else f"{weights / 1e6:,.1f} M"
    cells = (f"`{config.name}`", purpose(config), music.length, music.source)
    trained = "yes" if _is_pretrained(config) else ""
    return f"| {' | '.join((*cells, music.target, size, trained))} |"


def _of_groove(config) -> Music:
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
    return Music(f"{options['split_bars']} bars", source, kit)


def _of_tokens(config) -> Music:
    return Music(f"{config.converter.arguments['split_bars']} bars", "REMI tokens")


def _of_drums(config) -> Music:
    options = config.converter.arguments
    kit = "9 drums" if options["pitch_classes"] == "reduced" else "61 drums"
    return Music(f"{options['slice_bars']} bars", f"hits of {kit}")


def _of_melody(config) -> Music:
    options = config.converter.arguments
    over = " over given chords" if options.get("chord_encoding") else ""
    return Music(f"{options['slice_bars']} bars", f"one melody{over}")


def _of_trio(config) -> Music:
    bars = config.converter.arguments["slice_bars"]
    return Music(f"{bars} bars", "melody, bass and drums")


def _of_multitrack(config) -> Music:
    options = config.converter.arguments
    over = " over given chords" if options.get("chord_encoding") else ""
    instruments = f"2 to {options['max_num_instruments']} instruments"
    return Music(
        f"{options['hop_size_bars']} bar", f"{instruments} with velocities{over}"
    )


def _of_rolls(config) -> Music:
    options = config.converter.arguments
    length = f"{options['roll_steps'] * options['step_seconds']:.0f} s"
    if config.kind == "conv_cvae":
        return Music(length, "piano, guitar and bass")
    following_s = options["continuation_steps"] * options["step_seconds"]
    return Music(length, "latents by conv_cvae", f"the {following_s:.0f} s that follow")


def _of_clefs(config) -> Music:
    window = config.converter.arguments["window"]
    return Music(
        f"{window} events", "events of treble and bass", "the next event of each"
    )


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

if __name__ == "__main__":  # bin/docs
    print(markdown(), end="")
