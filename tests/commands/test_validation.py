"""A training that validates stops where it should, and remembers what it was given."""

import itertools
import json
import re
import signal
import time

import numpy as np
import pytest

from music_vae_tf import checkpoint, training
from music_vae_tf.commands import music_vae_generate, music_vae_train, progress
from music_vae_tf.data.source import NothingHeldOut, Source
from music_vae_tf.run_directory import RunDirectory

TINY = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=2,batch_size=4"
VALIDATING = ("--validation_interval=2", "--patience=2", "--seed=3")


def train(run_dir, *flags):
    return music_vae_train.run([f"--run_dir={run_dir}", *flags])


def start(run_dir, records, num_steps, *flags):
    return train(
        run_dir,
        "--config=groovae_4bar",
        f"--examples_path={records}",
        f"--hparams={TINY}",
        f"--num_steps={num_steps}",
        *VALIDATING,
        *flags,
    )


def losses(run_dir):
    return json.loads((run_dir / "train" / "validation.json").read_text())


@pytest.fixture
def losses_to_come(monkeypatch):
    """The validation losses are those of a list, by step; returns how to set it."""

    def arrange(by_step):
        monkeypatch.setattr(
            training.Evaluation,
            "of_model",
            lambda self: {"loss": by_step[self._model.steps_taken]},
        )

    return arrange


def test_an_early_stop_keeps_the_best_and_generates_from_it(
    groove_records, tmp_path, losses_to_come, capsys
):
    losses_to_come({2: 5.0, 4: 3.0, 6: 4.0, 8: 3.5, 10: 1.0})
    run_dir = tmp_path / "run"
    assert start(run_dir, groove_records, 20, "--holdout=0.25", "--early_stop") == 0
    assert losses(run_dir) == [[2, 5.0], [4, 3.0], [6, 4.0], [8, 3.5]]
    said = capsys.readouterr().err
    assert "stopped falling: its lowest was 3 at step 4, and 2 validations" in said
    assert checkpoint.step_of(checkpoint.latest(run_dir / "train" / "best")) == 4
    assert checkpoint.step_of(checkpoint.latest(run_dir / "train")) == 8
    # Neither goes on, and the best is what is generated from.
    assert train(run_dir) == 0
    assert checkpoint.step_of(checkpoint.latest(run_dir / "train")) == 8
    flags = [f"--run_dir={run_dir}", "--num_outputs=1", f"--output_dir={tmp_path}/out"]
    assert music_vae_generate.run(["--mode=sample", *flags]) == 0
    assert "best/model.ckpt-4" in capsys.readouterr().err


def test_there_is_one_best_checkpoint_however_long_a_training_lasts(
    groove_records, tmp_path, losses_to_come, monkeypatch
):
    losses_to_come({2: 5.0, 4: 4.0, 6: 3.0})
    hours = itertools.count()
    monkeypatch.setattr(time, "time", lambda: 3600.0 * next(hours))
    run_dir = tmp_path / "run"
    keep = ["--checkpoints_to_keep=1", "--keep_checkpoint_every_n_hours=1"]
    assert start(run_dir, groove_records, 6, "--holdout=0.25", *keep) == 0
    best = run_dir / "train" / "best"
    assert [file.name for file in best.glob("*.index")] == ["model.ckpt-6.index"]


def test_the_best_counts_too_where_an_early_stop_was_asked_for_and_did_not_come(
    groove_records, tmp_path, losses_to_come, capsys
):
    losses_to_come({2: 3.0, 4: 4.0})
    run_dir = tmp_path / "run"
    assert start(run_dir, groove_records, 4, "--holdout=0.25", "--early_stop") == 0
    assert checkpoint.step_of(checkpoint.latest(run_dir / "train")) == 4
    chosen = RunDirectory.at(str(run_dir)).to_generate_from()
    assert checkpoint.step_of(chosen) == 2


def test_an_interrupted_training_validates_as_one_that_was_not(
    groove_records, tmp_path, monkeypatch
):
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert start(once, groove_records, 8, "--holdout=0.25") == 0
    shown = progress.Progress.advance

    def advance(bar, *arguments, **options):
        shown(bar, *arguments, **options)
        if bar.title == "Training" and bar.done == 4:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(progress.Progress, "advance", advance)
        assert start(twice, groove_records, 8, "--holdout=0.25") == 130
    assert train(twice) == 0  # all else is remembered
    assert [step for step, _ in losses(once)] == [2, 4, 6, 8]
    np.testing.assert_array_equal(losses(once), losses(twice))
    for name in ("train", "train/best"):
        one, other = (checkpoint.read(run / name) for run in (once, twice))
        for key, value in one.items():
            np.testing.assert_array_equal(other[key], value)


def test_run_dir_alone_evaluates_what_was_held_out_and_ends(
    groove_records, tmp_path, capsys
):
    assert start(tmp_path, groove_records, 2, "--holdout=0.25") == 0
    capsys.readouterr()
    assert train(tmp_path, "--mode=eval") == 0
    said = capsys.readouterr().err
    assert "(held out): 3 NoteSequences gave 3 examples" in said
    assert "The evaluation ends with the training, which is finished." in said
    loss = float(re.search(r"Step 2: loss ([0-9.]+)", said)[1])
    assert loss == pytest.approx(losses(tmp_path)[0][1], rel=1e-3)


def test_an_evaluation_of_an_interrupted_training_ends(groove_records, tmp_path):
    assert start(tmp_path, groove_records, 2) == 0
    (tmp_path / "train" / "state.json").write_text('{"state": "interrupted"}')
    assert train(tmp_path, "--mode=eval", "--num_steps=100") == 0


def test_an_early_stop_without_validation_is_refused(groove_records, tmp_path, capsys):
    assert start(tmp_path, groove_records, 2, "--early_stop") == 1
    assert "--holdout=0.1 holds out a tenth" in capsys.readouterr().err


def test_files_are_held_out_whole_and_by_seed(groove_records):
    source = Source.of_files(str(groove_records))
    names = lambda part: [s.SerializeToString() for s in part.read()]
    rest, held_out = map(names, source.split(0.25, seed=1))
    assert len(held_out) == 3
    assert sorted(rest + held_out) == sorted(names(source))
    assert names(source.split(0.25, seed=1)[1]) == held_out
    assert names(source.split(0.25, seed=2)[1]) != held_out


def test_one_file_cannot_be_divided(groove_records):
    one = next(iter(Source.of_files(str(groove_records)).read()))
    with pytest.raises(NothingHeldOut, match="there is 1"):
        Source("one", lambda: [one, one]).split(0.1, seed=0)
