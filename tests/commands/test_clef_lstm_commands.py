"""From a folder of piano music to a new piece, as a user calls the commands."""

import json
import shutil
import wave
from xml.etree import ElementTree

import mido
import numpy as np
import pytest
from piano_files import two_hands, write_piano

from music_vae_tf import checkpoint
from music_vae_tf.commands import (
    clef_lstm_evaluate,
    clef_lstm_generate,
    clef_lstm_prepare,
    clef_lstm_train,
    music_vae_export,
    music_vae_train,
)
from music_vae_tf.rendering import audio

pytest.importorskip("music21")

TINY = "lstm_sizes=[4],dense_size=4,batch_size=2"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Six pieces, prepared; their labels come often enough."""
    folder = tmp_path_factory.mktemp("clefs")
    for number in range(6):
        write_piano(folder / "in" / f"{number}.mid", *two_hands(4 + number))
    status = clef_lstm_prepare.run(
        [f"--input_dir={folder / 'in'}", f"--output_dir={folder / 'prepared'}"]
    )
    assert status == 0
    return folder / "prepared"


@pytest.fixture(scope="module")
def train(prepared):
    """Trains a tiny model; gives the exit status."""

    def run(run_dir, *flags):
        return clef_lstm_train.run(
            [
                *("--config=clef_lstm", f"--data_dir={prepared}"),
                *(f"--run_dir={run_dir}", f"--hparams={TINY}", "--seed=1"),
                *flags,
            ]
        )

    return run


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, train):
    folder = tmp_path_factory.mktemp("run")
    assert train(folder, "--num_steps=2") == 0
    return folder


@pytest.fixture
def generate(run_dir, tmp_path):
    """Generates into a folder of the test's; gives the exit status."""

    def run(*flags):
        return clef_lstm_generate.run(
            [
                *(f"--run_dir={run_dir}", f"--output_dir={tmp_path}", "--seed=1"),
                *flags,
            ]
        )

    return run


@pytest.fixture(scope="module")
def compact(run_dir, tmp_path_factory):
    """The weights of the training as one file, which holds labels and config."""
    pytest.importorskip("safetensors")
    folder = tmp_path_factory.mktemp("compact") / "weights"
    export = [f"--run_dir={run_dir}", f"--output_dir={folder}"]
    assert music_vae_export.run(["--format=safetensors", *export]) == 0
    return folder / "clef_lstm.safetensors"


def files_in(folder):
    return {path.suffix: path for path in sorted(folder.iterdir())}


# Training.


def test_a_stopped_training_goes_on_with_its_labels_and_ends_as_another(
    train, run_dir, tmp_path, capsys
):
    for steps in (1, 2):
        assert train(tmp_path, f"--num_steps={steps}") == 0
    said = capsys.readouterr().err
    assert "pieces for train, in 11 keys, gave" in said
    assert "(step 1)" in said
    assert "clef_lstm_generate --run_dir=" in said
    labels = [
        (folder / "train" / "labels.json").read_text() for folder in (run_dir, tmp_path)
    ]
    assert labels[0] == labels[1]
    assert json.loads(labels[0])["bass"]["durations"]["words"] == ["2"]
    ends = [
        checkpoint.read(checkpoint.latest(folder / "train"))
        for folder in (run_dir, tmp_path)
    ]
    assert ends[0].keys() == ends[1].keys()
    for name in ends[0]:
        np.testing.assert_array_equal(ends[0][name], ends[1][name], err_msg=name)


def test_checkpoints_are_evaluated_on_the_pieces_kept_for_it(
    train, run_dir, prepared, capsys
):
    flags = ("--mode=eval", "--num_steps=2", "--hparams=batch_size=1")
    assert train(run_dir, *flags) == 0
    said = capsys.readouterr().err
    assert "Step 2: loss" in said and "metrics/bass_notes_accuracy" in said


def test_independent_is_the_form_without_a_shared_clock(train, tmp_path):
    assert train(tmp_path, "--num_steps=1", "--independent") == 0
    assert "shared_clock: false" in (tmp_path / "train" / "config.yaml").read_text()


def test_a_run_dir_of_another_model_is_refused(train, run_dir, tmp_path, capsys):
    assert train(run_dir, "--num_steps=2", f"--hparams={TINY},dense_size=5") == 1
    assert train(run_dir, "--hparams=lstm_sizes=[5],dense_size=4") == 1
    assert "lstm_sizes: [4] before, [5] now" in capsys.readouterr().err
    assert (
        music_vae_train.run(
            ["--config=clef_lstm", f"--run_dir={tmp_path}", "--examples_path=x"]
        )
        == 1
    )
    assert "for a model of kind clef_lstm" in capsys.readouterr().err


def test_too_little_music_for_a_batch_is_told(train, tmp_path, capsys):
    assert train(tmp_path, "--hparams=batch_size=5000") == 1
    assert "too few examples" in capsys.readouterr().err


def test_a_folder_that_was_not_prepared_is_told(tmp_path, capsys):
    flags = ["--config=clef_lstm", f"--run_dir={tmp_path}", f"--data_dir={tmp_path}"]
    assert clef_lstm_train.run(flags) == 1
    assert "clef_lstm_prepare" in capsys.readouterr().err


# Generating.


