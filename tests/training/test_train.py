"""Training from Python is the commands' training, and says what it cannot do."""

import dataclasses
import json
import logging
import subprocess
import sys

import numpy as np
import pytest

import music_vae_tf as mvt
from music_vae_tf import checkpoint, config
from music_vae_tf.commands import music_vae_train as command
from music_vae_tf.data import grooves
from music_vae_tf.data.pipeline import TooFewExamples
from music_vae_tf.data.records import BadRecords, read_note_sequences
from music_vae_tf.data.source import NotMusic
from music_vae_tf.errors import UserFacingError
from music_vae_tf.training import (
    OptionError,
    TrainingInterrupted,
    TrainingOptions,
    request,
)

TINY = {"enc_rnn_size": [2], "dec_rnn_size": [2], "z_size": 2, "batch_size": 4}
OPTIONS = {"holdout": 0.25, "validation_interval": 2, "seed": 3}


@pytest.fixture(scope="module")
def sequences(groove_records):
    return list(read_note_sequences(str(groove_records)))


@pytest.fixture(scope="module")
def by_command(groove_records, tmp_path_factory):
    """The run directory of four steps of the command."""
    run_dir = tmp_path_factory.mktemp("command")
    hparams = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=2,batch_size=4"
    flags = {**OPTIONS, "run_dir": run_dir, "hparams": hparams, "num_steps": 4}
    flags |= {"config": "groovae_4bar", "examples_path": groove_records}
    assert command.run([f"--{name}={value}" for name, value in flags.items()]) == 0
    return run_dir


class Watched:
    """A training from Python, and the steps that it reported."""

    def __init__(self, data, run_dir, **options):
        self.steps = {}
        options = {"hparams": TINY, **OPTIONS, "on_step": self.note, **options}
        self.result = mvt.train("groovae_4bar", data, run_dir, **options)

    def note(self, step, loss):
        self.steps[step] = loss


