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
