"""How fast this project is; with --magenta, how fast Magenta is on the same machine.

    music_vae_benchmark --magenta=../magenta --output_json=benchmark.json

Both take turns, A B A B, in processes of their own that wait for each other; what is
said of each is the median. Nothing else should run on the machine meanwhile. --rows
picks some of the measurements, and --seconds=2 --repeats=1 is a quick look.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from music_vae_tf.commands import benchmark_magenta, benchmark_ours, benchmark_page
from music_vae_tf.commands.benchmark_rows import (
    PACES,
    ROWS,
    SONG_BARS,
    SONG_QPM,
    Row,
    line,
    table,
)
from music_vae_tf.commands.benchmark_worker import Worker, end_of, environment
from music_vae_tf.commands.command import Command, UserError

log = logging.getLogger("music_vae_tf")

NUM_GROOVES = 1000

command = Command("music_vae_benchmark", __doc__)
command.string(
    "magenta", None, "Environment with Magenta 2.1.4: the folder of its bin."
)
command.string("rows", "", "Only these, with commas between: train,first step.")
command.string("output_json", None, "File for the rows.")
command.string(
    "input_dir",
    None,
    "Folder of drum MIDI; by default a thousand of the project's own grooves.",
)
command.integer("repeats", 3, "Measurements of each side.", at_least=1, at_most=1_000)
command.float("seconds", 10, "How long a measurement of a pace is, about.", at_least=0)


def main(flags):
    rows, results = _chosen(flags.rows), []
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(flags, Path(folder))
        for row in rows:
            log.info("Measuring: %s", row.name)
            results.append(bench.measure(row))
            log.info("%s", line(results[-1]))
            if flags.output_json:  # what is done stays, whatever comes
                Path(flags.output_json).write_text(json.dumps(results, indent=2) + "\n")
    print(table(results))


def _chosen(names) -> list[Row]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = {row.name: row for row in ROWS}
    for name in wanted:
        if name not in known:
            raise UserError(f"--rows: {name!r} is none of {', '.join(known)}")
    return [known[name] for name in wanted] or list(ROWS)


class _Bench:
    """Measures rows, and keeps what several of them need."""

    def __init__(self, flags, folder: Path):
        """folder: for what both sides read, and for what they write."""
        self._folder = folder
        self._magenta = flags.magenta and Path(os.path.expanduser(flags.magenta))
        if self._magenta and not (self._magenta / "bin" / "music_vae_train").exists():
            raise UserError(
                f"--magenta={flags.magenta}: there is no bin/music_vae_train in it; an "
                "environment with Magenta 2.1.4 is expected"
            )
        self._input_dir = flags.input_dir
        self._repeats, self._seconds = flags.repeats, flags.seconds
        self._peaks = {}
        self._peak_memory = {}

    def measure(self, row: Row) -> dict:
        """The row of the JSON file."""
        ours, magenta, limit, more = getattr(self, f"_{row.workload}")(row)
        ratio = ours / magenta if magenta else None
        if row.workload not in PACES:  # seconds, bytes
            ratio = magenta / ours if magenta else None
        return {
            "row": row.name,
            "ours": ours,
            "magenta": magenta,
            "ratio": ratio,
            "goal": row.goal,
            "limit": limit,
            **more,
        }

    # Paces, of workers that take turns.

    def _train(self, row):
        options = dict(row.options)
        if options["examples_path"] is not None:
            options["examples_path"] = str(self._examples)
        ours, magenta = self._paces(
            "train", options, {"mixed_precision": row.mixed}, row.name
        )
        dtype = "bfloat16" if row.mixed else "float32"
        at_peak = self._peak(dtype) / self._products(options)["training"]
        return ours, magenta, *_beside_peak(ours, magenta, at_peak, "steps/s")

    def _memory(self, row):
        """Of the workers that train, which have been measured already or are now."""
        if "train" not in self._peak_memory:
            self._train(ROWS[0])
        ours, magenta = self._peak_memory["train"]
        options = {**row.options, "examples_path": str(self._examples)}
        with self._worker("ours", "before_training", **options) as worker:
            least = worker.answer()
        return ours, magenta, magenta and magenta / least, {"unit": "bytes"}

    def _extract(self, row):
        files = {
            "groovae_4bar": self._examples,
            "cat-drums_2bar_small": self._examples,
            "cat-mel_2bar_small": self._melodies,
        }
        files = {name: str(path) for name, path in files.items()}
        return self._corpora_per_s("extract", {"files": files}, row)

    def _sample(self, row):
        options = {"config": "groovae_4bar", "checkpoint": str(self._checkpoint)}
        return self._corpora_per_s("sample", {**options, **row.options}, row)

    def _encode(self, row):
        options = {"config": "groovae_4bar", "checkpoint": str(self._checkpoint)}
        ours, magenta = self._paces("encode", {**options, **row.options}, {}, row.name)
        shape = row.options["number"], row.options["length"], None
        model = {"config": "groovae_4bar", "hparams": "", "shape": shape}
        at_peak = self._peak("float32") / self._products(model)["encoding"]
        return ours, magenta, *_beside_peak(ours, magenta, at_peak, "times/s")

    def _corpora_per_s(self, workload, options, row):
        ours, magenta = self._paces(workload, options, {}, row.name)
        return ours, magenta, None, {"unit": "times/s"}

    def _paces(self, workload, options, our_options, name):
        """Units a second, of us and of Magenta (None without it)."""
        with contextlib.ExitStack() as stack:
            workers = [
                stack.enter_context(
                    self._worker("ours", workload, **options, **our_options)
                )
            ]
            if self._magenta:
                workers.append(
                    stack.enter_context(self._worker("magenta", workload, **options))
                )
            for worker in workers:
                worker.answer()
            units = [max(1, round(self._seconds / w.seconds(1))) for w in workers]
            paces = [[] for _ in workers]
            for _ in range(self._repeats):
                for worker, number, measured in zip(workers, units, paces):
                    measured.append(number / worker.seconds(number))
        memory = [worker.peak_memory_bytes for worker in workers]
        self._peak_memory[name] = (*memory, None)[:2]
        return (*(statistics.median(measured) for measured in paces), None)[:2]

    def _peak(self, dtype):
        """Floating point operations a second of a large product."""
        if dtype not in self._peaks:
            with self._worker("ours", "peak", dtype=dtype) as worker:
                worker.answer()
                best = min(worker.seconds(10) for _ in range(5))
            self._peaks[dtype] = 10 * 2 * 2048**3 / best
        return self._peaks[dtype]

    def _products(self, options):
        options = {name: options[name] for name in ("config", "hparams", "shape")}
        with self._worker("ours", "products", **options) as worker:
            return worker.answer()

    def _worker(self, side, workload, **options):
        module, python = benchmark_ours, sys.executable
        if side == "magenta":
            module, python = benchmark_magenta, self._magenta / "bin" / "python"
        arguments = [str(python), module.__file__, workload, json.dumps(options)]
        return Worker(arguments, self._folder / f"{side}_{workload}.log")

    # Whole processes, which take turns.

    def _convert(self, row):
        output = self._folder / "converted.tfrecord"
        options = self._conversion(output)
        return self._durations("convert_dir_to_note_sequences", lambda: options)

    def _start(self, row):
        options = [
            "--config=groovae_4bar",
            f"--checkpoint_file={self._checkpoint}",
            "--mode=sample",
            "--num_outputs=5",
        ]
        fresh = lambda: [*options, f"--output_dir={tempfile.mkdtemp(dir=self._folder)}"]
        ours, magenta, *_ = self._durations("music_vae_generate", fresh)
        lines = "from music_vae_tf import quiet; quiet.import_tensorflow()"
        importing = [
            self._run([sys.executable, "-c", lines]) for _ in range(self._repeats)
        ]
        least = statistics.median(importing)
        return ours, magenta, magenta and magenta / least, {"unit": "s"}

    def _transform(self, row):
        """Seconds of music a second, of the whole process with the model in the box."""
        return self._music_per_s(
            lambda: self._run_ours(
                "music_vae_generate",
                "--mode=transform",
                f"--input_midi={self._song}",
                f"--output_dir={tempfile.mkdtemp(dir=self._folder)}",
                "--seed=1",
            )
        )

    def _render(self, row):
        """Seconds of sound a second of rendering, in a process that is warm."""
        with self._worker("ours", "render", song=str(self._song)) as worker:
            worker.answer()
            return self._music_per_s(lambda: worker.seconds(1))

    def _music_per_s(self, seconds):
        music_s = SONG_BARS * 4 * 60 / SONG_QPM
        paces = [music_s / seconds() for _ in range(self._repeats)]
        return statistics.median(paces), None, None, {"unit": "s/s"}

    def _first_step(self, row):
        """Until the checkpoint of the first step is there."""

        def options():
            return [
                "--config=groovae_4bar",
                "--mode=train",
                f"--examples_path={self._examples}",
                "--hparams=batch_size=64",
                "--num_steps=1",
                f"--run_dir={tempfile.mkdtemp(dir=self._folder)}",
            ]

        return self._durations("music_vae_train", options)

    def _page(self, row):
        """Seconds until a loop of music_vae_serve sounds: its notes are here, and the
        page has scheduled them; without what the audio device adds."""
        latency = benchmark_page.measure(self._folder / "page.log")
        log.info("95 of 100 requests within %.3g s", latency.p95)
        return latency.median, None, None, {"unit": "s", "p95": latency.p95}

    def _durations(self, name, options):
        """Seconds of one of the commands, ours and Magenta's."""
        ours, magenta = [], []
        for _ in range(self._repeats):
            ours.append(self._run_ours(name, *options()))
            if self._magenta:
                program = [str(self._magenta / "bin" / name)]
                magenta.append(self._run(program, *options()))
        medians = (statistics.median(ours), statistics.median(magenta or [0]) or None)
        return *medians, None, {"unit": "s"}

    def _run_ours(self, name, *options):
        # As the installed command does it: with `python -m`, the start takes longer.
        lines = (
            f"import sys; from music_vae_tf.commands.{name} import run; sys.exit(run())"
        )
        return self._run([sys.executable, "-c", lines], *options)

    def _run(self, program, *options):
        log = self._folder / "process.log"
        start_s = time.perf_counter()
        with log.open("wb") as file:
            done = subprocess.run(
                [*program, *options], stdout=file, stderr=file, env=environment()
            )
        if done.returncode:
            raise UserError(f"{' '.join([*program, *options])} failed:\n{end_of(log)}")
        return time.perf_counter() - start_s

    @functools.cached_property
    def _song(self):
        """A MIDI file of four minutes: grooves of the project, one after another."""
        from music_vae_tf.data import beats, grooves
        from music_vae_tf.data.midi_writer import write_midi
        from music_vae_tf.data.tempo import in_time

        path, bars = self._folder / "song.mid", 4  # of a groove
        played = [one for _, one in grooves.performances(SONG_BARS // bars)]
        parts = [in_time(one, SONG_QPM, bars * 4) for one in played]
        write_midi(beats.in_a_row(parts), path)
        return path

    # What both sides read.

    @functools.cached_property
    def _midi(self):
        """A folder of drum MIDI."""
        if self._input_dir:
            return Path(os.path.expanduser(self._input_dir))
        from music_vae_tf.data import grooves
        from music_vae_tf.data.midi_writer import write_midi

        folder = self._folder / "grooves"
        folder.mkdir()
        for number, (_, sequence) in enumerate(grooves.performances(NUM_GROOVES)):
            write_midi(sequence, folder / f"{number}.mid")
        return folder

    @functools.cached_property
    def _examples(self):
        """Its NoteSequences."""
        path = self._folder / "notesequences.tfrecord"
        self._run_ours("convert_dir_to_note_sequences", *self._conversion(path))
        return path

    def _conversion(self, output):
        return [f"--input_dir={self._midi}", f"--output_file={output}", "--recursive"]

    @functools.cached_property
    def _melodies(self):
        """The same notes on a piano, so that there are melodies in them."""
        from music_vae_tf.data.records import read_note_sequences, records_writer

        path = self._folder / "melodies.tfrecord"
        with records_writer(path) as write:
            for sequence in read_note_sequences(str(self._examples)):
                for note in sequence.notes:
                    note.is_drum, note.program, note.instrument = False, 0, 0
                write(sequence.SerializeToString())
        return path

    @functools.cached_property
    def _checkpoint(self):
        """Of groovae_4bar, untrained."""
        folder = self._folder / "model"
        folder.mkdir()
        options = {"config": "groovae_4bar", "directory": str(folder)}
        with self._worker("ours", "untrained", **options) as worker:
            worker.answer()
        return folder / "model.ckpt-0"


def _beside_peak(ours, magenta, at_peak, unit):
    """The limit of the ratio, and the row's other columns.

    at_peak: our pace if all time went into matrix products at the machine's peak.
    """
    more = {"unit": unit, "share_of_peak": ours / at_peak}
    return (at_peak / magenta if magenta else None), more


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())
