"""Only drums are drums: on channel 10, or by their looks, or as a user says."""

import contextlib

import pytest
from midi_bytes import HEAD, groove, metre, midi, name, note, tempo, track

from music_vae_tf.data.converters import drum_parts
from music_vae_tf.data.converters.drums import DrumsConverter
from music_vae_tf.data.converters.groove import BadGrooveOptions, GrooveConverter
from music_vae_tf.data.converters.tokens import TokensConverter
from music_vae_tf.data.midi import parse_as_daw, parse_midi, read_midi
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


# What a trained model takes of a user's file.

TOO = {drum_parts.TAKEN_TOO: 1}
TAP = GrooveConverter(split_bars=4, tapify=True)


def inferred(converter, *tracks):
    """How many notes are drums where a trained model reads."""
    sequence = parse_as_daw(midi(HEAD, *tracks))
    converter = converter.for_inference()
    own = CONVERTERS[1].pitch_classes  # of a converter of tokens: each pitch for itself
    classes = getattr(converter, "pitch_classes", own)
    notes = drum_parts.read(sequence).notes
    try:
        chosen = drum_parts.choose(sequence, notes, converter.drums, classes)
    except drum_parts.NotConvertible:
        assert not converter.extract(sequence).examples
        return 0
    left_out = converter.extract(sequence).left_out
    assert chosen.remarks.items() <= left_out.items()
    return int(chosen.mask.sum())


def part(title, pitches=None, channel=0, program=None, extra=()):
    """A named track: a groove, or a run of notes through pitches."""
    if pitches is None:
        events = groove(channel=channel)
    else:
        events = [
            event
            for number in range(16)
            for event in note(
                number * QUARTER, pitches[number % len(pitches)], 240, channel
            )
        ]
    head = [] if program is None else [(0, bytes([0xC0 | channel, program]))]
    title = [name(title)] if title else []
    more = [e for place, p in enumerate(extra) for e in note(place, p, 9, channel)]
    return track(*title, *head, *events, *more)


@pytest.mark.parametrize("converter", CONVERTERS, ids=IDS)
@pytest.mark.parametrize(
    ("tracks", "count"),
    [
        ([part("Drums", extra=[24])], 49),
        ([part("Drums", program=16)], 48),
        ([part("Drums", program=33)], 48),
        *[
            ([part(title)], 48)
            for title in ("Schlagzeug", "Bateria", "Batteria", "SD3", "drm_1")
            + (
                "Addictive Drums 2",
                "Superior",
                "EZdrummer",
                "BEAT",
                "Ударные",
                "TROMMEL",
            )
        ],
        ([part("Kick", [36]), part("Snare", [38], 1), part("Hi-Hat", [42, 46], 2)], 48),
        ([part("01_Kick", [36]), part("Hat_2", [42], 2)], 32),
        ([part("Drums"), part("Shaker", [82], channel=9)], 64),
        ([part("Snare", [38]), part("", [42, 51], channel=9)], 32),
    ],
)
def test_a_trained_model_finds_kits_beside_a_bass_where_daws_leave_them(
    converter, tracks, count
):
    assert inferred(converter, BASS, *tracks) == count


@pytest.mark.parametrize("converter", [*CONVERTERS, TAP], ids=[*IDS, "taps"])
@pytest.mark.parametrize(
    "title",
    ["Groove Piano", "Percussive Organ", "Kick Bass", "Drum Synth Lead", "Beat Guitar"]
    + ["Steel Drums", "Toms Piano", "Snare Strings", "Bass", "Keys", "", "Ride"],
)
@pytest.mark.parametrize("is_alone", [True, False])
def test_a_trained_model_takes_no_melodic_track(converter, title, is_alone):
    melody = part(title, [36, 43, 48, 52, 55, 50, 38])
    assert inferred(converter, melody, *([] if is_alone else [PIANO])) == 0
    if not is_alone:
        assert inferred(converter, melody, DRUMS) == 48


@pytest.mark.parametrize("converter", CONVERTERS, ids=IDS)
def test_no_case_that_training_refuses_as_melodic_is_taken_by_a_model(converter):
    for tracks in (
        [line((48, 52, 55, 50))],
        [line((36, 40, 43, 45), 0, program=33)],
        [line((36, 38, 42, 46), 0, program=33)],
        [line((40, 42, 43, 45, 47))],
        [line((36, 43, 36, 38))],
        [line((36, 38, 40))],
        [BASS, PIANO],
        [track(*groove(channel=0)), PIANO],
    ):
        assert inferred(converter, *tracks) == 0


@pytest.mark.parametrize("converter", CONVERTERS, ids=IDS)
def test_kick_and_snare_alone_need_no_cymbal(converter):
    """They are what closed hi-hats are added to."""
    assert inferred(converter, part("", [36, 38])) == 16
    assert inferred(converter, part("Audio 1", [36, 40, 37])) == 16
    assert inferred(converter, part("Bass", [36, 38])) == 0
    assert inferred(converter, part("", [36, 38], program=33)) == 0


