"""The rows of the benchmark's table: what is measured, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field

GENERATED = {"number": 1024, "batch_size": 512, "length": 64}


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
            "hierdec-mel_16bar",
            32,
            256,
            90,
            "enc_rnn_size=[512,512],dec_rnn_size=[256,256]",
        ),
    ),
    Row("first step", 2.0, "first_step"),
    Row("convert", 10.0, "convert"),
    Row("extract", 10.0, "extract"),
    Row("sample", 5.0, "sample", GENERATED),
    Row("encode", 1.5, "encode", GENERATED),
    Row("start", 2.5, "start"),
    # What Magenta has no command for. The goal is in seconds of music a second.
    Row("transform", 10.0, "transform"),
    Row("render", 20.0, "render"),
    # Magenta has no page. The goal is in seconds from a request to sound: until the
    # notes are here, and the 20 ms ahead at which the page schedules them.
    Row("page", 0.15, "page"),
)
# Rows whose amounts grow with the pace; of the others, seconds or bytes shrink.
PACES = ("train", "extract", "sample", "encode", "transform", "render")
SONG_QPM, SONG_BARS = 120.0, 120  # four minutes in 4/4


def table(results) -> str:
    """All results, with a line of headings."""
    head = f"{'':<20}{'ours':>16}{'Magenta':>16}{'ratio':>8}{'goal':>7}{'limit':>7}"
    head += f"{'peak':>6}"
    return "\n".join([head, *map(line, results)])


def line(result) -> str:
    """One result: amounts, ratio, goal, limit and share of the peak."""
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
