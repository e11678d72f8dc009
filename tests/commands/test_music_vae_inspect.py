"""music_vae_inspect: what is in files, and why configs make nothing of them."""

import json

import pytest
from song_files import band, beat, metre, note, song, track

from music_vae_tf.commands import music_vae_inspect as command


@pytest.fixture
def inspect(tmp_path, capsys):
    """Calls the command; gives its exit status, what it prints, and what it logs."""

    def run(path=tmp_path, **flags):
        values = {"input": path, **flags}
        status = command.run([f"--{name}={value}" for name, value in values.items()])
        return (status, *capsys.readouterr())

    return run


def test_a_song_is_described(inspect, tmp_path):
    band(bars=6).save(tmp_path / "song.mid")
    status, printed, _ = inspect(tmp_path / "song.mid")
    assert status == 0
    assert "song.mid: 102 notes, 6 bars" in printed
    assert "90 BPM, then 5 changes between 90 and 125" in printed
    assert "4/4: 6 bars" in printed
    assert "Bass: program 33, 24 notes, pitches 40 to 44" in printed
    assert "78 notes on channel 10; kick 18, snare 12, closed hi-hat 48" in printed
    lines = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    assert "0 examples" in lines["groovae_4bar"]
    assert "tempo changes from 90 to 97 at bar 2" in lines["groovae_4bar"]
    assert "6 examples" in lines["hier-multiperf_vel_1bar_med"]
    assert "no melody (programs 0-31)" in lines["flat-trio_16bar"]
    assert "music_vae_generate --input_midi reads them in beats" in printed


@pytest.mark.parametrize(
    ("midi", "words"),
    [
        (song(track(beat(2, channel=0), "Kit")), "26 notes by name and notes"),
        (song(track(note(0, 60, channel=0))), "none: nothing on channel 10"),
        (song(track(note(0, 16) + note(0, 36))), "in no class: 16 (1)"),
        (song(track([metre(0, 7, 8)]), track(beat(2))), "7/8: 3 bars"),
        (song(track([])), "no bars"),
    ],
)
def test_drums_and_time_signatures_are_found_or_missed(inspect, tmp_path, midi, words):
    midi.save(tmp_path / "one.mid")
    status, printed, _ = inspect(config="groovae_2bar_humanize")
    assert status == 0 and words in printed


def test_json_holds_the_same(inspect, tmp_path):
    song(track(beat(4))).save(tmp_path / "one.mid")
    (tmp_path / "broken.mid").write_bytes(b"GIF89a")
    status, printed, _ = inspect(config="groovae_2bar_humanize", json="true")
    assert status == 0
    broken, one = json.loads(printed)
    assert "no MIDI file" in broken["problem"] and broken["music"] is None
    assert one["music"]["time_signatures"] == {"4/4": 4}
    assert one["music"]["drums"]["classes"] == {
        **{"kick": 12, "snare": 8, "closed hi-hat": 32}
    }
    assert one["made"] == [
        {"config": "groovae_2bar_humanize", "examples": 2, "left_out": {}}
    ]


def test_many_files_are_summed_up(inspect, tmp_path):
    for number in range(5):
        song(track(beat(number + 1))).save(tmp_path / f"{number}.mid")
    (tmp_path / "broken.mid").write_bytes(b"")
    _, printed, _ = inspect(config="groovae_2bar_humanize")
    assert (
        "6 pieces, 1 unreadable" in printed and "unreadable: empty file (1)" in printed
    )
    assert "4/4: 15 bars" in printed and "drums: in 5 of 5 pieces" in printed
    assert "of 4 pieces: 6 examples" in printed
    assert "shorter than 2 bars (1)" in printed
    assert "0.mid" not in printed
    _, printed, _ = inspect(config="groovae_2bar_humanize", verbose="true")
    assert "0.mid: 13 notes" in printed


def test_other_drums_and_kits_are_asked_for(inspect, tmp_path):
    hats = [(step, 22, 80) for step in range(16)]
    song(track(beat(2, channel=3, hits=hats), "Loop")).save(tmp_path / "one.mid")
    flags = {"config": "groovae_2bar_humanize", "json": "true"}
    examples = lambda printed: json.loads(printed)[0]["made"][0]["examples"]
    assert examples(inspect(**flags)[1]) == 0
    assert examples(inspect(drums="track:Loop", **flags)[1]) == 1
    song(track(beat(2, hits=hats))).save(tmp_path / "one.mid")
    printed = inspect(drum_map="td11", **flags)[1]
    assert json.loads(printed)[0]["music"]["drums"]["classes"] == {"closed hi-hat": 32}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"path": "absent"}, "there is no such file or folder"),
        ({}, "no MIDI, MusicXML or ABC file in it; other files: 1 .txt"),
        ({"config": "groovae_9bar"}, "groovae_9bar"),
        ({"drums": "kit"}, "drums=kit"),
        ({"drum_map": "kit"}, "drum_map=kit"),
    ],
)
def test_a_mistake_is_explained(inspect, tmp_path, flags, words):
    (tmp_path / "notes.txt").write_text("")
    if "path" not in flags and flags:
        song(track(beat(1))).save(tmp_path / "one.mid")
    status, _, said = inspect(**flags)
    assert status == 1 and words in said and "Traceback" not in said


def test_files_that_are_all_unreadable_are_a_failure(inspect, tmp_path):
    (tmp_path / "broken.mid").write_bytes(b"GIF89a")
    status, printed, _ = inspect(config="groovae_4bar")
    assert status == 1 and "cannot be read: no MIDI file" in printed
