"""Evaluate a trained clef-split LSTM on held-out pieces.

    clef_lstm_evaluate --run_dir=run --data_dir=prepared

It reports the accuracy and cross-entropy of the next notes and durations, beside those
of a unigram and a bigram. Then it compares generated pieces with held-out music.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from music_vae_tf.commands.clef_runs import trained_clef_lstm
from music_vae_tf.commands.command import LARGEST_SEED, Command, UserError
from music_vae_tf.commands.progress import progress
from music_vae_tf.commands.trained import add_checkpoint_flags
from music_vae_tf.quiet import import_tensorflow

PREDICTORS = ("unigram", "bigram", "clef_lstm")

command = Command("clef_lstm_evaluate", __doc__)
add_checkpoint_flags(command)
command.string("data_dir", None, "Output folder of clef_lstm_prepare.", required=True)
command.enum("split", "test", ["test", "validation"], "Which held-out pieces to use.")
command.integer(
    "num_pieces",
    16,
    "Number of pieces to generate; 0 generates none.",
    at_least=0,
    at_most=10_000,
)
command.integer("bars", 16, "Bars of each generated piece.", at_least=1, at_most=1_000)
command.integer(
    "seed", 0, "Seed of the generated pieces.", at_least=0, at_most=LARGEST_SEED
)
command.string("output_file", None, "Where to write all numbers, as JSON.")


def main(flags):
    from music_vae_tf.data.clefs import require_libraries
    from music_vae_tf.data.clefs.prepared import Prepared

    require_libraries()
    prepared = Prepared(Path(os.path.expanduser(flags.data_dir)))
    if not prepared.split[flags.split]:
        raise UserError(
            f"--data_dir={flags.data_dir} has no piece for {flags.split}: prepare "
            "at least three"
        )
    import_tensorflow()
    model = trained_clef_lstm(flags)
    voices = model.config.converter.arguments["voices"]
    pieces = {
        split: list(prepared.pieces(split, voices))
        for split in ("train", "validation", flags.split)
    }
    results = {"prediction": _prediction(model, pieces, flags.split)}
    print(_prediction_table(results["prediction"]))
    if flags.num_pieces:
        results["generation"] = _generation(flags, model, pieces)
        print(_generation_table(results["generation"]))
    if flags.output_file:
        _write(results, os.path.expanduser(flags.output_file))


def _prediction(model, pieces, split) -> dict:
    """{staff or 'both': {head: {model: {'accuracy', 'nats'}}}}."""
    from music_vae_tf.analysis.clef_pieces import Prediction

    with progress(len(pieces[split]), "Predicting", unit="pieces") as bar:
        expected = []
        for piece in pieces[split]:
            expected.append(model.log_probabilities(piece))
            bar.advance()
    results = {staff: {} for staff in (*model.labels, "both")}
    for head in ("notes", "durations"):
        by_staff = {
            staff: _beside_baselines(
                {
                    name: [model.classes(piece, staff, head) for piece in some]
                    for name, some in pieces.items()
                },
                [getattr(its[staff], head) for its in expected],
                split,
                getattr(model.labels[staff], head).size,
            )
            for staff in model.labels
        }
        both = zip(*(found.values() for found in by_staff.values()))
        by_staff["both"] = dict(zip(PREDICTORS, map(Prediction.joined, both)))
        for staff, found in by_staff.items():
            results[staff][head] = {
                name: {"accuracy": its.accuracy, "nats": its.mean_nats}
                for name, its in found.items()
            }
    return results


def _beside_baselines(classes, expected, split, num_classes) -> dict:
    """A `Prediction` of each of the `PREDICTORS`."""
    from music_vae_tf.analysis.clef_pieces import (
        Bigram,
        Prediction,
        Unigram,
        predicted,
    )

    test = classes[split]
    unigram = Unigram(classes["train"], num_classes)
    bigram = Bigram.tuned(classes["train"], num_classes, classes["validation"])
    predictions = (
        map(unigram.predict, test),
        map(bigram.predict, test),
        map(predicted, expected, test),
    )
    return dict(zip(PREDICTORS, map(Prediction.joined, predictions)))


def _prediction_table(results) -> str:
    lines = [
        f"{'':<18}{'unigram':>18}{'bigram':>18}{'clef_lstm':>18}",
        f"{'':<18}" + f"{'accuracy':>11}{'nats':>7}" * 3,
    ]
    for staff, heads in results.items():
        for head, found in heads.items():
            cells = "".join(
                f"{found[name]['accuracy']:>10.1%} {found[name]['nats']:>7.3f}"
                for name in PREDICTORS
            )
            lines.append(f"{staff + ' ' + head:<18}{cells}")
    return "\n".join(lines)


def _generation(flags, model, pieces) -> dict:
    """Metrics of generated pieces, and of held-out music."""
    from music_vae_tf.analysis import clef_pieces as analysis

    generated = _generated(flags, model, pieces[flags.split])
    lines_of = lambda some: [line for its in some for line in its.values()]
    held_out = [piece.lines for piece in pieces[flags.split]]
    train = lines_of([piece.lines for piece in pieces["train"]])
    real = lines_of(held_out)
    results = {}
    for name, some in (("generated", generated), ("held out", held_out)):
        lines = lines_of(some)
        reference = real if name == "generated" else train
        pairs = [analysis.consonant_share(its["treble"], its["bass"]) for its in some]
        consonant, intervals = map(sum, zip(*pairs))
        results[name] = {
            "distance of pitch classes": analysis.total_variation(
                dict(enumerate(analysis.pitch_class_shares(lines))),
                dict(enumerate(analysis.pitch_class_shares(reference))),
            ),
            "distance of durations": analysis.total_variation(
                analysis.duration_shares(lines), analysis.duration_shares(reference)
            ),
            "passages copied": analysis.copied_share(lines, train),
            "consonant intervals": consonant / max(intervals, 1),
        }
    return results


def _generated(flags, model, held_out) -> list[dict]:
    """New pieces, in the modes and time signatures of the held-out ones in turn."""
    import numpy as np

    from music_vae_tf.data.clefs import TICKS_PER_QUARTER, Form

    rng = np.random.default_rng(flags.seed)
    generated = []
    with progress(flags.num_pieces, "Generating", unit="pieces") as bar:
        for number in range(flags.num_pieces):
            like = held_out[number % len(held_out)]
            eighths = 2 * like.bar_ticks // TICKS_PER_QUARTER
            form = Form(flags.bars, eighths, 8)
            generated.append(model.sample(form, like.mode, model.usual_sampling, rng))
            bar.advance()
    return generated


def _generation_table(results) -> str:
    names = list(results)
    lines = ["", f"{'':<28}" + "".join(f"{name:>12}" for name in names)]
    for measure in results[names[0]]:
        cells = "".join(f"{results[name][measure]:>12.1%}" for name in names)
        lines.append(f"{measure:<28}{cells}")
    lines.append(
        "Distances of generated pieces are to held-out music, distances of held-out "
        "music to the\ntraining music. Copied passages occur in the training music too."
    )
    return "\n".join(lines)


def _write(results, path):
    from music_vae_tf.data.whole_file import whole_file

    with whole_file(path) as file:
        file.write((json.dumps(results, indent=1) + "\n").encode())


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())
