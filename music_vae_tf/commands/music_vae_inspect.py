"""What is in music files, and what each config makes of them.

    music_vae_inspect --input=song.mid

Run it when a training has no examples, or when a file is refused: it lists tracks,
tempos, time signatures and drums, and why examples are missing. For a folder, and one
config:

    music_vae_inspect --input=music/ --config=groovae_4bar

As JSON, one object a file, for other programs:

    music_vae_inspect --input=music/ --json > music.json
"""

from __future__ import annotations

import os
import sys
from collections import Counter

from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.drum_map_flag import add_drum_map, drum_map
from music_vae_tf.commands.drums_flag import KINDS, add_drums, with_drums
from music_vae_tf.commands.progress import progress
from music_vae_tf.quiet import import_tensorflow
from music_vae_tf.wording import counted

MANY_FILES = 4  # more than so many are shown as totals, with --verbose one by one
MOST_REASONS = 3  # for each config

command = Command("music_vae_inspect", __doc__)
command.string(
    "input",
    None,
    "A MIDI, MusicXML or ABC file, or a folder of them with all folders in it.",
    required=True,
)
command.string(
    "config",
    None,
    "Names of configs, or YAML files, with commas between; by default every config of "
    "a MusicVAE.",
)
command.boolean("json", False, "Print JSON in place of tables.")
command.boolean("verbose", False, "Show each file of a folder.")
add_drums(command)
add_drum_map(command)


def main(flags):
    paths = _paths(os.path.expanduser(flags.input))
    chosen = _configs(flags)
    kit = drum_map(flags)
    import_tensorflow()
    from music_vae_tf import build
    from music_vae_tf.data.inspection import inspect

    converters = {config.name: build.converter(config) for config in chosen}
    reports = []
    with progress(len(paths), "Inspecting", unit="files") as bar:
        for path in bar.over(paths):
            reports += inspect(path, converters, kit)
    if flags.json:
        _print_json(reports)
    else:
        _print_tables(reports, flags.verbose or len(reports) <= MANY_FILES)
    return None if any(report.music for report in reports) else 1


def _paths(path) -> list[str]:
    from music_vae_tf.data.folder import list_folder

    if not os.path.isdir(path):
        if not os.path.exists(path):
            raise UserError(f"--input={path}: there is no such file or folder")
        return [path]
    listing = list_folder(path, recursive=True)
    if not listing.music:
        others = ", ".join(
            f"{n} {end or 'without ending'}" for end, n in listing.others.most_common(5)
        )
        raise UserError(
            f"--input={path}: no MIDI, MusicXML or ABC file in it"
            + (f"; other files: {others}" if others else "")
        )
    return [os.path.join(path, name) for name in listing.music]


def _configs(flags) -> list:
    from music_vae_tf import config as configs

    if flags.config:
        names = [name.strip() for name in flags.config.split(",") if name.strip()]
        chosen = [configs.load(name, "music_vae") for name in names]
        return [with_drums(config, flags.drums) for config in chosen]
    chosen = [configs.load(name) for name in configs.names("music_vae")]
    # The choice of drums is for those whose music is drums.
    return [
        with_drums(c, flags.drums) if c.converter.kind in KINDS else c for c in chosen
    ]


def _print_json(reports):
    import json

    print(json.dumps([report.as_dict() for report in reports], indent=1))


def _print_tables(reports, shows_each):
    if shows_each:
        for report in reports:
            print("\n".join(_described(report)), end="\n\n")
    if len(reports) > 1:
        print("\n".join(_totals(reports)))


def _described(report) -> list[str]:
    """A file in lines."""
    tune = f" (tune {report.tune})" if report.tune else ""
    if report.music is None:
        return [f"{report.path}: cannot be read: {report.problem}"]
    music = report.music
    lines = [
        f"{report.path}{tune}: {counted(music.notes, 'note')}, "
        f"{counted(music.bars, 'bar')}, {music.seconds:.1f} s",
        f"  tempo    {_tempo(music)}",
        f"  time     {_list(music.time_signatures, 'bar') or 'no bars'}",
        *_instruments(music),
        f"  drums    {_drums(music.drums)}",
    ]
    if music.mended:
        lines.append(f"  mended   {_list(music.mended)}")
    width = max((len(made.config) for made in report.made), default=0)
    lines += [
        f"  {made.config:{width}}  {_made(made.examples, made.left_out)}"
        for made in report.made
    ]
    return [*lines, *_hints([report])]


