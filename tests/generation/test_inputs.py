"""Files of any length as examples: which bars are read, and what fills short ones."""

import numpy as np
import pytest
from song_files import BAR, band, beat, metre, note, song, tempo, track

from music_vae_tf import build
from music_vae_tf import config as configs
from music_vae_tf.data.midi import read_midi
from music_vae_tf.data.midi_writer import write_midi
from music_vae_tf.generation import NoExtractedExamplesError
from music_vae_tf.generation.inputs import BadInputOptions, InputOptions, inputs_of


def converter(name):
    return build.converter(configs.load(name)).for_inference()


@pytest.fixture
def read(tmp_path):
    """A file through a config's converter: its inputs."""

    def inputs(midi, name="groovae_2bar_humanize", bar="first", fit="pad"):
        midi.save(tmp_path / "one.mid")
        sequence = read_midi(tmp_path / "one.mid")
        return inputs_of(converter(name), sequence, "one.mid", InputOptions(bar, fit))

    return inputs


def numbered_bars(bars):
    """Bar i has i + 1 kicks."""
    return [
        event
        for bar in range(bars)
        for event in beat(1, first_bar=bar, hits=[(s, 36, 90) for s in range(bar + 1)])
    ]


def kicks(one):
    """Hits of the kick in each bar."""
    return one.example.targets[:, 0].reshape(-1, 16).sum(axis=1).tolist()


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        ("first", [[1, 2]]),
        ("last", [[4, 5]]),
        ("3", [[3, 4]]),
        ("5", [[5, 0]]),
        ("all", [[1, 2], [3, 4], [5, 0]]),
        ("longest", [[3, 4]]),  # of two with as many bars the one with more notes
    ],
)
def test_a_part_is_chosen(read, bar, expected):
    midi = song(track(numbered_bars(5)))
    assert [kicks(one) for one in read(midi, bar=bar)] == expected


@pytest.mark.parametrize("ticks_late", [0, 20])
def test_a_last_note_that_ends_a_little_late_makes_no_bar(read, ticks_late):
    last = note(8 * BAR - 120, 36, length=120 + ticks_late)
    midi = song(
        track(numbered_bars(7) + beat(1, first_bar=7, hits=[(0, 36, 90)]) + last)
    )
    assert [kicks(one) for one in read(midi, bar="last")] == [[7, 2]]
    with pytest.raises(BadInputOptions, match="one.mid has 8 bars"):
        read(midi, bar="9")


def test_a_last_note_that_is_a_little_early_has_its_bar(read):
    midi = song(track(numbered_bars(4) + note(4 * BAR - 20, 36, length=30)))
    assert [kicks(one) for one in read(midi, bar="last")] == [[4, 1]]


def test_silence_before_the_music_is_passed_over(read):
    (one,) = read(song(track(beat(2, first_bar=3))))
    assert one.bar == 4 and one.num_bars == 2


@pytest.mark.parametrize("bar", range(1, 7))
@pytest.mark.parametrize("name", ["groovae_2bar_humanize", "cat-drums_2bar_small"])
def test_the_first_bar_is_the_first_with_drums(read, bar, name):
    bass = track(beat(9, channel=1, hits=[(0, 40, 90)]), "Bass")
    (one,) = read(song(bass, track(beat(3, first_bar=bar))), name)
    assert (one.bar, one.num_bars) == (bar + 1, 2)


def test_the_first_bar_is_the_first_with_the_melody(read):
    events = [(tick + 3 * BAR, message) for tick, message in melody(3)]
    midi = song(track(beat(9)), track(events))
    (one,) = read(midi, "cat-mel_2bar_small")
    assert (one.bar, one.num_bars) == (4, 2)


def test_short_inputs_are_padded_or_looped(read):
    midi = song(track(numbered_bars(1)))
    assert [kicks(one) for one in read(midi)] == [[1, 0]]
    assert [kicks(one) for one in read(midi, fit="loop")] == [[1, 1]]
    three = song(track(numbered_bars(3)))
    assert kicks(read(three, "groovae_4bar")[0]) == [1, 2, 3, 0]
    assert kicks(read(three, "groovae_4bar", fit="loop")[0]) == [1, 2, 3, 1]


def melody(bars):
    return [e for i in range(bars * 8) for e in note(i * 240, 60 + i % 5, 90, 0, 230)]


