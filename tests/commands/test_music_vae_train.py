"""music_vae_train: a training that is stopped goes on as if it had not been."""

import contextlib
import io
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from note_seq.protobuf import music_pb2
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util import tensor_util

from music_vae_tf import checkpoint, pretrained
from music_vae_tf.commands import music_vae_train as command
from music_vae_tf.commands import progress
from music_vae_tf.data.records import records_writer
from music_vae_tf.run_directory import RunDirectory
from music_vae_tf.training import loop as training

TINY = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=2,batch_size=8"


def flags_of(run_dir, records, num_steps, name="groovae_4bar", hparams=TINY, **others):
    values = {
        "config": name,
        "run_dir": run_dir,
        "examples_path": records,
        "num_steps": num_steps,
        "hparams": hparams,
        **others,
    }
    return [f"--{flag}={value}" for flag, value in values.items()]


def run(*arguments, **flags):
    return command.run(flags_of(*arguments, **flags))


def state_at(run_dir, step):
    return checkpoint.read(run_dir / "train" / f"model.ckpt-{step}")


def assert_same_state(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def scalars_in(folder):
    """[(step, tag, value)] of all event files in a folder."""
    events = [
        (event.step, value.tag, tensor_util.make_ndarray(value.tensor))
        for path in sorted(folder.glob("events.*"))
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]
    return [(s, tag, v.item()) for s, tag, v in events if v.dtype == np.float32]


@pytest.fixture(scope="module")
def melody_records(tmp_path_factory):
    """Two-bar melodies: cat-mel_2bar_small transposes them and samples on schedule."""
    path = tmp_path_factory.mktemp("records") / "melodies.tfrecord"
    with records_writer(path) as write:
        for start in range(12):
            sequence = music_pb2.NoteSequence(ticks_per_quarter=220, total_time=4)
            sequence.tempos.add(qpm=120)
            sequence.time_signatures.add(numerator=4, denominator=4)
            for i in range(8):
                pitch = 55 + (start * i * 5) % 17
                sequence.notes.add(
                    pitch=pitch, velocity=80, start_time=i / 2, end_time=(i + 1) / 2
                )
            write(sequence.SerializeToString())
    return path


# Stopped, and started again.


@pytest.fixture(scope="module")
def ten_at_once(groove_records, tmp_path_factory):
    """A training of ten steps, with dropout."""
    run_dir = tmp_path_factory.mktemp("ten")
    assert run(run_dir, groove_records, 10, seed=3) == 0
    return run_dir


@pytest.fixture(scope="module")
def one_step(groove_records, tmp_path_factory):
    """Where a step was taken, with a seed that was drawn, and what was said."""
    run_dir = tmp_path_factory.mktemp("one") / "a b"
    with contextlib.redirect_stderr(io.StringIO()) as said:
        assert run(run_dir, groove_records, 1) == 0
    return run_dir, said.getvalue()


@pytest.fixture
def after_five_steps(monkeypatch):
    """Calls a function when the fifth step of a training is done."""

    def arrange(act):
        shown = progress.Progress.advance

        def advance(bar, *arguments, **options):
            shown(bar, *arguments, **options)
            if bar.title == "Training" and bar.done == 5:
                act()

        monkeypatch.setattr(progress.Progress, "advance", advance)

    return arrange


def test_five_steps_and_five_more_are_ten(ten_at_once, groove_records, tmp_path):
    assert run(tmp_path, groove_records, 5, seed=3) == 0
    assert run(tmp_path, groove_records, 10) == 0  # the seed is remembered
    assert_same_state(state_at(tmp_path, 10), state_at(ten_at_once, 10))


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_saves_and_goes_on(
    ten_at_once, groove_records, tmp_path, after_five_steps, capsys, stop
):
    handler = signal.getsignal(stop)
    after_five_steps(lambda: signal.raise_signal(stop))
    assert run(tmp_path, groove_records, 10, seed=3) == 130
    newest = f"{tmp_path}/train/model.ckpt-5"
    said = capsys.readouterr().err.splitlines()[-2:]
    assert said == [
        f"Stopped. Run the same command again to resume from {newest}",
        "music_vae_train: interrupted",
    ]
    assert signal.getsignal(stop) == handler
    assert run(tmp_path, groove_records, 10) == 0
    assert f"Resuming from {newest} (step 5)" in capsys.readouterr().err
    assert_same_state(state_at(tmp_path, 10), state_at(ten_at_once, 10))


PROGRAM_THAT_HANGS_IN_ITS_FOURTH_STEP = """
import sys, time
from music_vae_tf.commands import music_vae_train, progress
from music_vae_tf.training import loop as training

def advance(bar, *_, **__):
    bar.done += 1
    if bar.title == "Training" and bar.done == 4:
        print("now", flush=True)
        time.sleep(600)

training.SAVE_EVERY_S = 0
progress.Progress.advance = advance
music_vae_train.run(sys.argv[1:])
"""


def test_a_killed_training_goes_on_from_its_last_checkpoint(
    ten_at_once, groove_records, tmp_path, capsys
):
    flags = flags_of(tmp_path, groove_records, 10, seed=3)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM_THAT_HANGS_IN_ITS_FOURTH_STEP, *flags],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"now\n"
        process.kill()
    assert run(tmp_path, groove_records, 10) == 0
    assert "model.ckpt-3 (step 3)" in capsys.readouterr().err
    assert_same_state(state_at(tmp_path, 10), state_at(ten_at_once, 10))