@pytest.fixture(scope="module")
def by_python(groove_records, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("python")
    return Watched(groove_records, run_dir, num_steps=4)


def assert_same_training(one, other):
    for name in ("train", "train/best"):
        states = [checkpoint.read(run_dir / name) for run_dir in (one, other)]
        assert states[0].keys() == states[1].keys()
        for key, value in states[0].items():
            np.testing.assert_array_equal(states[1][key], value, err_msg=key)
    losses = [(d / "train" / "validation.json").read_text() for d in (one, other)]
    assert losses[0] == losses[1]


# As the command does it.


def test_python_trains_as_the_command_does(by_command, by_python):
    assert_same_training(by_command, by_python.result.run_dir)


def test_python_records_a_training_as_the_command_does(by_command, by_python):
    for name in ("config.yaml", "flags.json", "state.json"):
        texts = [
            (run_dir / "train" / name).read_text()
            for run_dir in (by_command, by_python.result.run_dir)
        ]
        assert texts[0] == texts[1], name


def test_each_step_is_reported_with_its_loss(by_python):
    assert list(by_python.steps) == [1, 2, 3, 4]
    assert by_python.steps[4] == by_python.result.loss
    assert all(np.isfinite(loss) for loss in by_python.steps.values())


def test_the_result_says_what_was_trained(by_python):
    result = by_python.result
    assert (result.steps, result.steps_taken, result.state) == (4, 4, "finished")
    assert (result.seed, result.config.model.z_size) == (3, 2)
    assert {"loss", "losses/r_loss", "learning_rate"} <= result.metrics.keys()
    assert result.checkpoint.endswith("train/model.ckpt-4")
    steps = [step for step, _ in result.validation_losses]
    assert steps == [2, 4]
    best = min(result.validation_losses, key=lambda pair: pair[1])
    assert result.best_checkpoint.endswith(f"best/model.ckpt-{best[0]}")
    assert result.validation_loss == best[1]


def test_the_result_loads_the_trained_model(by_python):
    model = by_python.result.load(batch_size=2, seed=1)
    assert isinstance(model, mvt.TrainedModel)
    assert len(model.sample(2, length=8)) == 2
    state = checkpoint.read(by_python.result.best_checkpoint)
    np.testing.assert_array_equal(model.model.mu.kernel, state["encoder/mu/kernel"])


def test_an_evaluation_measures_what_was_held_out(by_python):
    result = mvt.evaluate(run_dir=by_python.result.run_dir)
    assert (result.step, list(result.metrics_by_step)) == (4, [4])
    losses = dict(by_python.result.validation_losses)
    assert result.metrics["loss"] == pytest.approx(losses[4], rel=1e-5)
    assert result.checkpoint == by_python.result.checkpoint


def test_a_finished_training_has_nothing_left_to_do(by_python):
    again = mvt.train(run_dir=by_python.result.run_dir)
    assert again.was_complete and (again.steps, again.steps_taken) == (4, 0)
    assert again.loss is None and again.checkpoint == by_python.result.checkpoint


# Interrupted, and resumed.


def test_an_interrupted_training_resumes_as_if_it_had_not_been(
    by_command, sequences, tmp_path, capsys
):
    def interrupt(step, loss):
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(TrainingInterrupted) as caught:
        Watched(sequences, tmp_path, num_steps=4, on_step=interrupt)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.checkpoint == str(tmp_path / "train" / "model.ckpt-3")
    state = json.loads((tmp_path / "train" / "state.json").read_text())
    assert state == {"state": "interrupted", "step": 3}
    # No other music takes the place of what was in memory.
    with pytest.raises(OptionError, match="^data is missing: the training was given"):
        mvt.train(run_dir=tmp_path)
    with pytest.raises(OptionError, match="^data is missing: the training was given"):
        mvt.evaluate(run_dir=tmp_path)
    assert command.run([f"--run_dir={tmp_path}"]) == 1
    assert "--examples_path is missing: the training was" in capsys.readouterr().err
    result = mvt.train(data=iter(sequences), run_dir=tmp_path)
    assert (result.steps, result.steps_taken) == (4, 1)
    assert_same_training(by_command, tmp_path)


# What is trained on.


def first_batch(data, run_dir, **options):
    """The first batch of a training on these data."""
    named = TrainingOptions.of({"hparams": TINY, "seed": 3, "data": data, **options})
    asked = request.request("groovae_4bar", run_dir, named)
    return next(iter(asked.data().training_batches(3, 0)))


@pytest.fixture(scope="module")
def midi_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("midi")
    for number, (_, sequence) in enumerate(grooves.performances(6)):
        mvt.write_midi(sequence, folder / f"{number}.mid")
    (folder / "notes.txt").write_text("no music")
    return folder


def assert_same_batch(one, other):
    for name, tensor, twin in zip(one._fields, one, other):
        np.testing.assert_array_equal(tensor, twin, err_msg=name)


@pytest.mark.parametrize(
    "form",
    [list, iter, tuple, lambda s: (each for each in s)],
    ids=["list", "iterator", "tuple", "generator"],
)
@pytest.mark.parametrize("holdout", [0, 0.25])
def test_note_sequences_in_memory_are_those_of_their_file(
    groove_records, sequences, tmp_path, form, holdout
):
    from_file = first_batch(str(groove_records), tmp_path, holdout=holdout)
    in_memory = first_batch(form(sequences), tmp_path, holdout=holdout)
    assert_same_batch(from_file, in_memory)


def test_a_stream_of_sequences_in_memory_is_that_of_their_file(
    groove_records, sequences, tmp_path
):
    from_file = first_batch(groove_records, tmp_path, cache_dataset=False)
    in_memory = first_batch(iter(sequences), tmp_path, cache_dataset=False)
    assert_same_batch(from_file, in_memory)


def test_a_folder_gives_what_its_files_give(midi_folder, tmp_path):
    files = sorted(midi_folder.glob("*.mid"))
    from_folder = first_batch(midi_folder, tmp_path)
    assert_same_batch(from_folder, first_batch(files, tmp_path))
    assert_same_batch(from_folder, first_batch(map(mvt.read_midi, files), tmp_path))


def test_training_leaves_the_sequences_as_they_are(sequences, tmp_path):
    before = [sequence.SerializeToString() for sequence in sequences]
    changed = dataclasses.replace(
        config.override(config.load("groovae_4bar"), "batch_size=4"),
        dataset=config.DatasetConfig(stretch_range=(0.5, 2.0)),
    )
    options = TrainingOptions.of({"seed": 3, "data": sequences})
    asked = request.request(changed, tmp_path, options)
    next(iter(asked.data().training_batches(3, 0)))
    assert [sequence.SerializeToString() for sequence in sequences] == before


# What does not work.


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"config": "groove_4bar"}, config.ConfigError, "did you mean groovae_4bar"),
        ({"config": None}, OptionError, "there is no such folder. config is required"),
        ({"config": {"z_size": 2}}, OptionError, "a name, the path of a YAML file or"),
        ({"run_dir": None}, OptionError, "run_dir: expected the path of a folder"),
        (
            {"data": None, "config": "cat-mel_2bar_small"},
            OptionError,
            "^data is missing: name a TFRecord file",
        ),
        ({"data": 3}, NotMusic, "of type int"),
        ({"data": []}, NotMusic, "this list is empty"),
        ({"data": "none.tfrecord"}, BadRecords, "no file matches none.tfrecord"),
        ({"data": "none.mid"}, FileNotFoundError, "none.mid"),
        ({"num_steps": -1}, OptionError, "num_steps=-1: expected 0 or more"),
        ({"num_steps": 1.5}, OptionError, "num_steps=1.5: expected a whole number"),
        ({"holdout": 1.5}, OptionError, "holdout=1.5: expected a share below 1"),
        ({"nmu_steps": 3}, OptionError, "no option is called 'nmu_steps'; did you"),
        ({"hparams": {"batchsize": 3}}, config.ConfigError, "did you mean batch_size"),
        ({"tfds_name": "groove"}, OptionError, "give data or tfds_name, not both"),
        (
            {"holdout": 0.1, "validation_data": "x"},
            OptionError,
            "give holdout or validation_data, not both",
        ),
    ],
)
def test_a_mistake_is_explained_and_leaves_nothing(
    groove_records, tmp_path, arguments, error, words
):
    run_dir = tmp_path / "run"
    usual = {"config": "groovae_4bar", "data": groove_records, "run_dir": run_dir}
    with pytest.raises(error, match=words) as caught:
        mvt.train(**{**usual, **arguments})
    assert isinstance(caught.value, (OSError, UserFacingError))
    assert not run_dir.exists()


