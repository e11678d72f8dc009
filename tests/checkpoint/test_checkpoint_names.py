"""Our names and Magenta's. The literals were read off graphs that Magenta built."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from music_vae_tf.checkpoint import magenta_names, our_names
from music_vae_tf.checkpoint.names import HOLES, PAIRS, SLOTS

FORWARD = "bidirectional_rnn/fw/multi_rnn_cell/cell_0"
BACKWARD = "bidirectional_rnn/bw/multi_rnn_cell/cell_0"

MODELS = {
    "posterior": {
        "mu/kernel": "encoder/mu/kernel",
        "mu/bias": "encoder/mu/bias",
        "sigma/kernel": "encoder/sigma/kernel",
    },
    "bidirectional encoder": {
        "encoder/layer_0/forward/kernel": f"encoder/cell_0/{FORWARD}/lstm_cell/kernel",
        "encoder/layer_1/backward/bias": f"encoder/cell_1/{BACKWARD}/lstm_cell/bias",
    },
    "unidirectional encoder": {
        "encoder/layer_0/kernel": "encoder/multi_rnn_cell/cell_0/lstm_cell/kernel",
        "encoder/layer_1/bias": "encoder/multi_rnn_cell/cell_1/lstm_cell/bias",
    },
    "hierarchical encoder": {
        "encoder/level_0/layer_1/backward/kernel": "encoder/hierarchical_level_0/"
        f"cell_1/{BACKWARD}/lstm_cell/kernel",
        "encoder/level_1/layer_0/forward/bias": "encoder/hierarchical_level_1/"
        f"cell_0/{FORWARD}/lstm_cell/bias",
    },
    "hierarchical unidirectional encoder": {
        "encoder/level_1/layer_0/kernel": "encoder/hierarchical_level_1/"
        "multi_rnn_cell/cell_0/lstm_cell/kernel",
    },
    "decoder": {
        "decoder/initial_state/kernel": "decoder/z_to_initial_state/kernel",
        "decoder/layer_0/kernel": "decoder/multi_rnn_cell/cell_0/lstm_cell/kernel",
        "decoder/layer_10/bias": "decoder/multi_rnn_cell/cell_10/lstm_cell/bias",
        "decoder/projection/bias": "decoder/output_projection/bias",
        "decoder/output/w_enc": "decoder/nade/w_enc",
        "decoder/output/w_dec_t": "decoder/nade/w_dec_t",
    },
    "hierarchical decoder": {
        "decoder/level_0/initial_state/kernel": "decoder/hierarchical_level_0/"
        "initial_state/kernel",
        "decoder/level_1/layer_0/kernel": "decoder/hierarchical_level_1/cell_0/"
        "lstm_cell/kernel",
        "decoder/core/initial_state/bias": "core_decoder/decoder/"
        "z_to_initial_state/bias",
        "decoder/core/layer_1/kernel": "core_decoder/decoder/multi_rnn_cell/cell_1/"
        "lstm_cell/kernel",
        "decoder/core/output/w_enc": "core_decoder/decoder/nade/w_enc",
    },
    "split decoder": {
        "decoder/part_0/layer_1/kernel": "core_decoder_0/decoder/multi_rnn_cell/"
        "cell_1/lstm_cell/kernel",
        "decoder/part_1/projection/kernel": "core_decoder_1/decoder/"
        "output_projection/kernel",
    },
    "split core of a hierarchical decoder": {
        "decoder/core/part_2/layer_0/bias": "core_decoder/core_decoder_2/decoder/"
        "multi_rnn_cell/cell_0/lstm_cell/bias",
        "decoder/core/part_2/output/w_enc": "core_decoder/core_decoder_2/decoder/"
        "nade/w_enc",
        "decoder/level_0/layer_0/bias": "decoder/hierarchical_level_0/cell_0/"
        "lstm_cell/bias",
    },
    "control preprocessing": {
        "decoder/controls/layer_0/forward/kernel": "control_preprocessing/cell_0/"
        f"{FORWARD}/lstm_cell/kernel",
        "decoder/controls/layer_1/backward/bias": "control_preprocessing/cell_1/"
        f"{BACKWARD}/lstm_cell/bias",
        "decoder/conditioned/layer_0/kernel": "decoder/multi_rnn_cell/cell_0/"
        "lstm_cell/kernel",
        "decoder/conditioned/projection/kernel": "decoder/output_projection/kernel",
        "encoder/layer_0/forward/bias": f"encoder/cell_0/{FORWARD}/lstm_cell/bias",
        "mu/kernel": "encoder/mu/kernel",
    },
    "control preprocessing before a hierarchical decoder": {
        "decoder/controls/layer_0/forward/kernel": "control_preprocessing/cell_0/"
        f"{FORWARD}/lstm_cell/kernel",
        "decoder/conditioned/level_0/layer_0/kernel": "decoder/hierarchical_level_0/"
        "cell_0/lstm_cell/kernel",
        "decoder/conditioned/core/layer_0/kernel": "core_decoder/decoder/"
        "multi_rnn_cell/cell_0/lstm_cell/kernel",
    },
    "control preprocessing before each core of a hierarchical decoder": {
        "decoder/core/controls/layer_0/forward/kernel": "core_decoder/"
        f"control_preprocessing/cell_0/{FORWARD}/lstm_cell/kernel",
        "decoder/core/conditioned/layer_0/kernel": "core_decoder/decoder/"
        "multi_rnn_cell/cell_0/lstm_cell/kernel",
        "decoder/level_0/layer_0/kernel": "decoder/hierarchical_level_0/cell_0/"
        "lstm_cell/kernel",
    },
    "residual cells": {
        "encoder/layer_0/forward/input_projection/kernel": f"encoder/cell_0/{FORWARD}/"
        "input_projection_wrapper/kernel",
        "encoder/layer_0/forward/kernel": f"encoder/cell_0/{FORWARD}/"
        "input_projection_wrapper/lstm_cell/kernel",
        "decoder/layer_0/input_projection/bias": "decoder/multi_rnn_cell/cell_0/"
        "input_projection_wrapper/bias",
        "decoder/layer_0/bias": "decoder/multi_rnn_cell/cell_0/"
        "input_projection_wrapper/lstm_cell/bias",
        "decoder/layer_0/bias/first_moment": "decoder/multi_rnn_cell/cell_0/"
        "input_projection_wrapper/lstm_cell/bias/Adam",
        # As wide as the layer below, therefore without a projection.
        "decoder/layer_1/kernel": "decoder/multi_rnn_cell/cell_1/lstm_cell/kernel",
        "decoder/level_0/layer_0/input_projection/kernel": "decoder/"
        "hierarchical_level_0/cell_0/input_projection_wrapper/kernel",
        "decoder/level_0/layer_0/kernel": "decoder/hierarchical_level_0/cell_0/"
        "input_projection_wrapper/lstm_cell/kernel",
    },
    "state of training": {
        "step": "global_step",
        "first_moment_decay_power": "beta1_power",
        "second_moment_decay_power": "beta2_power",
        "mu/bias": "encoder/mu/bias",
        "mu/bias/first_moment": "encoder/mu/bias/Adam",
        "mu/bias/second_moment": "encoder/mu/bias/Adam_1",
    },
    "a model that Magenta never had": {
        "conv_1/kernel": "conv_1/kernel",
        "conv_1/kernel/second_moment": "conv_1/kernel/Adam_1",
    },
}


@pytest.mark.parametrize("model", MODELS)
def test_every_variable_has_magentas_name(model):
    assert magenta_names(MODELS[model]) == MODELS[model]


@pytest.mark.parametrize("model", MODELS)
def test_every_tensor_has_our_name(model):
    magentas = {theirs: ours for ours, theirs in MODELS[model].items()}
    assert our_names(magentas) == magentas


def test_every_pair_has_an_example():
    examples = [name for model in MODELS.values() for name in model]
    for ours, _ in PAIRS:
        shape = re.sub(r"\{\w+\}", ".*", ours)
        assert any(re.fullmatch(shape, name) for name in examples), ours


def test_names_of_all_golden_checkpoints_go_there_and_back(golden):
    assert len(golden.models()) == 23
    for config in golden.models():
        manifest = golden.json("models", config, "manifest.json")
        for tensors in (manifest["checkpoint"], manifest.get("train_checkpoint", [])):
            names = [tensor["name"] for tensor in tensors]
            ours = our_names(names)
            assert all(ours[name] != name for name in names)
            assert magenta_names(ours.values()) == {ours[n]: n for n in names}


@st.composite
def our_variables(draw):
    """Any name of ours that Magenta has another one for."""
    template = draw(st.sampled_from(PAIRS))[0]
    number = st.integers(0, 30).map(str)

    def filled(hole):
        return draw(st.sampled_from(HOLES[hole[1]]))[0].replace("#", draw(number))

    name = re.sub(r"\{(\w+)\}", filled, template)
    return name + draw(st.sampled_from(SLOTS))[0]


@given(our_variables())
def test_any_name_goes_there_and_back(name):
    theirs = magenta_names([name])[name]
    assert our_names([theirs])[theirs] == name
    assert theirs != name


def test_names_are_at_hand_without_tensorflow():
    code = "import sys, music_vae_tf.checkpoint; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
