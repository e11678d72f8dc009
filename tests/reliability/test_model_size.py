"""Models that do not fit into memory are refused before anything is built."""

import resource
import time

import keras
import numpy as np
import pytest

from music_vae_tf import build, config, kinds
from music_vae_tf.models import size

MAX_SECONDS = 10
MAX_EXTRA_KILOBYTES = 300_000


@pytest.mark.parametrize(
    ("name", "hparams"),
    [
        ("groovae_2bar_humanize", "z_size=100000000"),
        ("groovae_2bar_humanize", "enc_rnn_size=[9000000]"),
        ("cat-mel_2bar_small", "dec_rnn_size=[99999,9999999]"),
        ("cat-mel_2bar_small", "z_size=1000000000000000000"),
        ("conv_cvae", "z_size=1000000000"),
        ("clstm_decoder", "lstm_size=10000000"),
    ],
)
def test_sizes_beyond_memory_are_refused_with_the_number_of_weights(name, hparams):
    changed = config.load(name)
    key = hparams.partition("=")[0]
    if key not in config.hparams(changed):
        pytest.fail(f"{name} has no hparam {key}: {sorted(config.hparams(changed))}")
    changed = config.override(changed, hparams)
    converter = build.converter(changed)
    started = time.process_time()  # other processes do not count
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(size.TooLargeModel, match=r"has [\d,]{11,} weights"):
        build.model(changed, converter)
    assert time.process_time() - started < MAX_SECONDS
    extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert extra < MAX_EXTRA_KILOBYTES


@pytest.mark.parametrize(
    ("name", "hparams"),
    [
        ("groovae_2bar_humanize", f"max_seq_len={10**12}"),
        ("groovae_2bar_humanize", f"batch_size={10**12}"),
        ("groovae_2bar_humanize", f"max_seq_len={10**6},batch_size={10**6}"),
        ("conv_cvae", f"batch_size={10**12}"),
        ("clstm_decoder", f"batch_size={2**60}"),
    ],
)
def test_a_batch_beyond_memory_is_refused_before_anything_is_built(name, hparams):
    changed = config.override(config.load(name), hparams)
    converter = build.converter(changed)
    started = time.process_time()
    with pytest.raises(
        size.TooLargeModel, match=r"examples in a batch, of up to [\d,]+"
    ):
        build.model(changed, converter, size.TRAINING_COPIES)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("name", ["groovae_2bar_humanize", "cat-mel_2bar_small"])
@pytest.mark.parametrize("hparam", ["z_size", "enc_rnn_size[0]", "dec_rnn_size[0]"])
def test_the_largest_sizes_of_a_config_are_refused_in_words(name, hparam):
    changed = config.override(config.load(name), f"{hparam}={2**60}")
    with pytest.raises(size.TooLargeModel):
        build.model(changed, build.converter(changed))


@pytest.mark.parametrize("name", config.names())
def test_every_config_has_batches_that_fit(name, monkeypatch):
    loaded = config.load(name)
    kind = kinds.find(loaded.kind)
    if kind.data.endswith(":ClefPieceData"):  # the data say how long examples are
        return
    monkeypatch.setattr(size, "memory_bytes", lambda: 4e9)
    example_size = kind.example_size(loaded, build.converter(loaded))
    assert example_size > 100
    size.check_batch_fits(loaded.training.batch_size, example_size, name)


@pytest.mark.parametrize("name", ["groovae_2bar_humanize", "conv_cvae"])
def test_the_weights_are_counted_as_they_are_built(name):
    loaded = config.load(name)
    converter = build.converter(loaded)
    built = build.model(loaded, converter)
    counted = size.count_weights(lambda: build.model(loaded, converter))
    assert counted == built.count_params()


def test_counting_changes_no_weight_that_is_drawn_later():
    loaded = config.load("groovae_2bar_humanize")
    loaded = config.override(loaded, "enc_rnn_size=[4],dec_rnn_size=[4],z_size=2")
    converter, weights = build.converter(loaded), []
    for count in (False, True):
        keras.utils.set_random_seed(1)
        if count:
            size.count_weights(lambda: build.model(loaded, converter))
        model = kinds.find(loaded.kind).build(loaded, converter, "float32")
        weights.append([variable.numpy() for variable in model.variables])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_needs_more_than_its_weights(monkeypatch):
    monkeypatch.setattr(size, "memory_bytes", lambda: 100)
    size.check_fits(25, 1, "mine")
    with pytest.raises(size.TooLargeModel, match="config mine has 25 weights"):
        size.check_fits(25, size.TRAINING_COPIES, "mine")
