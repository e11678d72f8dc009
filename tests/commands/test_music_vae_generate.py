"""music_vae_generate: MIDI files under Magenta's names, the same for the same seed."""

import re
import subprocess
import sys
import tarfile

import mido
import numpy as np
import pytest
from note_seq import TriadChordOneHotEncoding
from note_seq.protobuf.music_pb2 import NoteSequence
from untrained_runs import untrained_run

from music_vae_tf import build
from music_vae_tf import config as configs
from music_vae_tf.commands import interpolated_inputs, music_vae_train
from music_vae_tf.commands import music_vae_generate as command
from music_vae_tf.data import grooves
from music_vae_tf.data.midi import read_midi
from music_vae_tf.data.midi_writer import write_midi
from music_vae_tf.data.tempo import at_tempo
from music_vae_tf.generation import TrainedModel

STAMP = r"\d{4}-\d\d-\d\d_\d{6}"


@pytest.fixture(scope="module")
def run_dir(groove_records, tmp_path_factory):
    """Where a very small groovae_4bar was trained for a step."""
    run_dir = tmp_path_factory.mktemp("run")
    assert not music_vae_train.run(
        [
            "--config=groovae_4bar",
            f"--run_dir={run_dir}",
            f"--examples_path={groove_records}",
            "--num_steps=1",
            "--seed=1",
            "--hparams=enc_rnn_size=[2],dec_rnn_size=[2],z_size=2,batch_size=8",
        ]
    )
    return run_dir