def test_a_stream_goes_on_where_it_was(groove_records, tmp_path):
    for run_dir, stops in (("once", [10]), ("twice", [5, 10])):
        for num_steps in stops:
            assert not run(
                *(tmp_path / run_dir, groove_records, num_steps),
                cache_dataset="false",
                seed=3,
            )
    assert_same_state(state_at(tmp_path / "once", 10), state_at(tmp_path / "twice", 10))


def test_sampling_and_transposition_go_on_where_they_were(melody_records, tmp_path):
    for run_dir, stops in (("once", [4]), ("twice", [2, 4])):
        for num_steps in stops:
            assert not run(
                *(tmp_path / run_dir, melody_records, num_steps, "cat-mel_2bar_small"),
                hparams=TINY + ",sampling_rate=1",
                seed=3,
            )
    assert_same_state(state_at(tmp_path / "once", 4), state_at(tmp_path / "twice", 4))
    tags = {tag for _, tag, _ in scalars_in(tmp_path / "once" / "train")}
    assert "sampling_probability" in tags


def test_another_seed_is_another_training(ten_at_once, one_step):
    one, other = state_at(one_step[0], 0), state_at(ten_at_once, 0)
    name = "encoder/mu/kernel"
    assert not np.array_equal(one[name], other[name])


def times_of_files(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_a_finished_training_is_left_alone(
    ten_at_once, groove_records, capsys, monkeypatch
):
    monkeypatch.setattr(training, "train", lambda *_: pytest.fail("trains"))
    before = times_of_files(ten_at_once)
    assert run(ten_at_once, groove_records, 10) == 0
    assert "Already trained for 10 steps: nothing to do" in capsys.readouterr().err
    assert before == times_of_files(ten_at_once)


def test_other_numbers_are_told_when_a_training_goes_on(
    one_step, groove_records, tmp_path, capsys
):
    run_dir = shutil.copytree(one_step[0], tmp_path / "run")
    seed = RunDirectory(run_dir).record().seed
    changed = TINY.replace("batch_size=8", "batch_size=4")
    assert run(run_dir, groove_records, 2, hparams=changed) == 0
    said = one_step[1] + capsys.readouterr().err
    assert (
        "Changes since the last run:\n  training > batch_size: 8 before, 4 now\n"
        in said
    )
    assert said.count(f", seed {seed}\n") == 2
    assert RunDirectory(run_dir).record().config.training.batch_size == 4


# What a user is told.


def test_a_training_says_what_it_does(one_step):
    run_dir, said = one_step
    assert re.search("^Devices: .+$", said, re.MULTILINE)
    assert "12 NoteSequences gave 12 examples; 0 gave none." in said
    assert f"Training groovae_4bar (849 weights) in {run_dir}, batches of 8" in said
    assert "Training: 1/1 steps, loss " in said
    assert f"The checkpoint is {run_dir}/train/model.ckpt-1" in said
    assert (
        f"\n    music_vae_generate --config=groovae_4bar '--run_dir={run_dir}' " in said
    )


def test_without_an_end_the_number_of_steps_is_not_invented(
    groove_records, tmp_path, after_five_steps, monkeypatch, capsys
):
    monkeypatch.setattr(progress, "FIRST_LINE_AFTER_S", 0)
    after_five_steps(lambda: signal.raise_signal(signal.SIGINT))
    assert run(tmp_path, groove_records, 0) == 130
    assert "Training: 1 steps, loss" in capsys.readouterr().err


def test_summaries_have_magentas_tags(ten_at_once, groove_records):
    scalars = scalars_in(ten_at_once / "train")
    assert {tag for _, tag, _ in scalars} == {
        *("loss", "losses/r_loss", "losses/kl_loss", "losses/kl_bits"),
        *("losses/kl_beta", "learning_rate", "global_norm", "global_step/sec"),
    }
    by_tag = {(step, tag): value for step, tag, value in scalars}
    assert {step for step, _ in by_tag} == {1, 10}
    # Of the step as it was taken: beta is 0 at step 0, the rate has not yet decayed.
    assert by_tag[1, "losses/kl_beta"] == 0
    assert by_tag[10, "losses/kl_beta"] == pytest.approx(0.2)
    assert by_tag[1, "learning_rate"] == pytest.approx(1e-3)
    assert by_tag[1, "loss"] == by_tag[1, "losses/r_loss"]


def test_summaries_say_what_was_trained_on_and_how(ten_at_once, groove_records):
    (path,) = (ten_at_once / "train").glob("events.*")
    texts = {
        value.tag: tensor_util.make_ndarray(value.tensor).item().decode()
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "text"
    }
    assert texts.keys() == {"examples_path", "hparams"}
    assert texts["examples_path"] == str(groove_records)
    assert texts["hparams"].startswith("| Key | Value |\n| :--- | :--- |\n| batch_size")
    assert "| z_size | 2 |\n" in texts["hparams"]


def test_the_first_checkpoint_is_that_of_the_start(ten_at_once):
    state = state_at(ten_at_once, 0)
    assert state["global_step"] == 0
    assert all(not state[name].any() for name in state if name.endswith("/Adam"))
    assert (ten_at_once / "train" / "model.ckpt-10.index").exists()


def test_old_checkpoints_go_when_they_are_not_to_be_kept(
    groove_records, tmp_path, monkeypatch
):
    monkeypatch.setattr(training, "SAVE_EVERY_S", 0)
    assert run(tmp_path, groove_records, 5, checkpoints_to_keep=2) == 0
    kept = sorted(path.stem for path in (tmp_path / "train").glob("*.index"))
    assert kept == ["model.ckpt-4", "model.ckpt-5"]


# From Magenta's checkpoints, and from weights alone.


@pytest.fixture
def magenta(golden, tmp_path):
    """A run_dir as Magenta leaves it after three steps, and its hparams."""
    manifest, _ = golden.model("groovae_4bar")
    trained = Path(golden.path("models", "groovae_4bar", "train_ckpt"))
    train_dir = tmp_path / "magenta" / "train"
    train_dir.mkdir(parents=True)
    for path in trained.iterdir():
        (train_dir / path.name).symlink_to(path)
    if not (train_dir / "checkpoint").exists():
        (name,) = (path.stem for path in trained.glob("*.index"))
        text = f'model_checkpoint_path: "/somewhere/{name}"\n'
        (train_dir / "checkpoint").write_text(text)
    changed = manifest["hparams_changed_from_config"]
    hparams = ",".join(f"{name}={value}" for name, value in changed.items())
    return train_dir.parent, hparams.replace(" ", "")


def test_a_training_of_magentas_goes_on_with_its_optimizer(
    magenta, groove_records, capsys
):
    run_dir, hparams = magenta
    before = checkpoint.read(run_dir)
    still = ",learning_rate=0,min_learning_rate=0"
    assert run(run_dir, groove_records, 4, hparams=hparams + still) == 0
    assert "(step 3)" in capsys.readouterr().err
    after = state_at(run_dir, 4)
    assert after.keys() == before.keys()
    assert after["global_step"] == 4
    assert after["beta1_power"] == pytest.approx(0.9**5)
    assert after["beta2_power"] == pytest.approx(0.999**5)
    squares = 0
    for name in before:
        if name.endswith("/Adam"):
            # m <- 0.9 m + 0.1 g, with gradients clipped to a norm of 1.
            gradient = (after[name] - 0.9 * before[name]) / 0.1
            squares += np.sum(gradient**2)
            variable = name.removesuffix("/Adam")
            np.testing.assert_array_equal(after[variable], before[variable])
    assert squares == pytest.approx(1, rel=1e-4)


def test_a_warm_start_takes_weights_and_begins_anew(
    ten_at_once, groove_records, tmp_path, capsys
):
    start = ten_at_once / "train" / "model.ckpt-10"
    assert run(tmp_path, groove_records, 1, warm_start_checkpoint=start) == 0
    assert "14 of 14 variables loaded" in capsys.readouterr().err
    before, at_start = state_at(ten_at_once, 10), state_at(tmp_path, 0)
    assert at_start["global_step"] == 0
    for name, value in at_start.items():
        if name.endswith(("/Adam", "/Adam_1")):
            assert not value.any()
        elif name not in ("global_step", "beta1_power", "beta2_power"):
            np.testing.assert_array_equal(value, before[name])


def test_a_warm_start_takes_the_pretrained_model(tmp_path, groove_records, capsys):
    name = "groovae_2bar_humanize"
    arguments = tmp_path, groove_records, 1, name, "batch_size=2"
    status = run(*arguments, warm_start_checkpoint="pretrained")
    assert status == 0, capsys.readouterr().err
    expected = checkpoint.read(pretrained.weights_path(name))
    at_start = state_at(tmp_path, 0)
    for tensor, values in expected.items():
        np.testing.assert_array_equal(at_start[tensor], values)


def test_a_warm_start_without_a_pretrained_model_lists_those_there_are(
    tmp_path, groove_records, capsys
):
    run_dir = tmp_path / "run"
    named = {"name": "hierdec-groove_4bar", "warm_start_checkpoint": "pretrained"}
    assert run(run_dir, groove_records, 1, **named) == 1
    error = capsys.readouterr().err
    assert "has no pretrained model" in error and "groovae_2bar_humanize" in error
    assert not run_dir.exists()


def test_a_warm_start_says_what_does_not_fit(
    ten_at_once, groove_records, tmp_path, capsys
):
    wider = TINY.replace("z_size=2", "z_size=3")
    assert not run(
        *(tmp_path, groove_records, 1), hparams=wider, warm_start_checkpoint=ten_at_once
    )
    said = capsys.readouterr().err
    assert re.search(r"mu/kernel +\[4, 3\] +\[4, 2\] +shape mismatch", said)
    assert "8 of 14 variables loaded" in said


def test_a_warm_start_starts_nothing_that_has_started(
    ten_at_once, groove_records, capsys
):
    again = run(ten_at_once, groove_records, 20, warm_start_checkpoint=ten_at_once)
    assert again == 1
    assert "holds one already: name another --run_dir" in capsys.readouterr().err


# Evaluation.


def evaluate(run_dir, records, num_steps, **flags):
    return run(run_dir, records, num_steps, mode="eval", hparams="", **flags)


def test_an_evaluation_ends_with_the_last_step(ten_at_once, groove_records, capsys):
    status = evaluate(
        *(ten_at_once, groove_records, 10),
        eval_num_batches=1,
        eval_dir_suffix="_small",
    )
    assert status == 0
    said = capsys.readouterr().err
    assert "up to that of step 10" in said
    assert re.search(r"^Step 10: loss \d+.*metrics/hits_loss \d", said, re.MULTILINE)
    scalars = scalars_in(ten_at_once / "eval_small")
    assert {step for step, _, _ in scalars} == {10}
    assert {tag for _, tag, _ in scalars} == {
        *("loss", "losses/r_loss", "losses/kl_loss", "losses/kl_bits"),
        *("losses/kl_beta", "metrics/hits_loss", "metrics/velocities_loss"),
        "metrics/offsets_loss",
    }


def test_an_evaluation_waits_for_checkpoints(
    ten_at_once, groove_records, tmp_path, monkeypatch, capsys
):
    """The checkpoints of a finished training appear here one after the other."""
    train_dir = tmp_path / "train"
    train_dir.mkdir()
    (train_dir / "config.yaml").symlink_to(ten_at_once / "train" / "config.yaml")
    to_come = ["model.ckpt-0", "model.ckpt-10"]

    class Trainer:
        def sleep(self, interval_s):
            assert interval_s == 60
            name = to_come.pop(0)
            for suffix in (".data-00000-of-00001", ".index"):
                source = ten_at_once / "train" / (name + suffix)
                (train_dir / (name + suffix)).symlink_to(source)

    monkeypatch.setattr("music_vae_tf.run_directory.time", Trainer())
    assert evaluate(tmp_path, groove_records, 10) == 0
    said = capsys.readouterr().err
    assert re.findall(r"^Step (\d+): loss", said, re.MULTILINE) == ["0", "10"]


# What does not work.


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"name": "groove_4bar"}, "did you mean groovae_4bar"),
        ({"name": "no.yaml"}, "no.yaml: No such file"),
        ({"hparams": "batchsize=3"}, "did you mean batch_size"),
        ({"hparams": "batch_size=many"}, "batch_size: expected a whole number"),
        ({"hparams": "batch_size"}, "cannot read 'batch_size'"),
        (
            {"name": "hierdec-mel_16bar", "hparams": "max_seq_len=100"},
            "must multiply to max_seq_len, which is 100",
        ),
        ({"task": "1"}, "--task belonged to the parameter servers"),
        ({"master": "grpc://localhost:1"}, "--master belonged to"),
        ({"tfds_name": "groove"}, "give --examples_path or --tfds_name, not both"),
    ],
)
def test_a_mistake_in_a_flag_is_explained(
    groove_records, tmp_path, capsys, flags, words
):
    assert run(tmp_path, groove_records, 1, **flags) == 1
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "flags",
    [
        {"seed": -1},
        {"seed": 2**63},
        {"eval_num_batches": 0},
        {"mode": "test"},
        {"checkpoints": 3},
        {"config": ""},
    ],
)
def test_a_flag_out_of_place_is_misuse(groove_records, tmp_path, capsys, flags):
    assert run(tmp_path, groove_records, 1, **flags) == 2
    assert "--help lists all flags" in capsys.readouterr().err


