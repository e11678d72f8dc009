"""What is in music files, and what each config makes of them.

    music_vae_inspect --input=song.mid

Run it when a training has no examples, or when a file is refused: it lists tracks,
channels, tempos, time signatures and drums, what a training reads of it, what a trained
model does, and why the rest is missing. For a folder, and one config:

    music_vae_inspect --input=music/ --config=groovae_4bar

As JSON, one object a file, for other programs:

    music_vae_inspect --input=music/ --json > music.json
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sys
from collections import Counter

from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.convert_dir_to_note_sequences import (
    add_limits,
    worker_limits,
)
from music_vae_tf.commands.drum_map_flag import add_drum_map, drum_map
from music_vae_tf.commands.drums_flag import KINDS, add_drums, with_drums
from music_vae_tf.commands.progress import progress
from music_vae_tf.commands.verbs import input_paths
from music_vae_tf.quiet import import_tensorflow
from music_vae_tf.wording import amount, counted

MANY_FILES = 4  # more than so many are shown as totals, with --verbose one by one
PRELOADED = ("inspection", "scores.files", "song_drums", "song_grid")  # by workers
MOST_REASONS = 3  # for each config
# How drums are found, in words.
FOUND = {
    "looks": "by name and notes",
    "both": "on channel 10, and by name and notes",
    "choice": "by --drums",
}

command = Command("music_vae_inspect", __doc__)
command.string(
    "input",
    None,
    "MIDI, MusicXML or ABC files, or folders of them with all folders in them, with "
    "commas between.",
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
add_limits(command)


def main(flags):
    inputs = input_paths(flags.input, "input")
    paths = [path for one in inputs for path in _paths(one)]
    chosen = _configs(flags)
    kit = drum_map(flags)
    import_tensorflow()
    from music_vae_tf import build
    from music_vae_tf.commands.inspect_transform import TransformReader

    converters = {config.name: build.converter(config) for config in chosen}
    transform = TransformReader(chosen, converters, kit)
    inspect = functools.partial(_inspect, converters, kit, flags.drums, transform)
    reports = []
    with (
        contextlib.closing(_inspected(inspect, paths, worker_limits(flags))) as all_of,
        progress(len(paths), "Inspecting", unit="files") as bar,
    ):
        for of_file in all_of:
            reports += of_file
            bar.advance()
    if flags.json:
        _print_json(reports)
    else:
        _print_tables(reports, flags.verbose or len(reports) <= MANY_FILES)
    return None if any(report.music for report in reports) else 1


def _inspect(converters, kit, drums, transform, path):
    """The reports of a file; whatever reading it raises is in them."""
    from music_vae_tf.data.inspection import FileReport, inspect
    from music_vae_tf.errors import UserFacingError

    try:
        return inspect(path, converters, kit, drums, transform)
    except UserFacingError as error:
        return [FileReport(path, problem=str(error))]
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        why = f"cannot be read: {type(error).__name__}: {error}"
        return [FileReport(path, problem=why)]


def _inspected(inspect, paths, limits):
    """The reports of each file; of several, in processes that limits end."""
    from music_vae_tf.data.inspection import FileReport
    from music_vae_tf.data.workers import Died, map_files

    preload = [f"music_vae_tf.data.{name}" for name in PRELOADED]
    results = map_files(inspect, paths, preload, limits)
    with contextlib.closing(results):
        for path, result in zip(paths, results):
            if isinstance(result, Died):
                result = [FileReport(path, problem=result.problem)]
            yield result


def _paths(path) -> list[str]:
    from music_vae_tf.data.folder import list_folder

    if not os.path.isdir(path):
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
        line
        for made in report.made
        for line in (
            f"  {made.config:{width}}  {_made(made.examples, made.left_out)}",
            *_of_trained_models(made, " " * width),
        )
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


def _of_trained_models(made, indent):
    """What is read of a file beside training, where it is something else."""
    generate, transform = made.generate, made.transform
    if (generate.count, generate.left_out) != (made.examples, made.left_out):
        yield f"  {indent}  generate: {_made(generate.count, generate.left_out)}"
    if transform is not None:
        read = _made(transform.count, transform.left_out, "note")
        yield f"  {indent}  transform: {read}"


def _instruments(music):
    """A line for each; the number in front is that of --drums=track:NUMBER."""
    lines = [
        f"{one.number:2} {_named(one.name)}{_kind(one)}, {counted(one.notes, 'note')}, "
        f"pitches {one.lowest} to {one.highest}{_place(one)}"
        for one in music.instruments
    ]
    lines += [
        f"   {_named(name)}no notes (track {number} of the file)"
        for number, name in music.empty_tracks.items()
    ]
    for title, line in zip(itertools.chain(["tracks"], itertools.repeat("")), lines):
        yield f"  {title:8} {line}"


def _named(name):
    return f"{name}: " if name else ""


def _kind(instrument):
    return "drums" if instrument.is_drum else f"program {instrument.program}"


def _place(instrument):
    if instrument.track is None:
        return ""
    return f" (track {instrument.track} of the file, channel {instrument.channel})"


def _drums(drums):
    if not drums.found_by:
        return (
            "none: nothing on channel 10, and no kit by its name and notes; "
            "--drums=track:NAME or --drums=all takes others"
        )
    found = FOUND.get(drums.found_by, f"on {drums.found_by}")
    classes = ", ".join(f"{name} {count}" for name, count in drums.classes.items())
    parts = [f"{counted(drums.notes, 'note')} {found}", classes]
    if drums.unmapped:
        listed = ", ".join(f"{pitch} ({n})" for pitch, n in drums.unmapped.items())
        parts.append(f"in no class: {listed}; --drum_map may know them")
    return "; ".join(filter(None, parts))


def _made(examples, left_out, noun="example"):
    listed = ", ".join(
        f"{why} ({count})" for why, count in list(left_out.items())[:MOST_REASONS]
    )
    more = len(left_out) - MOST_REASONS
    more = f", {counted(more, 'other reason')}" if more > 0 else ""
    made = counted(examples, noun)
    return f"{made:12}  {listed}{more}".rstrip()


def _list(counts, noun=""):
    if noun:
        return ", ".join(f"{what}: {counted(n, noun)}" for what, n in counts.items())
    return ", ".join(amount(n, what) for what, n in counts.items())


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