def test_a_piece_is_written_as_midi_sheet_and_sound(generate, tmp_path):
    assert generate("--key=Em", "--tempo=120", "--bars=2") == 0
    files = files_in(tmp_path)
    midi = mido.MidiFile(files[".mid"])
    messages = [message for track in midi.tracks for message in track]
    assert [m.key for m in messages if m.type == "key_signature"] == ["Em"]
    assert [m.tempo for m in messages if m.type == "set_tempo"] == [500_000]
    assert midi.length <= 4.0 + 1e-6
    score = ElementTree.parse(files[".musicxml"])
    assert score.findtext(".//fifths") == "1"
    assert len(score.findall(".//measure")) == 2
    assert files[".svg"].read_text().startswith("<svg")
    assert files[".png"].read_bytes().startswith(b"\x89PNG")
    assert files[".pdf"].read_bytes().startswith(b"%PDF")
    with wave.open(str(files[".wav"])) as file:
        assert 3.9 < file.getnframes() / audio.RATE_HZ < 4.1 + audio.LONGEST_TAIL_S
        assert np.frombuffer(file.readframes(file.getnframes()), "<i2").any()


def test_several_pieces_have_names_of_their_own(generate, tmp_path):
    assert generate("--num_outputs=2", "--format=mid", "--bars=1") == 0
    assert [path.name[-14:] for path in sorted(tmp_path.iterdir())] == [
        *("000-of-002.mid", "001-of-002.mid")
    ]


def test_the_originals_ways_are_options(generate, tmp_path):
    flags = ("--top_k_sampling=uniform", "--key_change=signature", "--formats=mid")
    assert generate("--key=E", *flags) == 0
    (path,) = tmp_path.iterdir()
    keys = [
        message.key
        for track in mido.MidiFile(path).tracks
        for message in track
        if message.type == "key_signature"
    ]
    assert keys == ["E"]


def test_without_a_soundfont_nothing_is_generated(generate, tmp_path, capsys):
    assert generate("--soundfont=none.sf2", "--format=mid,musicxml,wav") == 1
    assert not files_in(tmp_path)
    assert "--soundfont=none.sf2: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--key=H", "'H' names no key"),
        ("--time_signature=four", "expected one such as"),
        ("--metre=0/4", "--time_signature=0/4: expected one such as"),
        ("--temperature=-1", "expected a number above 0"),
        ("--formats=mp3", "--format=mp3: mp3 is none of mid, musicxml"),
        ("--top_k_notes=500", "knows"),
        ("--run_dir=/nowhere", "there is no such directory"),
    ],
)
def test_what_cannot_be_generated_is_told(generate, capsys, flag, words):
    assert generate("--formats=mid", flag) == 1
    assert words in capsys.readouterr().err


def test_a_tempo_that_midi_cannot_hold_is_misuse(generate, capsys):
    assert generate("--formats=mid", "--tempo=0") == 2
    assert "not a number in the range [4, 1000]" in capsys.readouterr().err


# Evaluating.


def test_an_evaluation_shows_the_model_beside_its_baselines(
    run_dir, prepared, tmp_path, capsys
):
    output = tmp_path / "numbers.json"
    flags = [f"--run_dir={run_dir}", f"--data_dir={prepared}", "--bars=2"]
    run = clef_lstm_evaluate.run
    assert run([*flags, "--num_pieces=2", f"--output_file={output}"]) == 0
    said = capsys.readouterr().out
    for words in ("unigram", "bigram", "treble notes", "bass durations", "copied"):
        assert words in said
    numbers = json.loads(output.read_text())
    treble, bass, both = (
        numbers["prediction"][staff]["notes"]["bigram"]
        for staff in ("treble", "bass", "both")
    )
    assert 0 <= treble["accuracy"] <= 1 and treble["nats"] > 0
    for figure in ("accuracy", "nats"):
        of_staves = sorted([treble[figure], bass[figure]])
        assert of_staves[0] <= both[figure] <= of_staves[1]
    assert 0 <= numbers["generation"]["generated"]["consonant intervals"] <= 1


# Other checkpoints than those of a run directory.


def test_a_file_of_weights_writes_and_measures_pieces(compact, prepared, tmp_path):
    flags = [f"--checkpoint_file={compact}", "--bars=2"]
    made = tmp_path / "made"
    assert clef_lstm_generate.run([*flags, "--format=mid", f"--output_dir={made}"]) == 0
    assert [path.suffix for path in made.iterdir()] == [".mid"]
    numbers = tmp_path / "numbers.json"
    measure = [f"--data_dir={prepared}", "--num_pieces=1", f"--output_file={numbers}"]
    assert clef_lstm_evaluate.run([*flags, *measure]) == 0
    assert json.loads(numbers.read_text())["prediction"]


def test_a_run_dir_and_a_file_are_not_given_together(generate, compact, capsys):
    assert generate(f"--checkpoint_file={compact}") == 1
    assert "--run_dir or --checkpoint_file, not both" in capsys.readouterr().err


def test_a_checkpoint_without_its_labels_is_refused(run_dir, tmp_path, capsys):
    alone = tmp_path / "alone"
    shutil.copytree(run_dir, alone)
    (alone / "train" / "labels.json").unlink()
    out = tmp_path / "out"
    flags = [f"--run_dir={alone}", f"--output_dir={out}"]
    assert clef_lstm_generate.run(flags) == 1
    assert "labels.json is not beside the checkpoint" in capsys.readouterr().err
    assert not out.exists() or not list(out.iterdir())