def _tempo(music):
    first, slowest, fastest = music.tempos
    if not music.tempo_changes:
        return f"{first:g} BPM"
    return (
        f"{first:g} BPM, then {counted(music.tempo_changes, 'change')} between "
        f"{slowest:g} and {fastest:g}"
    )


def _instruments(music):
    for number, one in enumerate(music.instruments):
        title = "tracks" if number == 0 else ""
        kind = "drums" if one.is_drum else f"program {one.program}"
        name = f"{one.name}: " if one.name else ""
        yield (
            f"  {title:8} {name}{kind}, {counted(one.notes, 'note')}, pitches "
            f"{one.lowest} to {one.highest}"
        )


def _drums(drums):
    if not drums.found_by:
        return (
            "none: nothing on channel 10, and no kit by its name and notes; "
            "--drums=track:NAME or --drums=all takes others"
        )
    found = "by name and notes" if drums.found_by == "looks" else f"on {drums.found_by}"
    classes = ", ".join(f"{name} {count}" for name, count in drums.classes.items())
    parts = [f"{counted(drums.notes, 'note')} {found}", classes]
    if drums.unmapped:
        listed = ", ".join(f"{pitch} ({n})" for pitch, n in drums.unmapped.items())
        parts.append(f"in no class: {listed}; --drum_map may know them")
    return "; ".join(filter(None, parts))


def _made(examples, left_out):
    listed = ", ".join(
        f"{why} ({count})" for why, count in list(left_out.items())[:MOST_REASONS]
    )
    more = len(left_out) - MOST_REASONS
    more = f", {counted(more, 'other reason')}" if more > 0 else ""
    made = counted(examples, "example")
    return f"{made:12}  {listed}{more}".rstrip()


def _list(counts, noun=""):
    if noun:
        return ", ".join(f"{what}: {counted(n, noun)}" for what, n in counts.items())
    return ", ".join(f"{n} {what}" for what, n in counts.items())


def _totals(reports) -> list[str]:
    readable = [report for report in reports if report.music]
    lines = [
        f"{counted(len(reports), 'piece')}, {len(reports) - len(readable)} unreadable"
    ]
    problems = Counter(report.problem.split(":")[0] for report in reports)
    problems.pop("", None)
    lines += [f"  unreadable: {why} ({n})" for why, n in problems.most_common(5)]
    signatures = Counter()
    for report in readable:
        signatures.update(report.music.time_signatures)
    listed = _list(dict(signatures.most_common(6)), "bar")
    lines.append(f"  time signatures: {listed}")
    with_drums = sum(bool(report.music.drums.found_by) for report in readable)
    lines.append(f"  drums: in {with_drums} of {counted(len(readable), 'piece')}")
    return [*lines, *_config_totals(readable), *_hints(readable)]


def _config_totals(reports):
    examples, pieces, reasons = Counter(), Counter(), {}
    for report in reports:
        for made in report.made:
            examples[made.config] += made.examples
            pieces[made.config] += bool(made.examples)
            reasons.setdefault(made.config, Counter()).update(made.left_out)
    width = max(map(len, reasons), default=0)
    for config, left_out in reasons.items():
        made = _made(examples[config], dict(left_out.most_common()))
        yield f"  {config:{width}}  of {pieces[config]} pieces: {made}"


def _hints(reports):
    """What to do about reasons that have a remedy."""
    reasons = " ".join(
        why for report in reports for made in report.made for why in made.left_out
    )
    if "tempo changes" in reasons:
        yield (
            "  Pieces whose tempo changes: music_vae_preprocess_tfrecord cuts them for "
            "training; music_vae_generate --input_midi reads them in beats"
        )


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())