def test_parameter_server_flags_that_ask_for_none_do_no_harm(groove_records, tmp_path):
    flags = command.command.parse(
        [*flags_of(tmp_path, groove_records, 1), "--master=", "--num_ps_tasks=0"]
    )
    command._refuse_parameter_servers(flags)


@pytest.fixture
def bad_records(groove_records, tmp_path):
    """Makes a file of examples that cannot be used."""

    def make(kind):
        path = tmp_path / "bad" / "examples.tfrecord"
        path.parent.mkdir()
        whole = groove_records.read_bytes()
        if kind != "missing":
            path.write_bytes(
                {"empty": b"", "foreign": b"MThd" + whole, "cut": whole[:-5]}[kind]
            )
        return path.parent if kind == "folder" else path

    return make


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no file matches"),
        ("empty", "empty, where NoteSequences are expected"),
        ("foreign", "no TFRecord file, it starts with b'MThd'"),
        ("cut", "record 11 is cut off"),
    ],
)
@pytest.mark.parametrize("cached", ["true", "false"])
def test_bad_examples_are_named(bad_records, tmp_path, capsys, kind, words, cached):
    path = bad_records(kind)
    assert run(tmp_path, path, 20, cache_dataset=cached) == 1
    said = capsys.readouterr().err
    last_line = said.splitlines()[-1]
    assert str(path) in last_line and words in last_line
    assert "Traceback" not in said


