"""Pretrained models: they load, are described, and are not mixed up with others."""

import dataclasses
import re
from pathlib import Path

import pytest

from music_vae_tf import checkpoint, config, pretrained
from music_vae_tf.commands import clef_lstm_generate, music_vae_generate
from music_vae_tf.data import midi

REPOSITORY = Path(__file__).resolve().parent.parent
NAMES = pretrained.names()
OF_MUSIC_VAE = [name for name in NAMES if pretrained.config(name).kind == "music_vae"]
CARD_SECTIONS = ("Data", "Training", "Measurements", "Limits")


def test_there_are_pretrained_models_and_they_are_small():
    size = sum(file.stat().st_size for file in pretrained.FOLDER.iterdir())
    assert OF_MUSIC_VAE
    assert size < 45e6


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_whole_and_have_a_config(name):
    assert checkpoint.read(pretrained.weights_path(name))
    assert pretrained.config(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_the_model_is_and_whose_data_it_has_seen(name):
    card = pretrained.card(name)
    headings = re.findall(r"^## (.+)$", card, re.MULTILINE)
    assert set(CARD_SECTIONS) <= set(headings)
    assert card.startswith(f"# {name}\n")
    assert "icence" in card and "seed" in card and name in pretrained.introduction(name)


@pytest.mark.parametrize("name", OF_MUSIC_VAE)
def test_a_pretrained_model_plays(name):
    from music_vae_tf.generation import TrainedModel

    if pretrained.config(name).converter.kind == "tokens":
        pytest.importorskip("miditok")
    model = TrainedModel(name, 1, seed=0)
    outputs = model.sample(1, model.config.model.max_seq_len, temperature=0.5)
    assert outputs[0].notes


def test_a_pretrained_groove_is_played_by_means_over_hits_alone(tmp_path):
    """By the command and in Python, and not where the flag says otherwise."""
    from music_vae_tf.generation import TrainedModel

    flags = ["--config=groovae_4bar", "--seed=3", "--num_outputs=1"]
    means = {}
    for name in ("default", "magenta", "given_hits"):
        more = [] if name == "default" else [f"--playing={name}"]
        folder = tmp_path / name
        assert music_vae_generate.run([*flags, f"--output_dir={folder}", *more]) == 0
        (file,) = folder.glob("*.mid")
        means[name] = _mean_velocity(midi.read_midi(file))
    assert means["default"] == means["given_hits"] > 1.3 * means["magenta"]
    model = TrainedModel("groovae_4bar", 1, seed=3)
    (loop,) = model.sample(1, 64, temperature=0.5)
    assert _mean_velocity(loop) == pytest.approx(means["default"], abs=0.5)


def _mean_velocity(sequence):
    return sum(note.velocity for note in sequence.notes) / len(sequence.notes)


@pytest.mark.parametrize("name", OF_MUSIC_VAE)
def test_a_pretrained_model_moves_attributes(name):
    from music_vae_tf.generation import TrainedModel
    from music_vae_tf.generation.attributes import attributes_of

    if pretrained.config(name).converter.kind == "tokens":
        pytest.importorskip("miditok")
    moved = attributes_of(TrainedModel(name, 1))
    assert "density" in moved
    assert all(one.correlation >= 0.2 for one in moved.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_pretrained_model_is_listed_in_the_documentation(name):
    page = REPOSITORY / "docs" / "play" / "checkpoints.md"
    assert f"\n| `{name}` |" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(("key", "tonic"), [("C", 0), ("F#m", 9)])
def test_pieces_for_two_hands_are_in_their_key(tmp_path, key, tonic):
    """A scale has seven of the twelve pitch classes, so chance would give 58 %."""
    pytest.importorskip("music21")
    flags = ["--num_outputs=3", "--seed=1", "--format=mid", f"--output_dir={tmp_path}"]
    assert clef_lstm_generate.run([f"--key={key}", *flags]) == 0
    pitches = [
        note.pitch for path in tmp_path.iterdir() for note in midi.read_midi(path).notes
    ]
    scale = {(tonic + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)}
    assert len(pitches) > 100
    assert sum(pitch % 12 in scale for pitch in pitches) > 0.8 * len(pitches)


def test_the_command_plays_a_pretrained_model(tmp_path, caplog):
    arguments = ["--mode=sample", "--num_outputs=1", f"--output_dir={tmp_path}"]
    name = OF_MUSIC_VAE[0]
    assert music_vae_generate.run([f"--config={name}", "--seed=1", *arguments]) == 0
    assert list(tmp_path.glob("*.mid"))


def test_a_pretrained_model_plays_where_none_is_named(tmp_path, caplog):
    arguments = ["--num_outputs=1", "--seed=1", f"--output_dir={tmp_path}"]
    with caplog.at_level("INFO", logger="music_vae_tf"):
        assert music_vae_generate.run(arguments) == 0
    name = pretrained.usual("sample")
    assert [path.name.startswith(name) for path in tmp_path.glob("*.mid")] == [True]
    assert f"Pretrained model {name}" in caplog.text


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_introduced_by_a_whole_sentence(name):
    introduction = pretrained.introduction(name)
    assert introduction.startswith(f"Pretrained model {name}, step ")
    assert introduction.endswith(".") and "\n" not in introduction


def test_every_mode_has_a_usual_model():
    modes = music_vae_generate.command.parse([])["mode"].parser.enum_values
    assert {pretrained.usual(mode) for mode in modes} <= set(OF_MUSIC_VAE)


def test_a_config_without_a_pretrained_model_is_refused(tmp_path, capsys):
    arguments = ["--config=flat-mel_16bar", f"--output_dir={tmp_path}"]
    assert music_vae_generate.run(["--mode=sample", *arguments]) == 1
    error = capsys.readouterr().err
    assert "flat-mel_16bar has no pretrained model" in error and NAMES[0] in error


def test_changed_hyperparameters_are_refused():
    asked = config.override(config.load(OF_MUSIC_VAE[0]), "z_size=7")
    with pytest.raises(pretrained.PretrainedError, match="z_size: 256 before, 7 now"):
        pretrained.check(asked)


def test_a_name_without_a_checkpoint_is_refused_where_there_is_no_model():
    from music_vae_tf.generation import TrainedModel

    with pytest.raises(pretrained.PretrainedError, match="no pretrained model"):
        TrainedModel("flat-mel_16bar")


def test_a_config_of_the_users_own_is_not_that_of_the_model(tmp_path):
    mine = dataclasses.replace(config.load(OF_MUSIC_VAE[0]), name="mine")
    with pytest.raises(pretrained.PretrainedError, match="mine has no pretrained"):
        pretrained.check(mine)
