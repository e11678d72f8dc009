"""Only drums are drums: on channel 10, or by their looks, or as a user says."""

import pytest
from midi_bytes import HEAD, groove, metre, midi, name, note, tempo, track

from music_vae_tf.data.converters import drum_parts
from music_vae_tf.data.converters.drums import DrumsConverter
from music_vae_tf.data.converters.groove import BadGrooveOptions, GrooveConverter
from music_vae_tf.data.converters.tokens import TokensConverter
from music_vae_tf.data.midi import parse_midi
from music_vae_tf.data.single_examples import single_examples
from music_vae_tf.errors import UserFacingError

QUARTER = 480
NO_DRUMS = {drum_parts.NO_DRUMS: 1}
TAKEN = {drum_parts.TAKEN_AS_DRUMS: 1}


def line(pitches, channel=0, program=None, step=QUARTER // 2):
    """A run of notes through pitches, of four bars, as a track."""
    events = [] if program is None else [(0, bytes([0xC0 | channel, program]))]
    for number in range(16 * QUARTER // step):
        pitch = pitches[number % len(pitches)]
        events += note(number * step, pitch, step, channel)
    return track(*events)


BASS = line((36, 43, 36, 38), 1, program=33)
PIANO = line((52, 55, 59), 2, program=4)
DRUMS = track(*groove())
BAND = midi(HEAD, DRUMS, BASS, PIANO)
CONVERTERS = [
    GrooveConverter(split_bars=4),
    DrumsConverter(slice_bars=4),
    TokensConverter(split_bars=4, max_tokens_per_bar=80),
]
IDS = ["groove", "drums", "tokens"]


def extracted(converter, data):
    return converter.extract(parse_midi(data))


def hits(converter, data):
    (example,) = converter.to_examples(parse_midi(data))
    sequence = converter.to_sequence(converter.unpack(example).targets)
    return sorted((round(n.start_time, 3), n.pitch) for n in sequence.notes)


@pytest.mark.parametrize("converter", CONVERTERS, ids=IDS)
def test_of_a_band_the_drums_alone_count(converter):
    assert hits(converter, BAND) == hits(converter, midi(HEAD, DRUMS))
    assert len(hits(converter, BAND)) == 48


@pytest.mark.parametrize("converter", CONVERTERS, ids=IDS)
@pytest.mark.parametrize(
    "tracks",
    [
        [line((48, 52, 55, 50))],  # every pitch is in the drum map, and none a drum
        [line((36, 40, 43, 45), 0, program=33)],  # a bass
        [line((36, 38, 42, 46), 0, program=33)],  # a bass by its program
        [line((40, 42, 43, 45, 47))],  # a bass that names no program
        [BASS, PIANO],
        [track(*groove(channel=0)), PIANO],  # not alone
    ],
)
def test_other_instruments_are_refused(converter, tracks):
    extraction = extracted(converter, midi(HEAD, *tracks))
    assert not extraction.examples
    assert extraction.left_out == NO_DRUMS


@pytest.mark.parametrize("converter", CONVERTERS, ids=IDS)
def test_a_kit_alone_on_another_channel_is_taken_with_a_remark(converter):
    data = midi(HEAD, track(*groove(channel=0)))
    assert hits(converter, data) == hits(converter, midi(HEAD, DRUMS))
    assert extracted(converter, data).left_out == TAKEN


def test_a_name_makes_a_kit_of_what_is_in_the_drum_map():
    toms = line((48, 50, 43))
    assert extracted(GrooveConverter(), midi(HEAD, toms)).left_out == NO_DRUMS
    named = midi(HEAD, track(name("Drum rack"), *note(0, 48), *note(QUARTER, 50)))
    assert extracted(GrooveConverter(), named).left_out == TAKEN


@pytest.mark.parametrize("converter", CONVERTERS, ids=IDS)
def test_of_several_instruments_those_named_as_kits_are_taken(converter):
    kit = track(name("Drum Rack"), *groove(channel=3))
    piano = track(name("Drum Machine Piano"), *note(0, 100))  # no such drum
    data = midi(HEAD, BASS, PIANO, kit, piano)
    assert hits(converter, data) == hits(converter, midi(HEAD, DRUMS))
    assert extracted(converter, data).left_out == TAKEN


@pytest.mark.parametrize("kind", [GrooveConverter, DrumsConverter])
def test_a_user_says_which_notes_are_drums(kind):
    length = "slice_bars" if kind is DrumsConverter else "split_bars"
    converter = lambda drums: kind(**{length: 4}, drums=drums)
    kit = track(name("My Kit"), *groove(channel=3))
    data = midi(HEAD, BASS, kit)
    assert len(hits(converter("track:my kit"), data)) == 48
    assert len(hits(converter("all"), data)) > 48
    assert extracted(converter("channel10"), data).left_out == NO_DRUMS
    lonely = midi(HEAD, track(*groove(channel=0)))
    assert extracted(converter("channel10"), lonely).left_out == NO_DRUMS
    missing = extracted(converter("track:Kit 2"), data).left_out
    assert missing == {"no notes on a track named Kit 2": 1}


@pytest.mark.parametrize("drums", ["channel 10", "track:", "none"])
def test_an_unknown_choice_is_refused_with_those_there_are(drums):
    with pytest.raises(drum_parts.BadDrums, match="auto, channel10, all or track:NAME"):
        GrooveConverter(drums=drums)
    assert issubclass(BadGrooveOptions, UserFacingError)
    assert issubclass(drum_parts.BadDrums, UserFacingError)


def test_a_part_without_drums_of_a_piece_with_drums_stays_without():
    """Of pieces that are cut at tempo changes: here the kit's double plays before."""
    late = [(tick + 16 * QUARTER, data) for tick, data in groove()]
    head = track(tempo(0, 500_000), metre(0, 4, 2), tempo(16 * QUARTER, 400_000))
    double = track(*groove(channel=0))
    sequence = parse_midi(midi(head, double, track(*late)))
    found = single_examples(sequence, GrooveConverter(split_bars=4))
    assert len(found.sequences) == 1 and found.left_out == NO_DRUMS
