"""Pictures show the notes: what is drawn is compared with what is in the sequence."""

import numpy as np
import pytest
from note_seq.protobuf import music_pb2

from music_vae_tf.rendering import piano_roll


def sequence_of(*notes, qpm=60.0, metre=(4, 4)):
    """Notes (start, end, pitch, velocity, is_drum, program), in seconds."""
    sequence = music_pb2.NoteSequence()
    sequence.tempos.add(qpm=qpm)
    sequence.time_signatures.add(numerator=metre[0], denominator=metre[1])
    for start, end, pitch, velocity, is_drum, program in notes:
        sequence.notes.add(
            start_time=start,
            end_time=end,
            pitch=pitch,
            velocity=velocity,
            is_drum=is_drum,
            program=program,
            instrument=program,
        )
    return sequence


def drum(start, pitch, velocity=100):
    return start, start + 0.1, pitch, velocity, True, 0


def boxes(figure, gid):
    """Left, bottom, right, top of every rectangle of an artist, `[N, 4]`."""
    artist = next(
        collection
        for axes in figure.axes
        for collection in axes.collections
        if collection.get_gid() == gid
    )
    corners = np.array([path.vertices[:4] for path in artist.get_paths()])
    return np.concatenate([corners.min(1), corners.max(1)], axis=1)


def row_names(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_the_file_is_a_png_of_the_asked_width(tmp_path):
    path = tmp_path / "loop.png"
    piano_roll.write(sequence_of(drum(0, 36)), path, width_px=1200)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert int.from_bytes(content[16:20], "big") == 1200


def test_every_hit_begins_where_it_is_played_in_the_row_of_its_drum():
    figure = piano_roll.draw(sequence_of(drum(0, 36), drum(1.1, 38), drum(2.95, 42)))
    left, bottom, _, top = boxes(figure, "drums").T
    np.testing.assert_allclose(left, [0, 1.1, 2.95])
    rows = row_names(figure.axes[0])
    assert rows == ["Closed hi-hat", "Snare", "Kick"]
    np.testing.assert_allclose((bottom + top) / 2, [2, 1, 0])


def test_louder_hits_are_taller_and_darker():
    figure = piano_roll.draw(sequence_of(drum(0, 38, 30), drum(1, 38, 120)))
    _, bottom, _, top = boxes(figure, "drums").T
    soft, loud = top - bottom
    assert loud > 1.5 * soft
    colours = figure.axes[0].collections[0].get_facecolors()
    assert colours[1].sum() < colours[0].sum()


def test_timing_reaches_from_the_sixteenth_to_the_hit():
    figure = piano_roll.draw(sequence_of(drum(0.3, 36), drum(0.96, 36)))
    left, _, right, _ = boxes(figure, "timing").T
    np.testing.assert_allclose(left, [0.25, 0.96])
    np.testing.assert_allclose(right, [0.3, 1.0])


def test_time_is_counted_in_quarters_also_when_the_tempo_changes():
    sequence = sequence_of(drum(0, 36), drum(2, 36), drum(3, 36), qpm=60)
    sequence.tempos.add(time=2.0, qpm=180)
    left = boxes(piano_roll.draw(sequence), "drums")[:, 0]
    np.testing.assert_allclose(left, [0, 2, 5])


@pytest.mark.parametrize(
    ("last_onset", "metre", "expected"),
    [
        (0.0, (4, 4), [0, 4]),
        (3.8, (4, 4), [0, 4]),
        (3.95, (4, 4), [0, 4, 8]),
        (4.0, (4, 4), [0, 4, 8]),
        (3.0, (3, 4), [0, 3, 6]),
        (2.8, (6, 8), [0, 3]),
    ],
)
def test_the_last_bar_is_drawn_whole(last_onset, metre, expected):
    sequence = sequence_of(drum(last_onset, 36), metre=metre)
    assert piano_roll.bar_lines(sequence).tolist() == expected


def test_a_note_held_a_moment_over_the_bar_line_makes_no_bar():
    sequence = sequence_of((0, 4.1, 60, 80, False, 0))
    assert piano_roll.bar_lines(sequence).tolist() == [0, 4]


@pytest.mark.parametrize(("quarter", "bars"), [(3.875, 1), (3.9, 2), (3.8, 1)])
def test_the_last_32nd_of_a_bar_is_in_it_and_an_early_downbeat_is_not(quarter, bars):
    sequence = sequence_of(drum(quarter, 36))
    assert len(piano_roll.bar_lines(sequence)) == bars + 1


def test_a_new_metre_begins_a_new_bar():
    sequence = sequence_of(drum(9.5, 36))
    sequence.time_signatures.add(time=4.0, numerator=3, denominator=4)
    assert piano_roll.bar_lines(sequence).tolist() == [0, 4, 7, 10]


def test_pitched_notes_are_bars_named_by_instrument():
    sequence = sequence_of(
        (0, 1.5, 60, 80, False, 0), (2, 3, 64, 80, False, 0), (0, 4, 48, 90, False, 33)
    )
    figure = piano_roll.draw(sequence)
    melody = boxes(figure, "1 Piano")
    np.testing.assert_allclose(melody[:, [0, 2]], [[0, 1.5], [2, 3]])
    np.testing.assert_allclose(melody[:, [1, 3]].mean(axis=1), [60, 64])
    assert len(boxes(figure, "2 Bass")) == 1
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["1 Piano", "2 Bass"]
    assert "C4" in row_names(figure.axes[0])


def test_drums_and_pitches_share_one_time():
    figure = piano_roll.draw(sequence_of((0, 8, 60, 80, False, 0), drum(1, 36)))
    pitches, drums = figure.axes
    assert pitches.get_xlim() == drums.get_xlim()


def test_a_pitch_of_no_drum_set_has_a_row_of_its_own():
    rows = piano_roll.drum_rows(sequence_of(drum(0, 36), drum(0, 81)).notes)
    assert rows == [("Percussion 81", (81,)), ("Kick", (36, 35))]


def test_each_pitch_is_in_one_drum_row():
    pitches = [pitch for row in piano_roll.DRUM_ROWS.values() for pitch in row]
    assert len(pitches) == len(set(pitches))


def test_a_sequence_without_notes_is_an_empty_bar():
    figure = piano_roll.draw(music_pb2.NoteSequence())
    assert len(boxes_or_none(figure)) == 0
    assert "0 notes" in [text.get_text() for text in figure.axes[0].texts][0]


def boxes_or_none(figure):
    return next(
        collection.get_paths()
        for collection in figure.axes[0].collections
        if collection.get_gid() == "drums"
    )


def test_title_and_facts_are_written_above():
    sequence = sequence_of(drum(0, 36), drum(7, 36))
    sequence.tempos.add(time=4.0, qpm=90)
    axes = piano_roll.draw(sequence, title="Loop 1").axes[0]
    assert axes.get_title(loc="left") == "Loop 1"
    assert axes.texts[0].get_text() == "3 bars of 4/4 · 60-90 bpm · 2 notes"


def test_drawing_leaves_matplotlibs_global_state_alone():
    import matplotlib._pylab_helpers as global_figures

    piano_roll.draw(sequence_of(drum(0, 36)))
    assert not global_figures.Gcf.figs


@pytest.mark.parametrize("pitch, name", [(60, "C4"), (61, "C♯4"), (21, "A0")])
def test_notes_have_names(pitch, name):
    assert piano_roll.note_name(pitch) == name
