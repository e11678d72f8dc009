"""Every config with two units in each layer, and batches for it, for tests."""

import dataclasses

import numpy as np
import tensorflow as tf

from music_vae_tf import build
from music_vae_tf import config as configs
from music_vae_tf.batch import Batch, Bits, Classes, OneHot, TwoBit
from music_vae_tf.config import Kind
from music_vae_tf.data.clefs.labels import Encoding, Labels
from music_vae_tf.models.piano_roll_vae import continuation_batch

LABELS = {
    "treble": Labels(
        Encoding(("C5", "rest", "E5.G5"), (9, 5, 4, 1)),
        Encoding(("1/2", "1"), (9, 5, 0)),
    ),
    "bass": Labels(
        Encoding(("C3.G3", "F2"), (3, 3, 0)), Encoding(("2", "1"), (3, 3, 0))
    ),
}
WIDTHS = {
    *("z_size", "lstm_size", "dense_size", "nade_num_hidden"),
    *("learned_input_size", "embedding_size"),
}
LAYERS = {
    *("enc_rnn_size", "dec_rnn_size", "control_preprocessing_rnn_size"),
    *("filters", "lstm_sizes"),
}
# Arguments of the converter of class rolls.
SHORT = {
    "roll_steps": 12,
    "continuation_steps": 8,
    "shortest_steps": 12,
    "hop_steps": 6,
}
STEPS = 2  # rows of an example, where neither model nor converter decides it
LEVELS = 2  # rows or segments in each level of a hierarchy


def narrow(config):
    """The same with two units per layer, short hierarchies, and a larger rate."""
    changes = {
        name: narrow_value(name, value) for name, value in vars(config.model).items()
    }
    if "max_seq_len" in changes:
        levels = level_lengths(config.model.decoder)
        changes["max_seq_len"] = LEVELS ** len(levels) if levels else STEPS
    short = {k: v for k, v in SHORT.items() if k in config.converter.arguments}
    arguments = {**config.converter.arguments, **short}
    return dataclasses.replace(
        config,
        converter=Kind(config.converter.kind, arguments),
        model=dataclasses.replace(config.model, **changes),
        training=dataclasses.replace(config.training, learning_rate=0.05),
    )


def narrow_value(name, value):
    """A field of a section `model`, or an argument of a kind in it, made small."""
    if isinstance(value, Kind):
        arguments = {k: narrow_value(k, v) for k, v in value.arguments.items()}
        return Kind(value.kind, arguments)
    if name == "level_lengths":
        return (LEVELS,) * len(value)
    if name in WIDTHS:
        return 2
    if name in LAYERS:
        return (2,) * len(value)
    return value


def level_lengths(decoder):
    """Those of a hierarchical decoder, also inside another one; () of a flat one."""
    inner = decoder.arguments.get("core")
    return decoder.arguments.get("level_lengths") or (inner and level_lengths(inner))


def converter_of(config):
    """What gives the model its sizes: the converter, or windows of given labels."""
    converter = build.converter(config)
    return converter.windows(LABELS) if config.kind == "clef_lstm" else converter


def dense_rows(layout, shape, rng):
    """Random rows of a layout, as batches have them."""
    if layout is None:
        return np.zeros([*shape, 0], np.float32)
    if isinstance(layout, OneHot):
        classes = [rng.integers(depth, size=shape) for depth in layout.depths]
        return layout.unpack(np.stack(classes, -1).astype(layout.dtype))
    if isinstance(layout, Classes):
        return rng.integers(2, size=[*shape, layout.width]).astype(np.float32)
    if isinstance(layout, (Bits, TwoBit)):
        return rng.integers(2, size=[*shape, layout.depth]).astype(np.float32)
    return rng.random([*shape, layout.depth]).astype(np.float32)


def random_batch(config, converter):
    """Two examples of full length."""
    rng = np.random.default_rng(0)
    steps = getattr(converter, "window_steps", STEPS)
    segments = converter.length_shape
    levels = level_lengths(config.model.decoder) if config.kind == "music_vae" else ()
    if levels:
        steps = config.model.max_seq_len
        segments = (steps // LEVELS,) if segments else ()
    shape = 2, steps
    targets = dense_rows(converter.targets, shape, rng)
    same = converter.inputs_are_targets
    inputs = targets if same else dense_rows(converter.inputs, shape, rng)
    length = LEVELS if levels and segments else steps
    lengths = np.full([2, *segments], length, np.int32)
    controls = dense_rows(converter.controls, shape, rng)
    arrays = inputs, targets, controls, lengths
    batch = Batch(*map(tf.constant, arrays))
    if config.kind != "clstm_decoder":
        return batch
    cvae = build.model(narrow(configs.load("conv_cvae")), converter)
    return continuation_batch(cvae, config.model.latent_windows, batch, None)