@pytest.mark.parametrize("cached", ["true", "false"])
def test_too_few_examples_for_a_batch_are_counted(
    groove_records, tmp_path, capsys, cached
):
    larger = TINY.replace("batch_size=8", "batch_size=64")
    status = run(tmp_path, groove_records, 1, hparams=larger, cache_dataset=cached)
    assert status == 1
    said = capsys.readouterr().err
    assert "too few examples: 12, where one batch takes 64" in said
    assert "--hparams=batch_size=12" in said


def test_examples_of_a_config_that_finds_none_are_explained(
    melody_records, tmp_path, capsys
):
    assert run(tmp_path, melody_records, 1) == 1
    said = capsys.readouterr().err
    assert "too few examples: 0" in said
    assert "gave none:\n       12  " in said


def test_a_loss_that_is_not_finite_stops_the_training(groove_records, tmp_path, capsys):
    wild = TINY + ",learning_rate=1e30"
    assert run(tmp_path, groove_records, 20, hparams=wild) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"the loss of step 2 is (inf|nan): training stops", said)
    newest = RunDirectory(tmp_path).checkpoint()
    assert newest in said
    assert re.search(r"Its batch is of .*NoteSequence \d+", said)
    assert all(np.isfinite(value).all() for value in checkpoint.read(newest).values())


