"""A file that is read alone has the limits of one in a folder."""

import time

import pytest
from song_files import band, beat, song, track
from untrained_runs import untrained_run

from music_vae_tf.commands import (
    music_vae_generate,
    music_vae_inspect,
    piano_roll_vae_generate,
)
from music_vae_tf.data import limited_reading
from music_vae_tf.data.midi import UnreadableMusic, read_midi
from music_vae_tf.data.midi_song import MidiSong
from music_vae_tf.data.workers import Limits

LIMITS = Limits(seconds=1, megabytes=200)
USUAL = Limits(seconds=600)


@pytest.fixture
def long_tune(tmp_path):
    """A score that takes seconds to read."""
    path = tmp_path / "long.abc"
    path.write_text("X:1\nT:long\nM:4/4\nL:1/8\nK:C\n" + "CDEF GABc|" * 20_000 + "\n")
    return path


@pytest.fixture(scope="module")
def drums(tmp_path_factory):
    """A MIDI file of an hour, which takes seconds to read."""
    path = tmp_path_factory.mktemp("drums") / "long.mid"
    hits = [(step, pitch, 90) for step in range(16) for pitch in (36, 38, 42)]
    song(track(beat(1_500, hits=hits))).save(path)
    return path


def test_a_file_that_takes_too_long_is_given_up():
    with pytest.raises(UnreadableMusic, match="100: beyond a limit: more than 1 s"):
        limited_reading.read(time.sleep, 100, LIMITS)


def test_a_file_that_takes_too_much_memory_is_given_up():
    pytest.importorskip("resource")
    with pytest.raises(UnreadableMusic, match="beyond a limit: .* 200 MB of memory"):
        limited_reading.read(bytearray, 2 * 10**9, LIMITS)


def test_what_is_read_is_the_same_as_without_limits(tmp_path):
    path = str(tmp_path / "band.mid")
    band().save(path)
    assert limited_reading.read(read_midi, path, USUAL) == read_midi(path)
    here, there = MidiSong.read(path), limited_reading.read(MidiSong.read, path, USUAL)
    assert (there.tracks, there.notes) == (here.tracks, here.notes)


def test_errors_are_those_of_reading(tmp_path):
    (tmp_path / "no.mid").write_bytes(b"GIF89a")
    with pytest.raises(UnreadableMusic, match=r"no\.mid: no MIDI file"):
        limited_reading.read(read_midi, str(tmp_path / "no.mid"), USUAL)
    with pytest.raises(FileNotFoundError):
        limited_reading.read(read_midi, str(tmp_path / "nothing.mid"), USUAL)


@pytest.mark.parametrize("mode", ["transform", "reconstruct"])
def test_a_command_gives_up_a_file_that_is_alone(tmp_path, drums, capsys, mode):
    arguments = [
        f"--run_dir={untrained_run(tmp_path / 'run', 'groovae_4bar')}",
        *(f"--mode={mode}", f"--input_midi={drums}", f"--output_dir={tmp_path / 'o'}"),
        "--max_seconds_per_file=0.05",
    ]
    assert music_vae_generate.run(arguments) == 1
    said = capsys.readouterr().err
    assert f"{drums}: beyond a limit: more than 0.05 s (--max_seconds_per_file" in said


def test_an_inspected_file_that_is_alone_has_limits(long_tune, capsys):
    arguments = [f"--input={long_tune}", "--config=groovae_4bar"]
    assert music_vae_inspect.run([*arguments, "--max_seconds_per_file=0.05"]) == 1
    assert "beyond a limit: more than 0.05 s" in capsys.readouterr().out


def test_the_melody_of_a_roll_has_limits(long_tune):
    from music_vae_tf import build
    from music_vae_tf import config as configs

    converter, limits = build.converter(configs.load("conv_cvae")), Limits(0.05, 0)
    with pytest.raises(UnreadableMusic, match=r"beyond a limit: more than 0\.05 s"):
        piano_roll_vae_generate._melody(str(long_tune), converter, limits)