@pytest.fixture
def output_dir(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def generate(run_dir, output_dir):
    """Calls the command; gives its exit status."""

    def run(**flags):
        values = {
            "run_dir": run_dir,
            "output_dir": output_dir,
            "num_outputs": 3,
            "max_batch_size": 2,
            **flags,
        }
        return command.run(
            [f"--{flag}={value}" for flag, value in values.items() if value is not None]
        )

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def contents(folder):
    return [(folder / name).read_bytes() for name in names(folder)]


def test_samples_are_named_as_magenta_names_them(generate, output_dir, capsys):
    assert generate() == 0
    written = names(output_dir)
    stamp = re.fullmatch(f"groovae_4bar_sample_({STAMP})-000-of-003.mid", written[0])[1]
    assert written == [
        f"groovae_4bar_sample_{stamp}-{number:03d}-of-003.mid" for number in range(3)
    ]
    said = capsys.readouterr().err
    assert f"Wrote 3 MIDI files: {output_dir}/groovae_4bar_sample_{stamp}-*-of" in said


def test_the_same_seed_gives_the_same_files(generate, tmp_path):
    folders = [tmp_path / name for name in ("one", "twin", "other", "random")]
    for folder, seed in zip(folders, (5, 5, 6, None)):
        assert generate(output_dir=folder, seed=seed) == 0
    one, twin, other, random = map(contents, folders)
    assert one == twin
    assert other != one and random != one


def test_a_file_is_clean_for_a_daw(generate, output_dir):
    assert generate(num_outputs=1) == 0
    (name,) = names(output_dir)
    file = mido.MidiFile(output_dir / name)
    assert file.type == 1
    timing, drums = file.tracks
    at_once = {message.type: message for message in timing if message.time == 0}
    assert at_once["set_tempo"].tempo == 500_000
    assert at_once["time_signature"].numerator == 4
    notes = [message for message in drums if message.type.startswith("note")]
    assert notes and {message.channel for message in notes} == {9}
    assert 7 < file.length < 8.3  # four bars at 120 BPM


def test_between_two_own_samples(generate, output_dir, tmp_path):
    assert generate(num_outputs=2, seed=1) == 0
    start, end = sorted(output_dir.iterdir())
    way = tmp_path / "way"
    assert not generate(
        mode="interpolate",
        input_midi_1=start,
        input_midi_2=end,
        num_outputs=5,
        output_dir=way,
    )
    assert len(names(way)) == 5
    assert all(
        re.fullmatch(rf"groovae_4bar_interpolate_{STAMP}-00\d-of-005.mid", name)
        for name in names(way)
    )
    assert all(read_midi(path).notes for path in way.iterdir())


@pytest.fixture
def midi(tmp_path):
    """Writes one of our grooves, some times over, to a MIDI file."""

    def make(times, numerator=4):
        ((_, sequence),) = grooves.performances(1)
        sequence.time_signatures[0].numerator = numerator
        notes = list(sequence.notes)
        for time in range(1, times):
            for note in notes:
                later = sequence.notes.add()
                later.CopyFrom(note)
                later.start_time += time * 16 * 60 / sequence.tempos[0].qpm
                later.end_time += time * 16 * 60 / sequence.tempos[0].qpm
        path = tmp_path / f"{times}-{numerator}.mid"
        write_midi(sequence, path)
        return path

    return make


def test_a_file_of_several_examples_is_written_out_as_these(
    generate, midi, output_dir, capsys
):
    one, three = midi(1), midi(3)
    assert generate(mode="interpolate", input_midi_1=one, input_midi_2=three) == 1
    said = capsys.readouterr().err.splitlines()
    assert "Wrote 3 MIDI files" in said[-2]
    assert said[-1].startswith(
        f"music_vae_generate: Multiple (3) examples extracted from {three}"
    )
    written = names(output_dir)
    assert len(written) == 3
    assert re.fullmatch(
        f"groovae_4bar_input2-extractions_{STAMP}-000-of-003.mid", written[0]
    )
    first, *_, last = (output_dir / name for name in written)
    window = read_midi(first)
    qpm = read_midi(three).tempos[0].qpm
    assert window.tempos[0].qpm == pytest.approx(qpm, rel=1e-5)
    assert window.total_time == pytest.approx(16 * 60 / qpm, rel=1e-3)
    assert generate(mode="interpolate", input_midi_1=first, input_midi_2=last) == 0


def test_of_a_long_file_so_many_examples_are_written_as_asked(
    generate, midi, output_dir, capsys
):
    one, three = midi(1), midi(3)
    files = {"input_midi_1": one, "input_midi_2": three}
    assert generate(mode="interpolate", max_examples=2, **files) == 1
    assert "has 3 examples; the first 2 are written" in capsys.readouterr().err
    assert len(names(output_dir)) == 2


def test_windows_that_are_equal_are_mentioned(tmp_path, caplog):
    sequence = NoteSequence()
    sequence.tempos.add(qpm=120)
    for bar in range(4):
        sequence.notes.add(
            pitch=60, velocity=80, start_time=2 * bar, end_time=2 * bar + 2
        )
    sequence.total_time = 8
    melody = build.converter(configs.load("cat-mel_2bar_small"))
    caplog.set_level("WARNING")
    interpolated_inputs._say_what_is_left_out(melody, sequence, "loop.mid", 32)
    assert "loop.mid has 4 bars; its windows of 2 bars are equal" in caplog.text


def test_where_no_drums_are_the_flag_that_takes_others_is_named(
    generate, midi, tmp_path, capsys
):
    music = read_midi(midi(1))
    for note in music.notes:
        note.is_drum, note.program = False, 33
    del music.instrument_infos[:]  # its name was that of drums
    write_midi(music, tmp_path / "bass.mid")
    flags = {"input_midi_1": tmp_path / "bass.mid", "input_midi_2": midi(1)}
    assert generate(mode="interpolate", **flags) == 1
    assert "--drums=all or --drums=track:NAME" in capsys.readouterr().err


def test_drums_beside_channel_10_are_a_remark_and_nothing_that_is_left_out(
    midi, caplog
):
    music = read_midi(midi(1))
    music.instrument_infos.add(instrument=7, name="Shaker")
    music.notes.add(instrument=7, pitch=82, velocity=90, end_time=0.1)
    drums = build.converter(configs.load("groovae_2bar_humanize")).for_inference()
    caplog.set_level("INFO")
    interpolated_inputs._say_what_is_left_out(drums, music, "song.mid", 32)
    assert "song.mid: taken as drums beside channel 10" in caplog.text
    assert "left out" not in caplog.text


def test_one_output_between_two_tempos_has_the_first(
    generate, midi, output_dir, tmp_path, capsys
):
    music = at_tempo(read_midi(midi(1)), 90)
    write_midi(music, tmp_path / "slow.mid")
    flags = {"input_midi_1": tmp_path / "slow.mid", "input_midi_2": midi(1)}
    assert generate(mode="interpolate", num_outputs=1, **flags) == 0
    assert "tempo changes" not in capsys.readouterr().err
    (name,) = names(output_dir)
    assert read_midi(output_dir / name).tempos[0].qpm == pytest.approx(90, rel=1e-5)


def test_a_name_stands_for_the_config_as_it_was_trained(run_dir):
    model = TrainedModel("groovae_4bar", 2, run_dir)
    assert model.z_size == 2
    assert len(model.sample(2, 64)) == 2


def test_a_file_without_an_example_is_refused_with_the_reason(
    generate, midi, output_dir, capsys
):
    one, waltz = midi(1), midi(1, numerator=3)
    assert generate(mode="interpolate", input_midi_1=one, input_midi_2=waltz) == 1
    assert f"extracted from {waltz}: time signature 3/4" in capsys.readouterr().err
    assert not output_dir.exists()


def test_a_file_that_is_not_midi_is_refused(generate, midi, tmp_path, capsys):
    one, junk = midi(1), tmp_path / "junk.mid"
    assert generate(mode="interpolate", input_midi_1=one, input_midi_2=junk) == 1
    assert "junk.mid: No such file" in capsys.readouterr().err
    junk.write_bytes(b"GIF89a")
    assert generate(mode="interpolate", input_midi_1=one, input_midi_2=junk) == 1
    assert "junk.mid: no MIDI file" in capsys.readouterr().err


# The model.


@pytest.mark.parametrize("form", ["prefix", "tar"])
def test_a_checkpoint_file_goes_with_a_config_file(generate, run_dir, tmp_path, form):
    prefix = path = run_dir / "train" / "model.ckpt-1"
    if form == "tar":
        path = tmp_path / "model.tar"
        with tarfile.open(path, "w") as tar:
            for suffix in (".index", ".data-00000-of-00001"):
                tar.add(f"{prefix}{suffix}", f"model{suffix}")
    other = tmp_path / "other"
    assert generate(seed=2) == 0
    assert not generate(
        run_dir=None,
        checkpoint_file=path,
        config=run_dir / "train" / "config.yaml",
        output_dir=other,
        seed=2,
    )
    assert contents(other) == contents(tmp_path / "out")


def test_a_run_dir_of_magentas_needs_the_config(generate, tmp_path, run_dir, capsys):
    train_dir = tmp_path / "magenta" / "train"
    train_dir.mkdir(parents=True)
    for path in (run_dir / "train").glob("model.ckpt-1.*"):
        (train_dir / path.name).symlink_to(path)
    assert generate(run_dir=train_dir.parent) == 1
    assert "does not say what was trained there" in capsys.readouterr().err
    own = run_dir / "train" / "config.yaml"
    assert generate(run_dir=train_dir.parent, config=own) == 0
    # Of a config of these sizes the checkpoint is not.
    assert generate(run_dir=train_dir.parent, config="groovae_4bar") == 1
    said = capsys.readouterr().err
    assert re.search(r"mu/bias +\[256\] +\[2\] +shape mismatch", said)


# Controls, lengths, latent vectors.


def test_melodies_over_chords_are_conditioned_on_them_bar_by_bar(
    generate, output_dir, tmp_path
):
    run_dir = untrained_run(tmp_path / "run", "cat-mel_2bar_med_chords")
    told = []
    original = TrainedModel.decode

    def decode(self, z, **options):
        told.append(options["c_input"])
        return original(self, z, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainedModel, "decode", decode)
        assert generate(run_dir=run_dir, chords="C Am", length="4bars", seed=1) == 0
    (controls,) = told
    encoding = TriadChordOneHotEncoding()
    expected = [encoding.encode_event(chord) for chord in ("C", "Am")]
    assert np.argmax(controls, axis=-1).tolist() == np.repeat(expected, 32).tolist()
    assert controls.shape == (64, 49) and (controls.sum(axis=-1) == 1).all()
    assert len(names(output_dir)) == 3


def test_one_chord_for_a_bar_of_many_instruments(generate, tmp_path, capsys):
    name = "hier-multiperf_vel_1bar_med_chords"
    assert generate(run_dir=None, checkpoint_file="x", config=name, chords="C G") == 1
    assert "one chord fits" in capsys.readouterr().err
    converter = build.converter(configs.load(name))
    controls = converter.controls_of_chords(["G"], 512).argmax(axis=-1)
    chord = TriadChordOneHotEncoding().encode_event("G")
    np.testing.assert_array_equal(controls, np.tile([0] + 63 * [chord], 8))


def test_hits_of_a_file_are_played(generate, output_dir, tmp_path, midi, capsys):
    run_dir = untrained_run(tmp_path / "run", "groovae_2bar_hits_control_tfds")
    flags = {"run_dir": run_dir, "num_outputs": 1, "control_midi": midi(1)}
    assert generate(**flags) == 1
    assert "Multiple (2) examples" in capsys.readouterr().err

    groove = read_midi(flags["control_midi"])
    two_bars = 8 * 60 / groove.tempos[0].qpm
    heard = [note for note in groove.notes if note.start_time < two_bars - 0.1]
    del groove.notes[:]
    groove.notes.extend(heard)
    write_midi(groove, flags["control_midi"])
    assert generate(**flags) == 0
    assert len(names(output_dir)) == 1


@pytest.mark.parametrize(
    ("config", "flags", "words"),
    [
        ("groovae_2bar_hits_control_tfds", {}, "give --control_midi"),
        ("cat-mel_2bar_med_chords", {}, "give --chords"),
        ("cat-mel_2bar_med_chords", {"chords": "C Hm"}, "--chords=C Hm: "),
        ("cat-mel_2bar_small", {"chords": "C"}, "not conditioned on chords"),
        ("groovae_4bar", {"chords": "C"}, "not conditioned on chords"),
        ("groovae_4bar", {"control_midi": "x.mid"}, "not conditioned on hits"),
        ("groovae_4bar", {"length": "long"}, "expected steps"),
        ("groovae_4bar", {"length": "0"}, "expected steps"),
        ("hierdec-mel_16bar", {"length": "4bars"}, "whole length at once, 256 steps"),
        ("groovae_4bar", {"z_file": "z", "same_z": "true"}, "not both"),
    ],
)
def test_the_controls_of_the_decoder_have_to_fit(
    generate, capsys, config, flags, words
):
    flags = {"run_dir": None, "checkpoint_file": "any", "config": config, **flags}
    assert generate(**flags) == 1
    assert words in capsys.readouterr().err


def test_latent_vectors_are_saved_and_decoded_again(generate, tmp_path, capsys):
    z_file = tmp_path / "z.npy"
    assert generate(save_z=z_file, same_z="true", length="2bars") == 0
    z = np.load(z_file)
    assert z.shape == (3, 2)
    assert (z == z[0]).all()
    assert generate(z_file=z_file, output_dir=tmp_path / "again") == 0
    assert len(names(tmp_path / "again")) == 3
    np.save(z_file, np.zeros([2, 5]))
    assert generate(z_file=z_file) == 1
    expected = "expected finite numbers [N, 2], N up to 10,000; got float64 [2, 5]"
    assert expected in capsys.readouterr().err


# What does not work.


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        ({"checkpoint_file": "x"}, 1, "give --run_dir or --checkpoint_file, not both"),
        ({"run_dir": None, "checkpoint_file": "x"}, 1, "needs --config"),
        ({"run_dir": "absent"}, 1, "--run_dir=absent: there is no such directory"),
        ({"config": "cat-mel_2bar_small"}, 1, "a training of config groovae_4bar, and"),
        ({"config": "groove_4bar"}, 1, "did you mean groovae_4bar"),
        ({"temperature": 0}, 1, "expected a number above 0"),
        ({"temperature": "nan"}, 2, "expected a finite number"),
        ({"tempo": "nan"}, 2, "expected a finite number"),
        ({"tempo": "-inf"}, 2, "expected a finite number"),
        ({"tempo": 3}, 2, "not a number in the range [4, 1000]"),
        ({"tempo": 1e9}, 2, "not a number in the range [4, 1000]"),
        ({"temperature": "hot"}, 2, "could not convert"),
        ({"num_outputs": 0}, 2, r"in the range"),
        ({"max_batch_size": 0}, 2, r"in the range"),
        ({"seed": -1}, 2, "range"),
        ({"mode": "interpolate"}, 1, "needs --input_midi_1 and --input_midi_2"),
    ],
)
def test_a_mistake_in_a_flag_is_explained(
    generate, output_dir, capsys, flags, status, words
):
    assert generate(**flags) == status
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said
    assert not output_dir.exists()


