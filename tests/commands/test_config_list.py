"""--list_configs: every config, what it is for, and its true size."""

import pytest

from music_vae_tf import build, config
from music_vae_tf.commands import config_list, music_vae_generate, music_vae_train


@pytest.mark.parametrize("flag", ["--list_configs", "--list_configs=true"])
def test_all_configs_are_listed(capsys, flag):
    assert music_vae_generate.run([flag]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.strip() for line in lines if line.startswith("  ") and line[2] != " "]
    assert sorted(names) == config.names()


def test_a_value_filters(capsys):
    assert music_vae_train.run(["--list_configs=trio"]) == 0
    printed = capsys.readouterr().out
    assert "hierdec-trio_16bar" in printed and "groovae" not in printed


def test_a_filter_that_fits_nothing_names_what_is_near(capsys):
    assert music_vae_train.run(["--list_configs=grovae"]) == 1
    assert "did you mean groovae" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["groovae_4bar", "cat-mel_2bar_med_chords", "hier-trio_16bar", "conv_cvae"]
)
def test_the_sizes_are_those_of_the_models(name):
    asked = config.load(name)
    file = config.configs_folder() / f"{name}.yaml"
    written = config_list.SIZE.search(file.read_text(encoding="utf-8"))[1]
    model = build.uninitialized_model(asked, build.converter(asked))
    assert int(written.replace(",", "")) == model.count_params()
