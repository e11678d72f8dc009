"""music_vae_inspect: what is in files, and why configs make nothing of them."""

import json

import mido
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
        {
            **{"config": "groovae_2bar_humanize", "examples": 2, "left_out": {}},
            "generate": {"count": 2, "left_out": {}},
            "transform": {"count": 52, "left_out": {}},
        }
    ]
    (instrument,) = one["music"]["instruments"]
    assert instrument["track"] == 1 and instrument["channel"] == 10


def test_json_counts_bars_and_notes_that_a_transformation_leaves_out(inspect, tmp_path):
    head = track([metre(0, 3, 4), metre(3 * 480, 4, 4)])
    song(head, track(beat(3))).save(tmp_path / "one.mid")
    status, printed, _ = inspect(config="groovae_2bar_humanize", json="true")
    assert status == 0
    (made,) = json.loads(printed)[0]["made"]
    left_out = made["transform"]["left_out"]
    assert left_out["bars in 3/4"] == 1 and left_out["notes in these bars"] > 5


def test_tracks_and_channels_are_shown_and_those_without_notes(inspect, tmp_path):
    band(bars=1).save(tmp_path / "song.mid")
    _, printed, _ = inspect(config="groovae_2bar_humanize")
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    start = lines.index(next(line for line in lines if line.startswith("tracks")))
    assert lines[start : start + 4] == [
        "tracks 1 Bass: program 33, 4 notes, pitches 40 to 43 "
        "(track 2 of the file, channel 2)",
        "2 Drums: drums, 13 notes, pitches 36 to 42 (track 4 of the file, channel 10)",
        "Song: no notes (track 1 of the file)",
        "Voice: no notes (track 3 of the file)",
    ]
    name = "Schlägel".encode().decode("latin-1")
    both = note(0, 60, channel=0) + note(0, 40, channel=4)
    song(track(both, name), kind=0).save(tmp_path / "song.mid")
    _, printed, _ = inspect(config="groovae_2bar_humanize", json="true")
    music = json.loads(printed)[0]["music"]
    found = [(one["name"], one["channel"]) for one in music["instruments"]]
    assert found == [("Schlägel", 1), ("Schlägel", 5)]
    assert music["empty_tracks"] == {}


def test_what_a_trained_model_reads_is_shown_beside_training(inspect, tmp_path):
    """Drums where a DAW left them, tempo changes, and a kit of other notes."""
    changes = [(0, 100), (1920 * 2, 110)]
    head = [mido.MetaMessage("set_tempo", tempo=round(6e7 / b)) for _, b in changes]
    head = track([(tick, event) for (tick, _), event in zip(changes, head)])
    bass = track(note(0, 40, channel=1), "Bass")
    drums = track(beat(4, channel=0) + note(0, 16, channel=0), "Schlagzeug")
    song(head, bass, drums).save(tmp_path / "one.mid")
    flags = {"config": "groovae_2bar_humanize"}
    made = json.loads(inspect(json="true", **flags)[1])[0]["made"][0]
    assert made["examples"] == 0 and "no drums on channel 10" in made["left_out"]
    assert made["generate"]["count"] == 2
    unmapped = {"notes of unmapped drum pitch 16": 1}
    assert made["transform"] == {"count": 52, "left_out": unmapped}
    printed = inspect(**flags)[1]
    assert "53 notes by name and notes" in printed
    assert "generate: 2 examples" in printed and "transform: 52 notes" in printed
    printed = inspect(drums="track:Bass", **flags)[1]
    assert "drums    1 note by --drums" in printed and "transform: 1 note" in printed
    printed = inspect(drums="channel10", **flags)[1]
    assert "transform: 0 notes" in printed


def test_several_inputs_are_named_with_commas(inspect, tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("a.mid", "b,c.mid", "more/d.mid"):
        song(track(beat(2))).save(tmp_path / name)
    flags = {"config": "groovae_2bar_humanize", "json": "true"}
    paths = lambda printed: [one["path"] for one in json.loads(printed)]
    a, d = str(tmp_path / "a.mid"), str(tmp_path / "more" / "d.mid")
    assert paths(inspect(f"{a},{tmp_path / 'more'}", **flags)[1]) == [a, d]
    alone = str(tmp_path / "b,c.mid")
    assert paths(inspect(alone, **flags)[1]) == [alone]


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
        ({"path": "absent"}, "--input: there is no file absent"),
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


def test_only_a_file_beyond_a_limit_is_skipped(inspect, tmp_path):
    band(bars=2).save(tmp_path / "a.mid")
    bars = "CDEF GABc|" * 20_000
    (tmp_path / "b.abc").write_text(f"X:1\nT:long\nM:4/4\nL:1/8\nK:C\n{bars}\n")
    status, printed, _ = inspect(config="groovae_2bar_humanize", max_seconds_per_file=1)
    assert status == 0
    assert "b.abc: cannot be read: beyond a limit: more than 1 s" in printed
    assert "2 pieces, 1 unreadable" in printed


@pytest.mark.parametrize("others", [0, 1])
def test_an_error_while_inspecting_costs_the_file_alone(
    inspect, tmp_path, monkeypatch, others
):
    monkeypatch.setattr(
        "music_vae_tf.data.inspection.inspect", lambda *_: 1 // 0, raising=True
    )
    monkeypatch.setattr(
        "music_vae_tf.data.workers.map_in_processes",
        lambda function, items, *_: (function(item) for item in items),
    )
    for number in range(1 + others):
        band(bars=2).save(tmp_path / f"{number}.mid")
    status, printed, _ = inspect(config="groovae_2bar_humanize")
    assert status == 1
    assert printed.count("cannot be read: ZeroDivisionError") == 1 + others
