"""Five drum loops at once, then the whole main job in a few minutes.

First, a pretrained model writes five loops: a MIDI file, a picture and a sound
file each. Then MIDI files become NoteSequences, a new groovae_4bar learns from them for
a short while, shows how its loss fell, and writes five loops of its own. The grooves
are the project's own; --input_dir takes a folder of your drum MIDI instead:

    bin/demo --input_dir ~/my_grooves

--notrain ends after the first part. Everything goes through the commands that you would
type yourself, and each is shown before it runs. If it is interrupted, the same command
continues.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from music_vae_tf import pretrained
from music_vae_tf.commands.command import Command, UserError

CONFIG = "groovae_4bar"
NUM_GROOVES = 400
NUM_LOOPS = 5
# Enough for loops that hold together, in a few minutes on two cores. The config's own
# batches of 512, small steps and much dropout are for days on a machine with a GPU: of
# what was tried here, these brought the loss down furthest in the time there is.
BATCH_SIZE = 8
NUM_STEPS = 1500
HURRIED = "learning_rate=0.003,dropout_keep_prob=1"
# How long an interrupted command may take before it gets a SIGTERM, too.
PATIENCE_S = 15.0

command = Command("demo", __doc__)
command.string(
    "input_dir", None, "Folder of drum MIDI to learn from; subfolders are included."
)
command.string("output_dir", "demo", "Where everything is written.")
command.boolean("train", True, "Train a model after the loops of the pretrained one.")


class Stopped(Exception):
    """A command of the three has failed, and has printed the reason."""


def main(flags):
    output_dir = Path(os.path.expanduser(flags.output_dir))
    input_dir = flags.input_dir and os.path.abspath(os.path.expanduser(flags.input_dir))
    try:
        _play_pretrained(output_dir / "pretrained")
        if not flags.train:
            return None
        music = _music(input_dir, output_dir)
        with _run_folder(output_dir, music) as run_dir:
            _run(run_dir, output_dir, music)
    except Stopped:
        return 1
    except KeyboardInterrupt:
        print("\nThe same command continues from here.", file=sys.stderr)
        raise


def _run(run_dir: Path, output_dir: Path, music: dict) -> None:
    """The rest of a run: what an earlier start has completed is kept."""
    examples = run_dir / "notesequences.tfrecord"
    if not examples.exists():  # the command writes all of it or nothing
        folder = music["input_dir"] or _write_grooves(output_dir / "grooves")
        _convert(folder, examples)
    batch_size = _batch_size(examples)
    _train(run_dir, examples, batch_size)
    _draw_loss(run_dir)
    loops = _generate(run_dir, output_dir)
    for loop in loops:
        _draw(loop)
    soundless = _play(loops)
    _remember(run_dir, music, finished=True)
    print(_conclusion(loops, run_dir, examples, batch_size))
    if soundless:
        raise UserError(f"everything except the sound was written: {soundless}")


# Runs.


def _music(input_dir: str | None, output_dir: Path) -> dict:
    """What a run learns from. The digest differs when a file comes, goes or changes;
    files of the demo's own do not count."""
    if input_dir is None:
        return {"input_dir": None, "digest": None}
    from music_vae_tf.data.folder import list_folder

    own = os.path.realpath(output_dir)
    digest = hashlib.sha256()
    try:
        for name in list_folder(input_dir, recursive=True).music:
            path = os.path.realpath(os.path.join(input_dir, name))
            if not Path(path).is_relative_to(own):
                status = os.stat(path)
                entry = name, status.st_size, status.st_mtime_ns
                digest.update(repr(entry).encode())
    except OSError:  # which the conversion explains
        return {"input_dir": input_dir, "digest": None}
    return {"input_dir": input_dir, "digest": digest.hexdigest()}


@contextlib.contextmanager
def _run_folder(output_dir: Path, music: dict) -> Iterator[Path]:
    """The folder of the unfinished run on the same music, or a new one.

    It is locked meanwhile: a second demo beside this one takes another. A finished run
    is never touched.
    """
    run_dir, lock = _unfinished(output_dir, music) or _new(output_dir, music)
    try:
        yield run_dir
    finally:
        os.close(lock)