@pytest.mark.parametrize(
    ("name", "midi"),
    [
        ("cat-mel_2bar_small", song(track(melody(1)))),
        ("cat-drums_2bar_small", song(track(beat(1)))),
        ("nade-drums_2bar_reduced", song(track(beat(1)))),
        ("hierdec-groove_4bar", song(track(beat(1)))),
    ],
)
def test_padding_is_what_a_model_reads_as_silence(read, name, midi):
    (one,) = read(midi, name)
    (looped,) = read(midi, name, fit="loop")
    steps = one.example.length
    assert one.num_bars == 1 and len(one.example.inputs) == steps
    half = 16
    np.testing.assert_array_equal(
        one.example.targets[:half], looped.example.targets[:half]
    )
    rest = converter(name).to_sequence(one.example.targets[half:])
    assert not rest.notes
    silent = np.zeros_like(one.example.inputs[half])
    silent[{"cat-mel": 0, "cat-dru": -1, "nade-dr": -1}.get(name[:7], [])] = 1
    assert (one.example.inputs[half:] == silent).all()


def test_tempo_ramps_bend_nothing(read):
    ramp = [tempo(i * 480, 60 + 20 * i) for i in range(8)]
    (bent,), (plain,) = (
        read(song(track(ramp), track(beat(2)))),
        read(song(track(beat(2)))),
    )
    np.testing.assert_allclose(bent.example.targets, plain.example.targets, atol=1e-4)
    assert (bent.qpm, plain.qpm) == (60, 120)


def test_bars_of_another_metre_are_not_part_of_an_example(read):
    head = track([metre(0, 3), metre(2 * 1440, 4)])
    kit = track([(t + 2 * 1440 - BAR, m) for t, m in beat(3) if t >= BAR] + beat(1))
    (one,) = read(song(head, kit))
    assert one.bar == 3 and one.num_bars == 2


@pytest.mark.parametrize(
    ("midi", "words"),
    [
        (song(track([])), "one.mid: no notes"),
        (song(track([metre(0, 3)]), track(beat(2))), "time signature 3/4"),
        (song(track(note(0, 60, channel=0))), "no drums on channel 10"),
    ],
)
def test_files_without_an_example_are_refused_with_the_reason(read, midi, words):
    with pytest.raises(NoExtractedExamplesError, match=words):
        read(midi)


def test_what_cannot_be_padded_says_so(read):
    with pytest.raises(NoExtractedExamplesError, match="--fit=loop repeats it"):
        read(song(track(beat(1))), "musicvae_groove_tokens")
    assert read(song(track(beat(1))), "musicvae_groove_tokens", fit="loop")


@pytest.mark.parametrize("bar", ["0", "-1", "end", "1.5"])
def test_choices_that_are_none_are_refused(read, bar):
    with pytest.raises(BadInputOptions, match=f"input_bar={bar}: expected the number"):
        InputOptions(bar)
    with pytest.raises(BadInputOptions, match="fit=cut: expected loop or pad"):
        InputOptions(fit="cut")


def test_a_bar_that_a_file_does_not_have_is_refused(read):
    with pytest.raises(BadInputOptions, match="one.mid has 7 bars"):
        read(band(bars=7), bar="8")


@pytest.mark.parametrize(
    "name",
    [
        "groovae_4bar",
        "cat-drums_2bar_small",
        "nade-drums_2bar_full",
        "cat-mel_2bar_small",
    ],
)
def test_what_this_program_writes_can_be_read_again(tmp_path, name):
    """Outputs with one note alone, wherever it is, and full ones."""
    one = converter(name)
    steps = configs.load(name).model.max_seq_len
    rng = np.random.default_rng(4)
    for number in range(20):
        rows = np.zeros([steps, one.targets.depth], np.float32)
        if name == "groovae_4bar":
            drums = one.targets.depth // 3
            rows[:, :drums] = rng.random([steps, drums]) < 0.02
            rows[number, 0] = 1
            rows[:, drums:] = rng.uniform(-1, 1, [steps, 2 * drums])
            rows[:, drums : 2 * drums] = 0.5
        elif name.startswith("nade"):
            rows[number, 3] = 1
        else:
            rows[np.arange(steps), 0] = 1
            rows[number] = np.eye(one.targets.depth)[40]
        sequence = one.to_sequence(rows)
        write_midi(sequence, tmp_path / "own.mid")
        read = inputs_of(one, read_midi(tmp_path / "own.mid"), "own", InputOptions())
        assert read[0].example.length == steps


def test_of_a_long_file_so_many_parts_are_read_as_asked(tmp_path, caplog):
    song(track(numbered_bars(8))).save(tmp_path / "one.mid")
    sequence = read_midi(tmp_path / "one.mid")
    options = InputOptions("all", most=3)
    found = inputs_of(converter("groovae_2bar_humanize"), sequence, "one.mid", options)
    assert [one.bar for one in found] == [1, 3, 5]
    assert "one.mid has up to 4 examples; the first 3 are read" in caplog.text
