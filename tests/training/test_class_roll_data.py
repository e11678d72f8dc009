"""Class rolls: trained from Python or by the command, with a part to validate on."""

import json
import re

import numpy as np
import pytest
from note_seq.protobuf.music_pb2 import NoteSequence

import music_vae_tf as mvt
from music_vae_tf import build, config
from music_vae_tf.commands import piano_roll_vae_train as command
from music_vae_tf.data import rolls
from music_vae_tf.data.holdout import NothingHeldOut
from music_vae_tf.generation.piano_roll import TrainedRollVae
from music_vae_tf.training import OptionError

TINY = {
    **{"roll_steps": 8, "continuation_steps": 4, "hop_steps": 4, "shortest_steps": 8},
    **{"z_size": 2, "lstm_size": 2, "batch_size": 4, "filters": "[2, 2]"},
}


def piece(number):
    """A scale of two seconds, which makes several rolls."""
    sequence = NoteSequence(ticks_per_quarter=220, filename=f"piece {number}.mid")
    sequence.tempos.add(qpm=90)
    for i in range(10):
        sequence.notes.add(
            pitch=40 + (i * (number + 1)) % 12,
            velocity=80,
            start_time=i * 0.2,
            end_time=i * 0.2 + 0.15,
            program=(0, 25, 33)[number % 3],
        )
    sequence.total_time = 2.0
    return sequence


MUSIC = [piece(number) for number in range(6)]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Tiny configs, and a file of the rolls of all pieces."""
    folder = tmp_path_factory.mktemp("rolls")
    for name in ("conv_cvae", "clstm_decoder"):
        text = config.dump(config.load(name))
        for key, value in TINY.items():
            text = re.sub(rf"(\b{key}:) .*", rf"\1 {value}", text)
        (folder / f"{name}.yaml").write_text(text)
    made = rolls.from_note_sequences(MUSIC, converter_of(folder))
    rolls.write(made, folder / "rolls.npz")
    return folder


def converter_of(folder):
    return build.converter(config.load(str(folder / "conv_cvae.yaml")))


@pytest.fixture(scope="module")
def trained(work):
    """The result of four steps in Python, with music in memory."""
    return mvt.train(
        *(work / "conv_cvae.yaml", MUSIC, work / "cvae"),
        **{"num_steps": 4, "seed": 1, "holdout": 0.3, "validation_interval": 2},
    )


def flags_of(**flags):
    return [f"--{name}={value}" for name, value in flags.items()]


# A part that is held out.


def test_rolls_of_a_piece_stay_together(work):
    made = rolls.read(work / "rolls.npz", 12)
    assert len(made) > len(MUSIC)
    parts = rolls.split(made, 0.3, 1, "rolls")
    pieces = [{str(name).split(".mid")[0] for name in part.names} for part in parts]
    assert not pieces[0] & pieces[1]
    assert [len(names) for names in pieces] == [4, 2]
    assert sum(map(len, parts)) == len(made)
    others = [rolls.split(made, 0.3, seed, "rolls")[1] for seed in (1, 2, 3, 4)]
    assert set(others[0].names) == set(parts[1].names)
    assert len({frozenset(map(str, part.names)) for part in others}) > 1


def test_one_piece_cannot_be_divided(work):
    made = rolls.from_note_sequences(MUSIC[:1], converter_of(work))
    with pytest.raises(NothingHeldOut, match="there is 1"):
        rolls.split(made, 0.3, 1, "rolls")


def test_the_command_validates_as_python_does(work, trained, tmp_path, capsys):
    flags = flags_of(
        **{"config": work / "conv_cvae.yaml", "examples_path": work / "rolls.npz"},
        **{"run_dir": tmp_path, "num_steps": 4, "seed": 1, "holdout": 0.3},
        validation_interval=2,
    )
    assert command.run(flags) == 0
    assert "The lowest validation loss was" in capsys.readouterr().err
    losses = json.loads((tmp_path / "train" / "validation.json").read_text())
    assert [step for step, _ in losses] == [2, 4]
    np.testing.assert_array_equal(losses, trained.validation_losses)
    # An evaluation measures what was held out.
    assert command.run(flags_of(run_dir=tmp_path, mode="eval")) == 0
    shown = re.search(r"Step 4: .*\bloss ([0-9.]+)", capsys.readouterr().err)
    assert float(shown[1]) == pytest.approx(losses[1][1], rel=1e-3)


def test_the_decoder_after_it_validates_on_a_file(work, trained):
    result = mvt.train(
        *(work / "clstm_decoder.yaml", work / "rolls.npz", work / "clstm"),
        **{"cvae_run_dir": trained.run_dir, "validation_data": work / "rolls.npz"},
        **{"num_steps": 2, "validation_interval": 1, "patience": 1, "seed": 1},
    )
    assert [step for step, _ in result.validation_losses] == [1, 2]
    assert all(np.isfinite(loss) for _, loss in result.validation_losses)
    with pytest.raises(ValueError, match="continues the rolls of a conv_cvae"):
        result.load()


def test_the_result_loads_the_trained_model(trained):
    assert isinstance(trained.load(), TrainedRollVae)


# What does not work.


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "^data is missing: name a file of class rolls"),
        ("/nowhere.npz", "^data=/nowhere.npz: there is no such file"),
    ],
)
def test_missing_rolls_are_named(work, tmp_path, data, words):
    with pytest.raises(OptionError, match=words):
        mvt.train(work / "conv_cvae.yaml", data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_music_without_a_roll_is_explained(work):
    flute = piece(0)
    for note in flute.notes:
        note.program = 73
    with pytest.raises(rolls.BadRolls, match="1 NoteSequences give no class roll"):
        rolls.from_note_sequences([flute], converter_of(work))


def test_a_clef_lstm_takes_a_prepared_folder_alone(tmp_path):
    words = "^data: a clef_lstm trains on a folder that clef_lstm_prepare has made"
    with pytest.raises(OptionError, match=words):
        mvt.train("clef_lstm_small", MUSIC, tmp_path)