def test_a_run_dir_without_a_checkpoint_is_named(generate, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert generate(run_dir=tmp_path / "empty", config="groovae_4bar") == 1
    assert f"no checkpoint in {tmp_path}/empty" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_named(generate, run_dir, tmp_path, capsys):
    copy = tmp_path / "model.ckpt-1"
    for suffix in (".index", ".data-00000-of-00001"):
        whole = (run_dir / "train" / f"model.ckpt-1{suffix}").read_bytes()
        copy.with_name(copy.name + suffix).write_bytes(whole[: len(whole) // 2])
    own = run_dir / "train" / "config.yaml"
    assert generate(run_dir=None, checkpoint_file=copy, config=own) == 1
    assert "model.ckpt-1 cannot be read" in capsys.readouterr().err


def test_an_output_dir_that_is_a_file_is_named(generate, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert generate(output_dir=tmp_path / "file") == 1
    assert f"--output_dir: {tmp_path}/file cannot be" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


# Without TensorFlow.

PROGRAM = """
import sys
from music_vae_tf.commands import {name}
assert {name}.run(sys.argv[1:]) == 0
assert not {{"tensorflow", "keras", "note_seq", "numpy"}} & set(sys.modules)
"""


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("music_vae_generate", "--list_configs"),
        ("music_vae_generate", "--help"),
        ("music_vae_train", "--help"),
    ],
)
def test_answers_that_need_no_model_load_none(name, flag):
    called = [sys.executable, "-c", PROGRAM.format(name=name), flag]
    done = subprocess.run(called, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if flag == "--help":
        assert "--config=groovae_4bar" in done.stdout
        assert all(len(line) <= 88 for line in done.stdout.splitlines())
    else:
        assert set(configs.names()) <= set(done.stdout.split())
