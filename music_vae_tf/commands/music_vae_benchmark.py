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
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from absl import logging

from music_vae_tf.commands import benchmark_magenta, benchmark_ours
from music_vae_tf.commands.command import Command, UserError

NUM_GROOVES = 1000
GENERATED = {"number": 1024, "batch_size": 512, "length": 64}

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
command.integer("repeats", 3, "Measurements of each side.", at_least=1)
command.float("seconds", 10, "How long a measurement of a pace is, about.", at_least=0)


@dataclass(frozen=True)
class Row:
    """One line of the table: some work, and how many times as fast it should be."""

    name: str
    goal: float
    workload: str  # of the two benchmark modules, or what `_Bench` does itself
    options: dict = field(default_factory=dict)
    shape: tuple[int, int, int] | None = None  # B, T, D of a training
    mixed: bool = False


def _training(config, batch_size, steps, depth, hparams="", examples=False):
    hparams = f"batch_size={batch_size}" + (f",{hparams}" if hparams else "")
    options = {
        "config": config,
        "hparams": hparams,
        "shape": (batch_size, steps, depth),
    }
    return {"options": {**options, "examples_path": None if not examples else ""}}


_SMALL = _training("groovae_4bar", 64, 64, 27, examples=True)
_LARGE = _training("groovae_4bar", 512, 64, 27, examples=True)
ROWS = (
    Row("train", 2.0, "train", **_SMALL),
    Row("train mixed", 2.8, "train", **_SMALL, mixed=True),
    Row("memory", 1.4, "memory", **_SMALL),
    Row("train large", 1.3, "train", **_LARGE),
    Row("train large mixed", 2.2, "train", **_LARGE, mixed=True),
    Row(
        "train scheduled",
        2.0,
        "train",
        **_training("cat-mel_2bar_small", 128, 32, 90),
    ),
    Row(
        "train hierarchical",
        2.0,
        "train",
        **_training(
            *("hierdec-mel_16bar", 32, 256, 90),
            "enc_rnn_size=[512,512],dec_rnn_size=[256,256]",
        ),
    ),
    Row("first step", 2.0, "first_step"),
    Row("convert", 10.0, "convert"),
    Row("extract", 10.0, "extract"),
    Row("sample", 5.0, "sample", GENERATED),
    Row("encode", 1.5, "encode", GENERATED),
    Row("start", 2.5, "start"),
)


def main(flags):
    rows, results = _chosen(flags.rows), []
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(flags, Path(folder))
        for row in rows:
            logging.info("Measuring: %s", row.name)
            results.append(bench.measure(row))
            logging.info("%s", _line(results[-1]))
            if flags.output_json:  # what is done stays, whatever comes
                Path(flags.output_json).write_text(json.dumps(results, indent=2) + "\n")
    print(_table(results))


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
        if row.workload not in (
            "train",
            "extract",
            "sample",
            "encode",
        ):  # seconds, bytes
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
            least = worker.heard()
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
                worker.heard()
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
                worker.heard()
                best = min(worker.seconds(10) for _ in range(5))
            self._peaks[dtype] = 10 * 2 * 2048**3 / best
        return self._peaks[dtype]

    def _products(self, options):
        options = {name: options[name] for name in ("config", "hparams", "shape")}
        with self._worker("ours", "products", **options) as worker:
            return worker.heard()

    def _worker(self, side, workload, **options):
        module, python = benchmark_ours, sys.executable
        if side == "magenta":
            module, python = benchmark_magenta, self._magenta / "bin" / "python"
        arguments = [str(python), module.__file__, workload, json.dumps(options)]
        return _Worker(arguments, self._folder / f"{side}_{workload}.log")

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
                [*program, *options], stdout=file, stderr=file, env=_environment()
            )
        if done.returncode:
            raise UserError(f"{' '.join([*program, *options])} failed:\n{_end(log)}")
        return time.perf_counter() - start_s

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
            worker.heard()
        return folder / "model.ckpt-0"


class _Worker:
    """A process that does so many units of work when it is told a number."""

    def __init__(self, arguments, log):
        self._arguments, self._log = arguments, log
        self.peak_memory_bytes = None

    def __enter__(self):
        self._errors = self._log.open("wb")
        self._process = subprocess.Popen(
            self._arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=_environment(),
        )
        return self

    def __exit__(self, *exception):
        self._process.stdin.close()
        _, _, usage = os.wait4(self._process.pid, 0)
        self.peak_memory_bytes = usage.ru_maxrss * 1024
        self._process.returncode = 0
        self._process.stdout.close()
        self._errors.close()

    def heard(self):
        """What it says next."""
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):  # libraries, too, print
                return json.loads(line)
        raise UserError(f"{' '.join(self._arguments)} failed:\n{_end(self._log)}")

    def seconds(self, number: int) -> float:
        """How long so many units take."""
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        return self.heard()


def _beside_peak(ours, magenta, at_peak, unit):
    """The limit of the ratio, and what else the row says; at_peak: the pace that ours
    would have if all time went into matrix products at the machine's pace in them."""
    more = {"unit": unit, "share_of_peak": ours / at_peak}
    return (at_peak / magenta if magenta else None), more


def _environment():
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}


def _end(log):
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


# What is shown.


def _table(results) -> str:
    head = f"{'':<20}{'ours':>16}{'Magenta':>16}{'ratio':>8}{'goal':>7}{'limit':>7}"
    head += f"{'peak':>6}"
    return "\n".join([head, *map(_line, results)])


def _line(result) -> str:
    share = result.get("share_of_peak")
    return (
        f"{result['row']:<20}{_amount(result['ours'], result['unit']):>16}"
        f"{_amount(result['magenta'], result['unit']):>16}"
        f"{_number(result['ratio']):>8}{result['goal']:>7}{_number(result['limit']):>7}"
        f"{'' if share is None else f'{share:.0%}':>6}"
    )


def _amount(value, unit):
    if value is None:
        return ""
    if unit == "bytes":
        return f"{value / 2**20:,.0f} MiB"
    return f"{value:.3g} {unit}"


def _number(value):
    return "" if value is None else f"{value:.2f}"


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())