def test_one_note_sequence_belongs_into_a_list(sequences, tmp_path):
    with pytest.raises(NotMusic, match="put it into a list"):
        first_batch(sequences[0], tmp_path)


def test_an_item_that_is_not_music_is_named(sequences, tmp_path):
    with pytest.raises(NotMusic, match="item 1 of the data is a int; a NoteSequence"):
        first_batch([sequences[0], 2, *sequences], tmp_path)


def test_another_strategy_is_refused(groove_records, tmp_path):
    with pytest.raises(OptionError, match="strategy=cloud: expected one of auto,"):
        mvt.train("groovae_4bar", groove_records, tmp_path, strategy="cloud")


def test_an_early_stop_needs_music_to_validate_on(sequences, tmp_path):
    words = "early_stop needs something to validate on: holdout=0.1 holds out"
    with pytest.raises(OptionError, match=words):
        Watched(sequences, tmp_path, early_stop=True, holdout=None, num_steps=1)


def test_an_evaluation_without_a_checkpoint_is_refused(groove_records, tmp_path):
    with pytest.raises(OptionError, match="no checkpoint is there: train first"):
        mvt.evaluate("groovae_4bar", groove_records, tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_config_in_the_same_run_dir_is_refused(by_python, groove_records):
    with pytest.raises(
        ValueError, match="belongs to a training of config groovae_4bar"
    ):
        mvt.train("groovae_2bar_humanize", groove_records, by_python.result.run_dir)


def test_evaluating_on_the_training_music_is_mentioned(
    groove_records, tmp_path, caplog
):
    options = mvt.training.EvaluationOptions(data=str(groove_records))
    asked = request.request("groovae_4bar", tmp_path, options)
    with caplog.at_level(logging.WARNING):
        dataclasses.replace(asked, given=frozenset()).data()
    assert "evaluating on what was trained on" in caplog.text


# The door.


def test_the_public_names_need_no_tensorflow_until_they_are_called():
    program = (
        "import sys, music_vae_tf as mvt\n"
        "for name in mvt.__all__:\n"
        "    if name != 'TrainedModel': getattr(mvt, name)\n"
        "assert set(mvt.__all__) <= set(dir(mvt))\n"
        "print('tensorflow' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_all_lists_every_public_name():
    assert set(mvt.__all__) == {"__version__", *mvt._PUBLIC}
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        mvt.trian  # noqa: B018


def test_a_training_shorter_than_the_interval_is_validated_at_its_end(
    sequences, tmp_path
):
    result = Watched(sequences, tmp_path, num_steps=3, validation_interval=100).result
    assert [step for step, _ in result.validation_losses] == [3]
    assert result.validation_loss is not None and result.best_checkpoint


def test_a_refusal_leaves_no_folder_behind(sequences, tmp_path):
    with pytest.raises(TooFewExamples):
        Watched(sequences, tmp_path / "new" / "run", hparams={"batch_size": 10**6})
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with pytest.raises(TooFewExamples):
        Watched(sequences, tmp_path / "old", hparams={"batch_size": 10**6})
    assert list((tmp_path / "old").iterdir()) == []


def test_a_decoder_alone_trains(sequences, tmp_path):
    options = {"hparams": {**TINY, "z_size": 0}, "num_steps": 2, "holdout": None}
    assert Watched(sequences, tmp_path, **options).result.steps == 2


def test_too_little_music_ends_a_training_before_its_model_is_built(
    sequences, tmp_path, monkeypatch
):
    from music_vae_tf.training import loop

    monkeypatch.setattr(loop, "compiled_model", lambda *_: pytest.fail("it was built"))
    with pytest.raises(TooFewExamples):
        mvt.train("groovae_4bar", sequences[:1], tmp_path, hparams=TINY, num_steps=1)