def test_taps_are_one_instrument_alone_on_few_keys():
    tapped = [part("", [60])], [part("Piano", [60])], [part("", [60, 62])]
    assert [inferred(TAP, *tracks) for tracks in tapped] == [16, 16, 16]
    assert [inferred(CONVERTERS[0], *tracks) for tracks in tapped] == [0, 0, 0]
    assert inferred(TAP, part("", [60]), PIANO) == 0
    assert inferred(TAP, part("Piano", [60, 62, 64])) == 0


def test_training_reads_no_more_than_before():
    for tracks in (
        [part("Drums", extra=[24]), BASS],
        [part("Schlagzeug"), BASS],
        [part("Kick", [36]), part("Snare", [38], 1)],
        [part("", [36, 38])],
        [part("Groove Piano", [36, 38, 50]), BASS],
    ):
        assert extracted(CONVERTERS[1], midi(HEAD, *tracks)).left_out == NO_DRUMS
    both = midi(HEAD, part("Drums"), part("Shaker", [82], channel=9))
    assert len(hits(CONVERTERS[1], both)) == 16
    assert CONVERTERS[1].for_inference().extract(parse_midi(both)).left_out == TOO


def test_parts_of_a_piece_have_the_drums_of_the_whole():
    """A part in which the kick rests, or the kit, asks the others."""
    late = [(tick + 16 * QUARTER, data) for tick, data in groove(channel=2)]
    kit, double = track(name("Drums"), *late), track(*groove(channel=0))
    sequence = parse_as_daw(midi(HEAD, double, kit))
    whole = drum_parts.decided(CONVERTERS[0].for_inference(), sequence)
    assert whole.drums == "instruments:1"
    first = parse_as_daw(midi(HEAD, double))
    assert whole.extract(first).left_out == NO_DRUMS
    assert whole.extract(sequence).examples
    # A kit by its notes that is alone in this part, and not in the whole.
    alone = CONVERTERS[0].for_inference()
    assert alone.extract(first).left_out != NO_DRUMS
    bass = parse_as_daw(midi(HEAD, double, BASS))
    assert drum_parts.decided(alone, bass).extract(first).left_out == NO_DRUMS
    by_number = GrooveConverter(split_bars=4, drums="track:2")
    assert drum_parts.decided(by_number, sequence).drums == "instruments:1"


def test_tracks_are_chosen_by_several_names_and_by_numbers():
    tracks = BASS, part("Kick", [36]), part("A, B", [38], 2), part("2", [42], 3)
    sequence = parse_as_daw(midi(HEAD, *tracks))
    notes = drum_parts.read(sequence).notes
    classes = CONVERTERS[1].pitch_classes

    def pitches(choice):
        drum_parts.check(choice)
        mask = drum_parts.choose(sequence, notes, choice, classes).mask
        return sorted(set(notes["pitch"][mask].tolist()))

    assert pitches("track:kick, 3") == [36, 38]
    assert pitches("track:A, B") == [38]
    assert pitches("track:2") == [42]  # a name comes before a number
    assert pitches("track:4,Kick,") == [36, 42]
    for choice, missing in {"Kick,Snare": "Snare", "5,0": "5, 0"}.items():
        with pytest.raises(drum_parts.NotConvertible, match=f"track named {missing}$"):
            pitches(f"track:{choice}")
    with pytest.raises(drum_parts.BadDrums):
        drum_parts.check("track: ,")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_name_is_matched_in_either_encoding(encoding):
    text = "Drums Schlägel".encode(encoding)
    title = 0, b"\xff\x03" + bytes([len(text)]) + text
    sequence = parse_as_daw(midi(HEAD, track(title, *groove(channel=1)), PIANO))
    notes = drum_parts.read(sequence).notes
    for choice in ("track:drums schlägel", "track:Drums Schla\u0308gel"):
        chosen = drum_parts.choose(sequence, notes, choice, ())
        assert chosen.mask.sum() == 48


@pytest.mark.parametrize("takes_taps", [False, True], ids=["groove", "taps"])
def test_real_drummers_are_found_without_a_channel_and_real_pianists_are_not(
    shared, takes_taps
):
    classes = CONVERTERS[1].pitch_classes
    choice = drum_parts.for_inference(drum_parts.AUTO, takes_taps)
    beats = sorted(shared.glob("data/groove/**/*_beat_4-4.mid"))[::20]
    pieces = sorted(shared.glob("data/classical/*/*.mid"))[::8]
    assert len(beats) > 20 and len(pieces) > 8
    taken = 0
    for path in beats:
        sequence = read_midi(path)
        del sequence.instrument_infos[:]
        for played in sequence.notes:
            played.is_drum, played.program = False, 0
        notes = drum_parts.read(sequence).notes
        with contextlib.suppress(drum_parts.NotConvertible):
            mask, remarks = drum_parts.choose(sequence, notes, choice, classes)
            assert mask.all() and remarks == TAKEN, path
            taken += 1
    assert taken > 0.8 * len(beats)  # others are of toms alone, as basses are
    for path in pieces:
        sequence = read_midi(path)
        notes = drum_parts.read(sequence).notes
        with pytest.raises(drum_parts.NotConvertible):
            drum_parts.choose(sequence, notes, choice, classes)