@pytest.mark.parametrize("occupied", ["", "train"])
def test_a_run_dir_that_is_a_file_is_refused_before_reading(
    groove_records, tmp_path, capsys, occupied
):
    run_dir = tmp_path / "run"
    if occupied:
        run_dir.mkdir()
    (run_dir / occupied).write_text("mine")
    assert run(run_dir, groove_records, 1) == 1
    assert "--run_dir: " in capsys.readouterr().err
    assert (run_dir / occupied).read_text() == "mine"


def test_a_checkpoint_of_another_config_is_refused(
    golden, magenta, groove_records, tmp_path, capsys
):
    run_dir, _ = magenta
    assert run(run_dir, groove_records, 5) == 1
    said = capsys.readouterr().err
    assert re.search(r"mu/bias +\[2\] +\[8\] +shape mismatch", said)


def test_another_config_in_the_same_run_dir_is_refused(
    ten_at_once, groove_records, capsys
):
    assert run(ten_at_once, groove_records, 20, "groovae_2bar_humanize") == 1
    assert "belongs to a training of config groovae_4bar" in capsys.readouterr().err


def test_a_full_disk_is_told_and_costs_nothing_that_was_there(
    ten_at_once, groove_records, tmp_path, monkeypatch, capsys
):
    run_dir = shutil.copytree(ten_at_once, tmp_path / "run")
    before = state_at(run_dir, 10)

    def full(**_):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.raw_ops, "SaveV2", full)
    assert run(run_dir, groove_records, 11) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "model.ckpt-11" in said and "No space left on device" in said
    assert_same_state(checkpoint.read(run_dir), before)
