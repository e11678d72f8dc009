"""Names that were changed: checkpoints and configs with the old ones still load."""

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf import checkpoint
from music_vae_tf import config as configs
from music_vae_tf.config import ConfigError
from music_vae_tf.old_names import OLD_NAMES, old_variable_name

OLD_TEXTS = {
    "clef_lstm": [
        ("factored_logits: true", "composed_scores: true"),
        ("loss_on: all", "predicted: every"),
        ("note_input: label", "note_input: number"),
    ],
    "conv_cvae": [("positive_weight: 5", "sounding_weight: 5")],
    "clstm_decoder": [("positive_weight: 5", "sounding_weight: 5")],
    "musicvae_groove_tokens": [("carry_last_row: false", "carry_rows: false")],
}


def text_of(name):
    file = configs.configs_folder() / f"{name}.yaml"
    return file.read_text(encoding="utf-8")


def old_text(name):
    text = text_of(name)
    for new, old in OLD_TEXTS[name]:
        assert new in text
        text = text.replace(new, old)
    return text


@pytest.mark.parametrize("name", OLD_TEXTS)
def test_a_config_with_old_names_is_the_same_config(name):
    expected = configs.parse(text_of(name), name)
    if name == "clef_lstm":
        expected = configs.override(expected, "note_input=scalar")
    assert configs.parse(old_text(name), name) == expected


def test_every_old_key_and_value_is_tried():
    old = "\n".join(old for pairs in OLD_TEXTS.values() for _, old in pairs)
    assert all(f"{key}: " in old for key in OLD_NAMES.keys)
    assert all(f": {value}" in old for _, value in OLD_NAMES.values)


def test_old_names_of_hparams_change_what_they_are_called_now():
    config = configs.load("clef_lstm")
    old = "composed_scores=False,predicted=last,note_input=number"
    new = "factored_logits=False,loss_on=last,note_input=scalar"
    assert configs.override(config, old) == configs.override(config, new)


def test_the_old_and_the_new_name_of_a_key_together_are_refused():
    text = text_of("conv_cvae").replace(
        "positive_weight: 5", "positive_weight: 5\n  sounding_weight: 4"
    )
    with pytest.raises(ConfigError, match="no key 'sounding_weight' here"):
        configs.parse(text, "conv_cvae")


@pytest.mark.parametrize("slot", ["", "/first_moment"])
def test_a_variable_is_restored_from_its_old_name(tmp_path, slot):
    new, old = f"bass/other_staff/kernel{slot}", f"bass/heard/kernel{slot}"
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    checkpoint.write(tmp_path / "model.ckpt-1", {old: values})
    variable = tf.Variable(tf.zeros([2, 3]))
    checkpoint.restore({new: variable}, tmp_path / "model.ckpt-1")
    np.testing.assert_array_equal(variable, values)


def test_a_new_name_is_preferred_to_an_old_one(tmp_path):
    values = np.ones([2], np.float32)
    checkpoint.write(tmp_path / "model.ckpt-1", {"treble/other_staff/bias": values})
    variable = tf.Variable(tf.zeros([2]))
    checkpoint.restore({"treble/other_staff/bias": variable}, tmp_path / "model.ckpt-1")
    np.testing.assert_array_equal(variable, values)


def test_other_variables_have_no_old_name():
    assert old_variable_name("decoder/layer_0/kernel") is None
