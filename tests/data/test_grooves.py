"""The grooves are complete, distinct, and what a GrooVAE can learn from."""

import importlib.resources

import numpy as np
import pytest
import yaml

from music_vae_tf.data import grooves
from music_vae_tf.data.drum_tab import STEPS_PER_BAR, UNDECIDED, read_tab

COUNT = 400


@pytest.fixture(scope="module")
def played():
    return list(grooves.performances(COUNT))


@pytest.fixture(params=grooves.styles(), ids=lambda style: style.style)
def style(request):
    return request.param


def hits(sequence):
    """(sixteenth, pitch) of every note."""
    steps_per_second = sequence.tempos[0].qpm / 15
    return frozenset(
        (round(note.start_time * steps_per_second), note.pitch)
        for note in sequence.notes
    )


def test_there_are_many_styles_with_names_of_their_own():
    names = [style.style for style in grooves.styles()]
    assert len(set(names)) == len(names) >= 12


def test_every_bar_is_written_in_sixteenths_or_triplets():
    text = importlib.resources.files("music_vae_tf.data") / "grooves.yaml"
    for entry in yaml.safe_load(text.read_text()):
        for tab in entry["grooves"] + entry["fills"]:
            bars = [b for line in tab.split("\n") for b in line.split("|")[1:-1]]
            assert {len(bar) for bar in bars} in ({12}, {16}), tab
            assert read_tab(tab).strokes


def test_grooves_fill_four_bars_and_fills_one(style):
    assert {tab.bars for tab in style.grooves} <= {1, 2, 4}
    assert {tab.bars for tab in style.fills} == {1}
    assert all(tab.first_step == 0 for tab in style.grooves)


def test_a_style_has_enough_to_say(style):
    assert len(style.grooves) >= 3
    assert len(style.fills) >= 3
    slowest, fastest = style.tempo
    assert 40 <= slowest < fastest <= 240


def test_arrangements_are_decided_and_in_order(style):
    for seed in range(20):
        strokes, fill_from = grooves.arrange(style, np.random.default_rng(seed))
        steps = [stroke.step for stroke in strokes]
        assert not {stroke.sign for stroke in strokes} & set(UNDECIDED)
        assert steps == sorted(steps)
        assert 3 * STEPS_PER_BAR <= steps[-1] < 4 * STEPS_PER_BAR
        assert fill_from >= 3 * STEPS_PER_BAR


def test_no_drummer_has_three_hands(style):
    """At any moment at most two strokes with sticks, one kick, one foot on the hats."""
    for seed in range(20):
        strokes, _ = grooves.arrange(style, np.random.default_rng(seed))
        for step in {stroke.step for stroke in strokes}:
            drums = [s.drum for s in strokes if s.step == step]
            hands = [drum for drum in drums if drum not in ("BD", "HF")]
            assert len(hands) <= 2, (step, drums)
            assert len(set(drums)) == len(drums)


def test_swing_flattens_as_the_tempo_rises():
    jazz = next(style for style in grooves.styles() if style.style == "jazz swing")
    slow, fast = (jazz.feel(qpm) for qpm in jazz.tempo)
    assert slow.swing > fast.swing > 0.5
    assert slow.swung_steps == 2


def test_the_same_seed_gives_the_same_performances(played):
    again = list(grooves.performances(COUNT, seed=0))
    assert again == played
    other = list(grooves.performances(COUNT, seed=1))
    assert all(mine != theirs for mine, theirs in zip(played, other))


def test_a_performance_does_not_depend_on_how_many_are_asked_for(played):
    assert list(grooves.performances(5)) == played[:5]


def test_performances_are_distinct_even_without_their_timing(played):
    assert len({hits(sequence) for _, sequence in played}) > 0.9 * COUNT


def test_all_styles_and_all_drums_are_played(played):
    assert {name for name, _ in played} == {s.style for s in grooves.styles()}
    pitches = {note.pitch for _, sequence in played for note in sequence.notes}
    assert pitches >= {36, 38, 42, 46, 43, 47, 50, 49, 51}


def test_every_performance_gives_exactly_one_example_of_four_bars(played):
    from music_vae_tf.data.converters.groove import GrooveConverter

    converter = GrooveConverter(split_bars=4)
    for name, sequence in played:
        (example,), left_out = converter.extract(sequence)
        assert not left_out, name
        assert example.targets.shape == (64, 27)
        hits, offsets = example.targets[:, :9], example.targets[:, 18:]
        assert hits[48:].any()
        assert np.abs(offsets).max() < 1


def test_every_performance_survives_a_midi_file(played, tmp_path):
    """Nothing overlaps, nothing lies before 0: notes come back to the tick."""
    import note_seq

    path = str(tmp_path / "loop.mid")
    for name, sequence in played[::40]:
        note_seq.sequence_proto_to_midi_file(sequence, path)
        back = note_seq.midi_file_to_note_sequence(path)
        told = sorted((n.pitch, n.start_time, n.velocity) for n in sequence.notes)
        read = sorted((n.pitch, n.start_time, n.velocity) for n in back.notes)
        tick = 60 / sequence.tempos[0].qpm / 220
        assert len(read) == len(told), name
        np.testing.assert_allclose(read, told, atol=tick)


def test_velocities_and_timing_are_spread_like_those_of_recorded_drummers(played):
    """Medians of the Groove MIDI Dataset's 4/4 beats: snare 12-127 around 56, hats
    20-127 around 65; timing strays by some ten milliseconds."""
    velocities = lambda pitch: [
        note.velocity for _, s in played for note in s.notes if note.pitch == pitch
    ]
    soft, middle, loud = np.percentile(velocities(38), [5, 50, 95])
    assert soft < 25 < 45 < middle < 80 < 115 < loud
    soft, middle, loud = np.percentile(velocities(42), [5, 50, 95])
    assert 20 < soft < 45 < middle < 75 < 90 < loud
