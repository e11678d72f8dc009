"""MIDI on its way into scores: grids as fine as the music, and no others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from piano_files import write_piano

from music_vae_tf.data.clefs import NotUsable, extraction, files
from music_vae_tf.data.clefs.quantizing import Note, quantize
from music_vae_tf.data.clefs.timing import timing_of

pytest.importorskip("music21")
LEFT = [(i, 1, [48 + i % 3]) for i in range(8)]


def ticks_of(onsets, deviation=0.0):
    late = np.random.default_rng(0).normal(0, deviation, len(onsets))
    starts = np.asarray(onsets, float) + late
    notes = [Note(s, s + 0.1, 60 + i % 7, 80) for i, s in enumerate(starts)]
    (part,) = quantize([notes], [0.0]).parts
    return [note.start for note in part]


def repeated(places, quarters=20):
    return [q + place for q in range(1, quarters) for place in places]


def onsets_in(path):
    """Onsets of the higher part in ticks, and how many notes begin together."""
    part = files.parse(path).parts[0]
    found = [e for e in extraction.elements(part, 0) if set(e.pitches) - set(e.tied)]
    return [e.offset for e in found], {len(e.pitches) for e in found}


@pytest.mark.parametrize("step", [3, 4], ids=["thirty-seconds", "sextuplets"])
def test_fast_runs_are_not_chords(step, tmp_path):
    run = [(i * step / 24, step / 24, [72 + i % 5]) for i in range(8 * 24 // step)]
    write_piano(tmp_path / "run.mid", run, LEFT)
    onsets, sizes = onsets_in(tmp_path / "run.mid")
    assert onsets == list(range(0, 8 * 24, step)) and sizes == {1}


@pytest.mark.parametrize(
    ("places", "ticks"),
    [
        ((0, 1 / 3, 2 / 3), (0, 8, 16)),
        ((0, 2 / 3), (0, 16)),
        ((0, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 2 / 3, 5 / 6), (0, 3, 6, 9, 12, 16, 20)),
        ((0, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4), (0, 6, 8, 12, 16, 18)),
        ((0, 1 / 5, 2 / 5, 3 / 5, 4 / 5), (0, 5, 10, 14, 19)),
    ],
    ids=["triplets", "swing", "32nds and triplets", "three to four", "quintuplets"],
)
@pytest.mark.parametrize("ticks_per_quarter", [96, 220, 480])
def test_written_notes_are_where_they_were_written(places, ticks, ticks_per_quarter):
    onsets = np.round(np.array(repeated(places)) * ticks_per_quarter)
    expected = [24 * q + tick for q in range(1, 20) for tick in ticks]
    assert ticks_of(onsets / ticks_per_quarter) == expected


@pytest.mark.parametrize(
    ("parts", "deviation"), [(1, 0.04), (2, 0.04), (4, 0.025), (3, 0.025), (8, 0.01)]
)
def test_played_notes_are_on_the_grid_that_was_meant(parts, deviation):
    found = ticks_of(np.arange(parts, 40 * parts) / parts, deviation)
    expected = np.arange(parts, 40 * parts) * 24 // parts
    assert np.mean(np.array(found) == expected) > 0.97


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(range(1, 240)), min_size=1, unique=True))
def test_notes_on_distinct_ticks_stay_distinct_and_in_order(ticks):
    found = ticks_of([tick / 24 for tick in sorted(ticks)])
    assert found == sorted(set(found)) and len(found) == len(ticks)


def test_notes_on_both_sides_of_a_beat_stay_apart():
    assert ticks_of([1 / 24, 143 / 24, 145 / 24])[1:] == [143, 145]


def test_a_constant_latency_is_taken_away():
    late = np.arange(4, 160) / 4 + 0.06
    assert ticks_of(late) == [6 * i for i in range(4, 160)]


def test_timing_tells_written_played_and_free_notes_apart():
    random = np.random.default_rng(0)
    grid = np.arange(200) / 4
    assert timing_of(grid).is_exact
    played = timing_of(grid + random.normal(0, 0.03, 200))
    assert not played.is_exact and not played.is_free
    assert timing_of(random.uniform(0, 60, 200)).is_free


def test_free_playing_is_refused_with_the_figure_but_not_by_the_original(
    tmp_path,
):
    random = np.random.default_rng(0)
    right = [(start, 0.2, [72]) for start in np.sort(random.uniform(0, 60, 200))]
    write_piano(tmp_path / "free.mid", right, LEFT)
    with pytest.raises(NotUsable, match=r"played without its beats: .* 9\d % of what"):
        files.parse(tmp_path / "free.mid")
    assert files.parse(tmp_path / "free.mid", "original").parts


def test_channels_of_one_track_are_parts_of_their_own(tmp_path):
    import mido

    write_piano(tmp_path / "a.mid", [(i / 2, 0.5, [72]) for i in range(16)], LEFT)
    file = mido.MidiFile(tmp_path / "a.mid")
    for message in file.tracks[2]:
        if hasattr(message, "channel"):
            message.channel = 1
    mido.MidiFile(
        type=0, ticks_per_beat=480, tracks=[mido.merge_tracks(file.tracks)]
    ).save(tmp_path / "b.mid")
    assert len(files.parse(tmp_path / "b.mid").parts) == 2


def test_notes_that_are_never_released_or_have_no_length_sound(tmp_path):
    import mido

    write_piano(tmp_path / "a.mid", [(i, 1, [72]) for i in range(8)], LEFT)
    file = mido.MidiFile(tmp_path / "a.mid")
    for track in file.tracks[1:]:
        for message in list(track):
            if message.type == "note_on" and not message.velocity:
                track[track.index(message)] = mido.Message(
                    "control_change", control=1, time=message.time
                )
    file.save(tmp_path / "b.mid")
    onsets, sizes = onsets_in(tmp_path / "b.mid")
    assert onsets == [24 * i for i in range(8)] and sizes == {1}
