"""The commands of class rolls as a user runs them, from MIDI files to a table."""

import json
import math
import re
import shutil

import numpy as np
import pytest
from roll_files import tiny_config, write_piece

from music_vae_tf import checkpoint
from music_vae_tf.commands import piano_roll_vae_evaluate as evaluate
from music_vae_tf.commands import piano_roll_vae_generate as generate
from music_vae_tf.commands import piano_roll_vae_prepare as prepare
from music_vae_tf.commands import piano_roll_vae_train as train
from music_vae_tf.data import rolls
from music_vae_tf.data.midi import read_midi
from music_vae_tf.generation.piano_roll import TrainedRollVae

STEPS = 12  # of a window: 8 that are encoded, and 4


def arguments(**flags):
    return [f"--{name}={value}" for name, value in flags.items()]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with MIDI, tiny configs, and the rolls that are made of the MIDI."""
    folder = tmp_path_factory.mktemp("work")
    for name in ("conv_cvae", "clstm_decoder", "clstm_decoder_windows"):
        tiny_config(folder, name)
    midi = folder / "midi"
    midi.mkdir()
    bands = [(0,), (25,), (33,), (0, 25), (33, 0), (33, 25), (33, 25, 0), (73,)]
    for number, programs in enumerate(bands):
        write_piece(midi / f"piece {number}.mid", *programs, shift=number)
    write_piece(midi / "short.mid", 0, seconds=0.4)
    (midi / "broken.mid").write_bytes(b"no MIDI")
    flags = arguments(
        input_dir=midi,
        output_dir=folder / "rolls",
        config=folder / "conv_cvae.yaml",
        held_out=0.3,
        num_workers=1,
    )
    assert prepare.run(flags) == 0
    return folder


def train_flags(work, run_dir, name="conv_cvae", steps=2, **others):
    return arguments(
        config=work / f"{name}.yaml",
        run_dir=run_dir,
        examples_path=work / "rolls" / "train.npz",
        num_steps=steps,
        seed=1,
        **others,
    )


@pytest.fixture(scope="module")
def trained(work):
    """A CVAE and both decoders of what follows, trained for two steps."""
    cvae = work / "cvae"
    assert train.run(train_flags(work, cvae)) == 0
    for name in ("clstm_decoder", "clstm_decoder_windows"):
        flags = train_flags(work, work / name, name, cvae_run_dir=cvae)
        assert train.run(flags) == 0
    return work


def error_of(capsys, command, *flags, **named):
    """The message of a command that fails."""
    assert command.run([*flags, *arguments(**named)]) not in (0, None)
    return " ".join(capsys.readouterr().err.split())


# Preparing


def test_rolls_are_made_of_midi_by_pieces(work):
    parts = [
        rolls.read(work / "rolls" / n, STEPS) for n in ("train.npz", "held_out.npz")
    ]
    names = [{name.split(".mid")[0] for name in part.names} for part in parts]
    assert not names[0] & names[1]
    assert names[0] | names[1] == {f"piece {i}" for i in range(7)}
    (band,) = (part.classes() for part in parts if "piece 6.mid 1" in part.names)
    assert set(np.unique(band)) == {0, 1, 2, 3}


def test_what_gives_no_roll_is_told_with_the_reason(work, tmp_path, capsys):
    flags = arguments(
        input_dir=work / "midi",
        output_dir=tmp_path,
        config=work / "conv_cvae.yaml",
        num_workers=1,
    )
    assert prepare.run(flags) == 0
    error = capsys.readouterr().err
    assert "broken.mid: no MIDI file" in error
    assert "1  no MIDI file" in error
    assert "1  pieces without piano, guitar or bass" in error
    assert "10  notes of other instruments" in error
    assert "1  pieces with less than 0.8 s of music" in error


def test_midi_of_none_of_the_families_gives_an_error_and_no_file(tmp_path, capsys):
    (tmp_path / "midi").mkdir()
    write_piece(tmp_path / "midi" / "flute.mid", 73, seconds=60)
    error = error_of(
        capsys,
        prepare,
        input_dir=tmp_path / "midi",
        output_dir=tmp_path / "rolls",
        num_workers=1,
    )
    assert "no piece gave a roll, nothing is written" in error
    assert not (tmp_path / "rolls").exists()


def test_the_corpus_is_arranged_where_no_folder_is_given(work, tmp_path, monkeypatch):
    from music_vae_tf.data import score_corpus

    some = score_corpus.scores()[:2]
    monkeypatch.setattr(score_corpus, "scores", lambda: some)
    flags = arguments(output_dir=tmp_path, held_out=0, num_workers=1)
    assert prepare.run(flags) == 0
    made = rolls.read(tmp_path / "train.npz", 500)
    bands = {name.split(" for ")[1].split()[0] for name in made.names}
    assert len(bands) == 7 and "guitar+bass" in bands


def test_a_config_of_another_converter_is_refused(work, tmp_path, capsys):
    error = error_of(
        capsys,
        prepare,
        input_dir=work / "midi",
        output_dir=tmp_path,
        config="groovae_4bar",
    )
    assert "one with the converter piano_roll is expected" in error


# Training


def test_a_training_that_is_stopped_goes_on_as_if_it_had_not_been(trained):
    stopped = trained / "other cvae"
    assert train.run(train_flags(trained, stopped, steps=1)) == 0
    assert train.run(train_flags(trained, stopped, steps=2)) == 0
    one, other = (
        checkpoint.read(run_dir / "train" / "model.ckpt-2")
        for run_dir in (trained / "cvae", stopped)
    )
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_checkpoints_are_evaluated(trained, capsys):
    flags = arguments(
        examples_path=trained / "rolls" / "train.npz", mode="eval", num_steps=2
    )
    cvae = arguments(config=trained / "conv_cvae.yaml", run_dir=trained / "cvae")
    assert train.run(flags + cvae) == 0
    assert "metrics/f1" in capsys.readouterr().err
    name = "clstm_decoder_windows"
    clstm = arguments(config=trained / f"{name}.yaml", run_dir=trained / name)
    assert train.run(flags + clstm + arguments(cvae_run_dir=trained / "cvae")) == 0
    assert "metrics/f1" in capsys.readouterr().err


def test_the_summary_is_the_published_table(capsys):
    assert train.run(["--config=conv_cvae", "--mode=summary"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["layer", "output", "parameters", "multiply-adds"]
    assert lines[1] == [
        *("conv_1", "32", "x", "150", "x", "64", "1,184", "11,366,400"),
    ]
    assert lines[-1] == ["conv_cvae", "15,518,916", "514,738,816"]


@pytest.mark.parametrize(
    "changes, words",
    [
        (
            {"examples_path": ""},
            "--examples_path= is empty: give a value, or leave out the flag",
        ),
        ({"examples_path": "/nowhere.npz"}, "there is no such file"),
        ({"run_dir": ""}, "--run_dir= is empty: give a value"),
        ({"hparams": "batch_size=99999"}, "too few examples"),
        ({"cvae_run_dir": "/x"}, "--cvae_run_dir is for a clstm_decoder"),
        ({"config": "groovae_4bar"}, "expected one for clstm_decoder or conv_cvae"),
    ],
)
def test_a_training_that_cannot_begin_says_why(work, tmp_path, capsys, changes, words):
    flags = train_flags(work, tmp_path)
    assert words in error_of(capsys, train, *flags, **changes)


def test_rolls_of_another_length_are_refused(work, tmp_path, capsys):
    flags = train_flags(work, tmp_path)
    error = error_of(capsys, train, *flags, config="conv_cvae")
    assert re.search(r"shape \[\d+, 12, 32\]; uint8 of \[\d+, 500, 32\]", error)


def test_a_clstm_needs_the_cvae_whose_latents_it_reads(trained, tmp_path, capsys):
    flags = train_flags(trained, tmp_path, "clstm_decoder")
    assert "--cvae_run_dir is missing" in error_of(capsys, train, *flags)
    error = error_of(capsys, train, *flags, cvae_run_dir=tmp_path)
    assert "no training is recorded there" in error
    other = trained / "clstm_decoder"
    error = error_of(capsys, train, *flags, cvae_run_dir=other)
    assert "which is a clstm_decoder; one of a conv_cvae is expected" in error
    flags += arguments(cvae_run_dir=trained / "cvae", hparams="z_size=3")
    assert "has latents of size 2, and z_size" in error_of(capsys, train, *flags)


def test_latents_of_other_weights_are_refused(trained, tmp_path, capsys):
    other = tmp_path / "cvae"
    assert train.run(train_flags(trained, other, steps=1)) == 0
    flags = train_flags(trained, trained / "clstm_decoder", "clstm_decoder", steps=3)
    error = error_of(capsys, train, *flags, cvae_run_dir=other)
    assert "was trained on latents of other weights" in error
    error = error_of(
        capsys,
        generate,
        run_dir=other,
        clstm_run_dir=trained / "clstm_decoder",
        condition="piano",
        output_dir=tmp_path,
    )
    assert "was trained on latents of other weights" in error


def test_windows_that_do_not_divide_the_roll_are_refused(trained, tmp_path, capsys):
    flags = train_flags(
        trained, tmp_path, "clstm_decoder_windows", cvae_run_dir=trained / "cvae"
    )
    error = error_of(capsys, train, *flags, hparams="latent_windows=3")
    assert "8 steps cannot be cut into 3 equal windows" in error


def test_a_run_directory_of_the_other_model_is_refused(trained, capsys):
    flags = train_flags(trained, trained / "clstm_decoder", steps=3)
    error = error_of(capsys, train, *flags)
    assert "belongs to a training of config clstm_decoder; conv_cvae was given" in error


# Generating


def generated(trained, folder, **flags):
    """The NoteSequences that a call writes."""
    given = arguments(
        run_dir=trained / "cvae", output_dir=folder, seed=3, num_outputs=2, **flags
    )
    assert generate.run(given) == 0
    files = sorted(folder.glob("*.mid"))
    assert len(files) == 2
    return [read_midi(file) for file in files]


def test_a_training_keeps_the_priors_that_generation_draws_from(
    trained, tmp_path, monkeypatch
):
    """Its own are those of a file of the same rolls, but for what a decimal rounds."""
    drawn = []
    draw = TrainedRollVae.draw

    def recorded(model, count, prior=None):
        drawn.append(prior)
        return draw(model, count, prior)

    monkeypatch.setattr(TrainedRollVae, "draw", recorded)
    flags = {"condition": "piano+guitar", "format": "mid"}
    generated(trained, tmp_path / "own", **flags)
    path = trained / "rolls" / "train.npz"
    generated(trained, tmp_path / "file", prior_path=path, **flags)
    generated(trained, tmp_path / "standard", standard_prior="true", **flags)
    own, of_file, standard = drawn
    assert standard is None
    for one, other in zip(own, of_file):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert own.mean.shape == (2,) and np.any(own.factor != np.eye(2))


def test_priors_that_a_kill_prevented_are_fitted_by_the_next_start(trained, tmp_path):
    run_dir = tmp_path / "cvae"
    shutil.copytree(trained / "cvae", run_dir)
    priors = run_dir / "train" / "priors.json"
    before = priors.read_bytes()
    priors.unlink()
    assert train.run(train_flags(trained, run_dir)) == 0
    assert priors.read_bytes() == before


def test_priors_of_other_weights_are_told_and_not_used(trained, tmp_path, capsys):
    run_dir = tmp_path / "cvae"
    assert train.run(train_flags(trained, run_dir, steps=1)) == 0
    shutil.copy(trained / "cvae" / "train" / "priors.json", run_dir / "train")
    flags = arguments(
        run_dir=run_dir, output_dir=tmp_path / "out", condition="piano", format="mid"
    )
    assert generate.run(flags) == 0
    assert "No prior of piano is kept for these weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda priors: priors.update(piano={"mean": [0, 0]}), "the prior of 'piano'"),
        (lambda priors: priors["bass"].update(mean=[1e9, 0]), "the prior of 'bass' is"),
        (lambda priors: priors["bass"].update(factor=[[None]]), "a mean of 2 numbers"),
        (lambda priors: priors["bass"].update(mean=[[], {}]), "factor of 2 x 2 are"),
        (
            lambda priors: priors["bass"].update(factor=[[math.nan, 0], [0, 1]]),
            "Give --prior_path or --standard_prior to do without",
        ),
    ],
)
def test_damaged_priors_are_refused(trained, tmp_path, capsys, change, words):
    run_dir = tmp_path / "cvae"
    shutil.copytree(trained / "cvae", run_dir)
    file = run_dir / "train" / "priors.json"
    content = json.loads(file.read_text())
    change(content["priors"])
    file.write_text(json.dumps(content))
    flags = {"condition": "piano", "output_dir": tmp_path}
    assert words in error_of(capsys, generate, run_dir=run_dir, **flags)


def test_damaged_priors_are_written_anew_and_not_read_where_not_used(
    trained, tmp_path, capsys
):
    run_dir = tmp_path / "cvae"
    shutil.copytree(trained / "cvae", run_dir)
    file = run_dir / "train" / "priors.json"
    whole = file.read_bytes()
    file.write_bytes(whole[:200])
    named = {"run_dir": run_dir, "output_dir": tmp_path / "out", "format": "mid"}
    error = error_of(capsys, generate, condition="piano", **named)
    assert "is not JSON" in error and "writes the file anew" in error
    flags = arguments(condition="piano", standard_prior="true", **named)
    assert generate.run(flags) == 0
    assert train.run(train_flags(trained, run_dir)) == 0
    assert "it is written anew" in capsys.readouterr().err
    assert file.read_bytes() == whole


def test_priors_are_not_fitted_to_rolls_that_were_not_trained_on(
    trained, tmp_path, capsys
):
    run_dir, other = tmp_path / "cvae", tmp_path / "other.npz"
    shutil.copytree(trained / "cvae", run_dir)
    shutil.copy(trained / "rolls" / "train.npz", other)
    priors = run_dir / "train" / "priors.json"
    priors.unlink()
    assert train.run(arguments(run_dir=run_dir, examples_path=other)) == 0
    assert "other.npz is another file: give that one" in capsys.readouterr().err
    assert not priors.exists()


def test_a_prior_is_named_once(trained, tmp_path, capsys):
    error = error_of(
        capsys,
        generate,
        "--standard_prior",
        run_dir=trained / "cvae",
        prior_path=trained / "rolls" / "train.npz",
        condition="piano",
        output_dir=tmp_path,
    )
    assert "give --prior_path or --standard_prior, not both" in error


@pytest.mark.parametrize("prior", [None, "train.npz"])
def test_files_and_pictures_are_written_for_a_condition(trained, tmp_path, prior):
    flags = {"prior_path": trained / "rolls" / prior} if prior else {}
    generated(trained, tmp_path, condition="piano+guitar", **flags)
    pictures = [path.stem for path in tmp_path.glob("*.png")]
    assert sorted(pictures) == sorted(path.stem for path in tmp_path.glob("*.mid"))


def test_sound_and_pictures_are_formats(trained, tmp_path):
    generated(trained, tmp_path, condition="piano+bass", format="mid,wav")
    sounds = sorted(tmp_path.glob("*.wav"))
    assert [path.stem for path in sounds] == [
        path.stem for path in sorted(tmp_path.glob("*.mid"))
    ]
    assert all(path.read_bytes()[:4] == b"RIFF" for path in sounds)
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"format": "mp3"}, "--format=mp3: mp3 is none of mid, wav, png"),
        ({"soundfont": "x.sf2"}, "--soundfont is for sound: give --format=mid,wav"),
        ({"format": "wav", "soundfont": "no.sf2"}, "--soundfont=no.sf2: No such file"),
    ],
)
def test_formats_are_checked_before_a_model_is_loaded(
    trained, tmp_path, capsys, flags, words
):
    error = error_of(
        capsys,
        generate,
        run_dir=trained / "cvae",
        output_dir=tmp_path,
        condition="piano",
        **flags,
    )
    assert words in error


@pytest.mark.parametrize("name", ["clstm_decoder", "clstm_decoder_windows"])
def test_a_melody_is_laid_over_what_comes_out_and_goes_on(trained, tmp_path, name):
    melody = tmp_path / "melody.mid"
    write_piece(melody, 0, seconds=0.6)
    sequences = generated(
        trained,
        tmp_path / "out",
        condition="guitar",
        input_midi=melody,
        clstm_run_dir=trained / name,
        format="mid",
    )
    for sequence in sequences:
        starts = {(round(n.start_time, 1), n.pitch) for n in sequence.notes}
        assert {(0.0, 40), (0.2, 41), (0.4, 42)} <= starts
        assert sequence.tempos[0].qpm == pytest.approx(90)


def test_one_seed_gives_one_result(trained, tmp_path):
    one, other = (
        generated(trained, tmp_path / name, condition="piano", format="mid")
        for name in ("one", "other")
    )
    assert one[0].notes == other[0].notes and one[1].notes == other[1].notes


@pytest.mark.parametrize("condition", ["flute", "piano+", "none", "+", "piano,bass"])
def test_a_condition_that_names_no_class_is_refused(
    trained, tmp_path, capsys, condition
):
    error = error_of(
        capsys,
        generate,
        run_dir=trained / "cvae",
        output_dir=tmp_path,
        condition=condition,
    )
    assert "expected one or more of piano, guitar, bass" in error


def test_a_melody_of_none_of_the_families_is_refused(trained, tmp_path, capsys):
    melody = tmp_path / "melody.mid"
    write_piece(melody, 73)
    error = error_of(
        capsys,
        generate,
        run_dir=trained / "cvae",
        output_dir=tmp_path / "out",
        condition="piano",
        input_midi=melody,
    )
    assert "no note of piano, guitar or bass" in error
    assert "10 notes of other instruments" in error


def test_models_are_named_once_and_by_their_kind(trained, tmp_path, capsys):
    flags = arguments(output_dir=tmp_path, condition="piano")
    assert "--run_dir is missing" in error_of(capsys, generate, *flags)
    error = error_of(capsys, generate, *flags, run_dir="a", torch_weights="b")
    assert "give --run_dir or --torch_weights, not both" in error
    error = error_of(capsys, generate, *flags, run_dir=trained / "clstm_decoder")
    assert "which is a clstm_decoder; one of a conv_cvae is expected" in error
    error = error_of(
        capsys,
        generate,
        *flags,
        run_dir=trained / "cvae",
        clstm_run_dir=trained / "cvae",
    )
    assert "one of a clstm_decoder is expected" in error


# Evaluating


def test_the_table_is_printed_and_the_plots_are_written(trained, tmp_path, capsys):
    flags = arguments(
        run_dir=trained / "cvae",
        clstm_run_dir=trained / "clstm_decoder",
        training_path=trained / "rolls" / "train.npz",
        examples_path=trained / "rolls" / "held_out.npz",
        output_dir=tmp_path,
        num_generated=2,
    )
    assert evaluate.run(flags) == 0
    table = capsys.readouterr().out
    targets = rolls.read(trained / "rolls" / "held_out.npz", STEPS).classes(slice(8))
    silence = float(np.mean(targets == 0))
    accuracy = next(s for s in table.splitlines() if s.startswith("class accuracy"))
    assert accuracy.split()[-1] == f"{silence:.4f}"
    for words in ("guitar: recall", "active latent", "exact match", "Continuations"):
        assert words in table
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"reconstructions.png", "samples.png", "plane.png"}


def test_missing_rolls_are_told_by_their_flag(trained, tmp_path, capsys):
    error = error_of(
        capsys,
        evaluate,
        run_dir=trained / "cvae",
        training_path=tmp_path / "nothing.npz",
        examples_path=trained / "rolls" / "held_out.npz",
        output_dir=tmp_path,
    )
    assert re.search(r"--training_path=\S+nothing.npz: there is no such file", error)
