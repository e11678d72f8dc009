"""The same seed gives the same bytes, a resumed training the same weights, and neither
training nor sampling takes more memory as it goes on."""

import gc
from pathlib import Path

import numpy as np
import pytest
from narrow_models import converter_of, narrow, random_batch
from untrained_runs import untrained_run

from music_vae_tf import checkpoint, config, training
from music_vae_tf.commands import music_vae_generate, music_vae_train
from music_vae_tf.generation import TrainedModel
from music_vae_tf.run_directory import RunDirectory
from music_vae_tf.training import loop

SIZES = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=2,batch_size=4"
MAX_GROWTH = 1.05
SHORT_CONFIGS = ["groovae_4bar"]


def resident_bytes():
    """What this process has in memory, once garbage is collected."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def growth(step, count):
    """How much larger memory is at the end of `count` steps than after half of them."""
    for _ in range(count // 2):
        step()
    before = resident_bytes()
    for _ in range(count - count // 2):
        step()
    return resident_bytes() / before


def trained_files(folder, records):
    """What a training and its samples write: {name: bytes}."""
    flags = ["--config=groovae_4bar", f"--run_dir={folder}", "--seed=5"]
    data = [f"--hparams={SIZES}", f"--examples_path={records}"]
    assert music_vae_train.run([*flags, *data, "--num_steps=2"]) == 0
    out = [f"--output_dir={folder / 'out'}", "--format=mid,wav,png"]
    assert music_vae_generate.run([*flags, *out, "--num_outputs=2"]) == 0
    newest = RunDirectory(folder).checkpoint()
    weights = [Path(f"{newest}{end}") for end in (".data-00000-of-00001", ".index")]
    samples = sorted((folder / "out").iterdir())
    return [path.read_bytes() for path in (*weights, *samples)]


@pytest.mark.long  # test_flags.py has sheets in short
def test_the_same_seed_gives_the_same_files(tmp_path, groove_records, figure):
    one, other = (trained_files(tmp_path / name, groove_records) for name in "ab")
    assert len(one) == 8 and one == other
    figure(
        "The same seed gives the same bytes",
        "checkpoint, MIDI, WAV and PNG of two trainings and of their samples are equal",
    )


def state_after(one, stops, folder):
    """The state of a training that ends, and goes on, at some steps."""
    for stop in stops:
        model = training.compiled_model(one, converter_of(one), seed=3)
        # Right after the seed: latents of clstm_decoder are of a model drawn here.
        batch = random_batch(one, converter_of(one))
        loop.resume(model, folder)
        for _ in range(model.steps_taken, stop):
            model.train_step(batch)
        training.Saver(folder, 1, 1).save(model)
    return checkpoint.read(folder)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in SHORT_CONFIGS else pytest.mark.long)
        for name in config.names()
    ],
)
def test_a_resumed_training_is_bit_for_bit_one_that_was_not(tmp_path, name, figure):
    one = narrow(config.load(name))
    whole = state_after(one, [4], tmp_path / "whole")
    parts = state_after(one, [2, 4], tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for key, value in whole.items():
        np.testing.assert_array_equal(value, parts[key], err_msg=key)
    figure(
        "A training that is resumed is bit for bit one that was not interrupted",
        f"{name}: {len(whole)} tensors, moments of Adam included",
    )


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="without /proc")
def test_memory_is_flat_over_training_steps(tmp_path, amount, figure):
    one, count = narrow(config.load("groovae_4bar")), amount(60, 2_000)
    model = training.compiled_model(one, converter_of(one), seed=0)
    batch = random_batch(one, converter_of(one))
    step = loop.compiled_step(model.train_step, [batch])
    grown = growth(lambda: float(step(batch)["loss"]), count)
    assert grown < MAX_GROWTH
    figure(
        "Memory does not grow as a training or sampling goes on",
        f"{count:,} training steps: {100 * (grown - 1):+.1f} % over the second half",
    )


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="without /proc")
def test_memory_is_flat_over_samples(tmp_path, amount, figure):
    untrained_run(tmp_path, "groovae_4bar")
    directory, count = RunDirectory(tmp_path), amount(10, 500)
    model = TrainedModel(directory.record().config, 1, directory.checkpoint(), seed=0)
    grown = growth(lambda: model.sample(1, length=16), count)
    assert grown < MAX_GROWTH
    figure(
        "Memory does not grow as a training or sampling goes on",
        f"{count} samples: {100 * (grown - 1):+.1f} % over the second half",
    )