def _unfinished(output_dir, music) -> tuple[Path, int] | None:
    for run_dir in sorted(output_dir.glob("run-*"), reverse=True):
        lock = _lock(run_dir)
        if lock is None:
            continue
        if _remembered(run_dir) == {**music, "finished": False}:
            print(f"Continuing the unfinished run in {_short(run_dir)}")
            return run_dir, lock
        os.close(lock)
    return None


def _new(output_dir, music) -> tuple[Path, int]:
    while True:
        run_dir = output_dir / time.strftime("run-%Y-%m-%d_%H%M%S")
        try:
            run_dir.mkdir(parents=True)
        except FileExistsError:  # another demo has started in the same second
            time.sleep(1)
            continue
        lock = _lock(run_dir)
        if lock is not None:
            _remember(run_dir, music, finished=False)
            return run_dir, lock


def _lock(run_dir: Path) -> int | None:
    """A file descriptor that keeps the folder locked until it is closed, or None if
    another process has locked it, or it is not a folder."""
    try:
        folder = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        return None
    except OSError:  # a file system without locks
        pass
    return folder


def _remember(run_dir: Path, music: dict, finished: bool) -> None:
    from music_vae_tf.data.whole_file import whole_file

    with whole_file(run_dir / "demo.json") as file:
        file.write(json.dumps({**music, "finished": finished}).encode())


def _remembered(run_dir: Path):
    from music_vae_tf.json_files import BadJson, read_json

    try:
        return read_json(run_dir / "demo.json")
    except (OSError, BadJson):
        return None


# Steps of a run.


def _play_pretrained(output_dir: Path) -> None:
    """Loops of the model in the package, unless an earlier start has written them."""
    if len(list(output_dir.glob("*.mid"))) < NUM_LOOPS:
        _call(
            "music_vae_generate",
            config=pretrained.usual("sample"),
            mode="sample",
            num_outputs=NUM_LOOPS,
            format="mid,png,wav",
            output_dir=output_dir,
        )
    loops = sorted(output_dir.glob("*.mid"))
    made = "\n".join(f"    {_short(loop)}" for loop in loops)
    print(f"Loops of the pretrained model, each with .png and .wav:\n{made}")


def _draw_loss(run_dir: Path) -> None:
    from music_vae_tf.rendering import curves
    from music_vae_tf.training.summaries import read_scalars

    picture = run_dir / "loss.png"
    losses = {"training": read_scalars(run_dir / "train", "loss")}
    curves.write(losses, picture, f"{CONFIG}, {NUM_STEPS:,} steps", "loss, nats")
    print(f"How the loss fell: {_short(picture)}")


def _write_grooves(folder: Path) -> Path:
    """The project's own grooves as MIDI files."""
    from music_vae_tf.data import grooves
    from music_vae_tf.data.midi_writer import write_midi

    folder.mkdir(parents=True, exist_ok=True)
    for number, (style, sequence) in enumerate(grooves.performances(NUM_GROOVES)):
        write_midi(sequence, folder / f"{style.replace(' ', '-')}-{number:03d}.mid")
    styles = len(grooves.styles())
    print(f"Played {NUM_GROOVES} grooves in {styles} styles: {_short(folder)}")
    return folder


def _convert(input_dir, examples: Path) -> None:
    _call(
        "convert_dir_to_note_sequences",
        input_dir=input_dir,
        output_file=examples,
        recursive="true",
    )


def _train(run_dir: Path, examples: Path, batch_size: int) -> None:
    _call(
        "music_vae_train",
        config=CONFIG,
        run_dir=run_dir,
        mode="train",
        examples_path=examples,
        num_steps=NUM_STEPS,
        checkpoints_to_keep=1,
        hparams=f"batch_size={batch_size},{HURRIED}",
    )


def _generate(run_dir: Path, output_dir: Path) -> list[Path]:
    """New loops, as MIDI files whose names tell when they were made."""
    before = set(output_dir.glob("*.mid"))
    _call(
        "music_vae_generate",
        config=CONFIG,
        run_dir=run_dir,
        mode="sample",
        num_outputs=NUM_LOOPS,
        output_dir=output_dir,
    )
    return sorted(set(output_dir.glob("*.mid")) - before)


def _call(name: str, **flags) -> None:
    """Show a command as one would type it, and run it in a process of its own."""
    arguments = [
        f"--{flag}={_short(value) if isinstance(value, Path) else value}"
        for flag, value in flags.items()
    ]
    print("\n$ " + " \\\n    ".join([name, *map(shlex.quote, arguments)]), flush=True)
    module = f"music_vae_tf.commands.{name}"
    if _exit_status([sys.executable, "-m", module, *arguments]):
        raise Stopped


def _exit_status(program: list[str]) -> int:
    """Runs a program to its end.

    Ctrl-C reaches both, and the program may take its time to save a checkpoint
    (`subprocess.run` would kill it after a quarter of a second). Where SIGINT or
    SIGTERM reaches this process alone, the program gets SIGTERM.
    """
    process = subprocess.Popen(program)
    try:
        with _sigterm_interrupts(process):
            return process.wait()
    except KeyboardInterrupt:
        try:
            process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
        raise


@contextlib.contextmanager
def _sigterm_interrupts(process):
    def interrupt(*_):
        process.terminate()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _batch_size(examples: Path) -> int:
    """The usual one, or as many examples as there are."""
    from music_vae_tf import config
    from music_vae_tf.data.converters.groove import GrooveConverter
    from music_vae_tf.data.records import read_note_sequences

    converter = GrooveConverter(**config.load(CONFIG).converter.arguments)
    sequences = read_note_sequences(str(examples))
    number = sum(len(converter.extract(s).examples) for s in sequences)
    return min(BATCH_SIZE, max(1, number))


def _draw(loop: Path) -> None:
    from music_vae_tf.data.midi import read_midi
    from music_vae_tf.rendering import piano_roll

    piano_roll.write(read_midi(loop), loop.with_suffix(".png"), loop.stem)


def _play(loops: list[Path]) -> str | None:
    """Writes a WAV file beside each loop; why there is no sound, if there is none."""
    from music_vae_tf.data.midi import read_midi
    from music_vae_tf.data.whole_file import whole_file
    from music_vae_tf.rendering import audio

    for loop in loops:
        try:
            with whole_file(loop.with_suffix(".wav")) as file:
                file.write(audio.wav(read_midi(loop)))
        except audio.NoSound as error:
            return str(error)
    return None


def _conclusion(loops, run_dir: Path, examples: Path, batch_size: int) -> str:
    made = "\n".join(f"    {_short(loop)}" for loop in loops)
    first, last, run, data = map(_typed, (loops[0], loops[-1], run_dir, examples))
    return f"""
{len(loops)} new drum loops of four bars, each with a picture (.png) and sound (.wav):
{made}

Drop one on a drum track of your DAW, or play it with any MIDI player. The model is in
{_short(run_dir)}. What you could try next:

  * Train it longer; it resumes from its last checkpoint:
    music_vae_train --config={CONFIG} --run_dir={run} --mode=train \\
        --examples_path={data} \\
        --num_steps={10 * NUM_STEPS} --hparams=batch_size={batch_size},{HURRIED}
  * Go from one loop to another in seven steps:
    music_vae_generate --config={CONFIG} --run_dir={run} --mode=interpolate \\
        --input_midi_1={first} \\
        --input_midi_2={last} \\
        --num_outputs=7 --output_dir=generated
  * Start from drum MIDI of your own, here with `bin/demo --input_dir FOLDER`, or with
    convert_dir_to_note_sequences --input_dir=FOLDER --recursive \\
        --output_file=notesequences.tfrecord
    and then the two commands above.

The commands are in {_short(Path(sys.executable).parent)}."""


def _typed(path: Path) -> str:
    return shlex.quote(str(_short(path)))


def _short(path) -> Path:
    """The path as seen from here, where that is shorter."""
    return min(Path(path), Path(os.path.relpath(path)), key=lambda p: len(str(p)))


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())
