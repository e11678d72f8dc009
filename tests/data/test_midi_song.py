"""A MIDI file edited in place: what is not asked for stays as it was."""

import io
import time

import mido
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from song_files import (
    BAR,
    band,
    beat,
    events,
    is_note,
    metre,
    note,
    song,
    strokes,
    track,
    without_drums,
)

from music_vae_tf.data.midi import UnreadableMusic
from music_vae_tf.data.midi_editing import Edits, NewNote, Placing
from music_vae_tf.data.midi_song import MidiSong, save


def data(midi):
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


def test_without_edits_every_event_stays_where_it_is(tmp_path):
    midi = band()
    save(MidiSong.read(data(midi)).edited(Edits()), tmp_path / "same.mid")
    assert events(mido.MidiFile(tmp_path / "same.mid")) == events(midi)


def test_notes_are_paired_with_the_releases_that_end_them():
    midi = song(track(note(0, 60, 90, 0, 100) + note(50, 60, 80, 0, 200)))
    first, second = MidiSong(midi).notes
    assert (first.start, first.end) == (0, 100)
    assert (second.start, second.end) == (50, 250)


@given(st.lists(st.integers(-200, 200), min_size=12, max_size=12), st.integers(1, 127))
def test_moved_notes_keep_their_order_their_number_and_all_other_events(
    moves, velocity
):
    midi = band(bars=1)
    read = MidiSong(midi)
    placed = {
        number: Placing(note.start + move, velocity)
        for move, (number, note) in zip(
            moves, [(i, n) for i, n in enumerate(read.notes) if n.channel == 9]
        )
    }
    after = read.edited(Edits(placed=placed))
    assert without_drums(after) == without_drums(midi)
    pitches = lambda one: sorted(pitch for _, pitch, _ in strokes(one))
    assert pitches(after) == pitches(midi)
    for one in MidiSong(after).notes:
        assert one.end > one.start >= 0
    by_pitch = [(n.pitch, n.start) for n in MidiSong(after).notes if n.channel == 9]
    for (pitch, start), (following, next_start) in zip(by_pitch, by_pitch[1:]):
        assert pitch != following or next_start > start


@pytest.mark.parametrize(("number", "move"), [(0, 80), (1, -80)])
def test_a_note_does_not_pass_a_change_of_its_kit(number, move):
    change = (BAR, mido.Message("program_change", channel=9, program=24))
    midi = song(track([*note(BAR - 40, 38), change, *note(BAR + 40, 38)]))
    read = MidiSong(midi)
    placed = {number: Placing(read.notes[number].start + move, 90)}
    after = MidiSong(read.edited(Edits(placed=placed)))
    assert [one.program for one in after.notes] == [0, 24]
    assert after.notes[number].start == BAR


def pedal(value):
    return mido.Message("control_change", channel=9, control=4, value=value)


CHOKE = mido.Message("polytouch", channel=9, note=49, value=127)


@pytest.mark.parametrize(
    ("pitch", "event", "stops"),
    [
        (42, pedal(90), True),
        (46, pedal(90), True),
        (38, pedal(90), False),  # no hi-hat
        (46, pedal(20), False),  # where it was already
        (49, CHOKE, True),
        (57, CHOKE, False),  # of another cymbal
        (42, pedal(90).copy(channel=8), False),
    ],
)
@pytest.mark.parametrize(("number", "move"), [(0, 80), (1, -80)])
def test_a_note_does_not_pass_what_makes_it_sound_otherwise(
    pitch, event, stops, number, move
):
    notes = [*note(BAR - 40, pitch, length=20), *note(BAR + 40, pitch)]
    midi = song(track([(0, pedal(20)), *notes, (BAR, event)]))
    read = MidiSong(midi)
    start = read.notes[number].start + move
    after = read.edited(Edits(placed={number: Placing(start, 90)}))
    assert MidiSong(after).notes[0 if stops else number].pitch == pitch
    starts = {one.start for one in MidiSong(after).notes}
    order = [m.type for _, m in events(after)[0] if m.type != "note_off"]
    if stops:
        assert starts == {BAR, read.notes[1 - number].start}
        assert order[1:4] == ["note_on", event.type, "note_on"]
    else:
        assert order[1:4] != ["note_on", event.type, "note_on"]


def test_the_hi_hats_of_a_kit_are_those_that_edits_name():
    midi = song(track([*note(BAR - 40, 60), (BAR, pedal(90)), *note(2 * BAR, 38)]))
    for hats, tick in ((frozenset([60]), BAR), (frozenset(), BAR + 40)):
        edits = Edits(placed={0: Placing(BAR + 40, 90)}, hi_hats=hats)
        assert MidiSong(MidiSong(midi).edited(edits)).notes[0].start == tick


def test_a_track_that_ends_with_its_last_note_does_not_grow():
    midi = song(track(note(0, 36) + note(1800, 36, length=120), end=BAR))
    for tick in (1850, BAR + 30):
        after = MidiSong(midi).edited(Edits(placed={1: Placing(tick, 90)}))
        *_, on, off, end = events(after)[0]
        assert on[0] == min(tick, BAR - 1) and off[0] == end[0] == BAR


def test_added_and_removed_notes():
    midi = band(bars=1)
    read = MidiSong(midi)
    hats = {i for i, n in enumerate(read.notes) if (n.channel, n.pitch) == (9, 42)}
    added = NewNote(track=3, channel=9, pitch=36, velocity=50, start=420, end=900)
    after = read.edited(Edits(removed=hats, added=[added]))
    assert without_drums(after) == without_drums(midi)
    expected = [s for s in strokes(midi) if s[1] != 42] + [(420, 36, 50)]
    assert strokes(after) == sorted(expected)
    # A kick follows at 720: the one before it ends there.
    (end,) = [one.end for one in MidiSong(after).notes if one.start == 420]
    assert end == 720


def test_a_coarse_file_becomes_finer_with_the_same_beats():
    midi = song(track(note(24, 36, length=6)), quarter=24)
    read = MidiSong(midi)
    assert read.is_finer and read.ticks_per_quarter == 96
    (one,) = MidiSong(read.edited(Edits())).notes
    assert (one.start, one.end) == (96, 120)


def test_metres_of_all_tracks_count():
    midi = song(track([metre(BAR, 3)]), track([metre(0, 7, 8), metre(BAR, 5)]))
    assert MidiSong(midi).metres == [(0, (7, 8)), (BAR, (5, 4))]


def chunk(name, content):
    return name + len(content).to_bytes(4, "big") + content


def test_a_chunk_of_a_daws_own_is_passed_over():
    whole = data(band(bars=1))
    with_chunk = whole[:14] + chunk(b"XFIH", b"12345") + whole[14:]
    assert MidiSong.read(with_chunk).notes == MidiSong.read(whole).notes


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a MIDI file: it is empty"),
        (b"GIF89a", "not a MIDI file"),
        (b"MThd\0\0\0\6\0\1\0\0\1\xe0", "no track in it"),
        (data(song(track(beat(1)), kind=2)), "type 2"),
        (data(song(track(beat(1)))).replace(b"\0\1\0\1", b"\0\7\0\1", 1), "type 7"),
        (data(band(bars=1)).replace(b"\x01\xe0", b"\xe7\x28", 1), "SMPTE frames"),
    ],
)
def test_what_cannot_be_edited_is_refused_with_the_reason(content, words, tmp_path):
    path = tmp_path / "one.mid"
    path.write_bytes(content)
    with pytest.raises(UnreadableMusic, match=f"one.mid: .*{words}"):
        MidiSong.read(path)


def test_a_file_of_type_0_with_several_tracks_is_written_as_type_1():
    """As DAWs read it; mido refuses to write what it reads here."""
    whole = data(song(track(beat(1)), track(beat(1))))
    song_ = MidiSong.read(whole.replace(b"\0\1\0\2", b"\0\0\0\2", 1))
    edited = song_.edited(Edits())
    assert edited.type == 1 and len(edited.tracks) == 2
    assert MidiSong.read(data(edited)).notes == song_.notes


def test_only_notes_are_notes():
    midi = band(bars=1)
    count = sum(is_note(m) and m.type == "note_on" for t in events(midi) for _, m in t)
    assert len(MidiSong(midi).notes) == count


# Files that mido alters or refuses.

HEAD = b"MThd\0\0\0\6\0\1\0\1\1\xe0"
END = b"\0\xff\x2f\0"
HIT = b"\0\x99\x24\x5a\x60\x24\0"  # a kick, released in running status
KICK = (9, 36, 90, 0, 96)


def chunks(*tracks, head=HEAD):
    return head + b"".join(chunk(b"MTrk", content) for content in tracks)


def kicks(song_):
    return [(n.channel, n.pitch, n.velocity, n.start, n.end) for n in song_.notes]


def again(content):
    """The song of a file, and of what is written of it without an edit."""
    read = MidiSong.read(content)
    written = data(read.edited(Edits()))
    return read, MidiSong.read(written), written


@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_all_tracks_are_read_whatever_the_header_counts(count):
    head = HEAD.replace(b"\0\1\1\xe0", bytes([0, count]) + b"\1\xe0")
    read, written, _ = again(chunks(*[HIT + END] * 3, head=head))
    assert kicks(read) == kicks(written) == [KICK] * 3


@pytest.mark.parametrize(
    "event",
    [
        b"\0\xf0\3\x7e\x7f\xf7",  # whole
        b"\0\xf0\2\x7e\x7f",  # the first packet of several
        b"\0\xf7\2\x01\xf7",  # the last one
        b"\0\xf7\3\xf3\x90\xff",  # an escape: any bytes
        b"\0\xff\x59\2\x08\0",  # a key of eight sharps
        b"\0\xff\x59\2\0\2",  # neither major nor minor
        b"\0\xff\x58\2\4\2",  # half a time signature
        b"\0\xff\x51\3\0\0\0",  # no tempo
        b"\0\xff\x4b\2\1\2",  # a kind that no one knows
        b"\0\xff\x01\x80\5hello",  # its length in more bytes than needed
        b"\0\xff\1\x81\0" + b"t" * 128,
        b"\0\xf8",  # a clock, which is for cables
        b"\0\xf2\1\2",
        b"\0\xb9\x85\1",  # no such controller
    ],
    ids=lambda event: event[1:5].hex(),
)
def test_events_that_mido_alters_or_refuses_stay_and_spoil_no_other(event):
    # Two notes in running status around it; the event itself comes late.
    late = b"\x10" + event[1:]
    hits = b"\0\x99\x24\x5a\x60\x24\0"
    read, written, content = again(
        chunks(hits + late + hits[2:].join([b"\x20\x99", END]))
    )
    assert kicks(read) == kicks(written) == [KICK, (9, 36, 90, 144, 240)]
    assert late in content or b"hello" in content


def test_running_status_goes_on_after_a_system_exclusive_message():
    sysex = b"\0\xf0\3\x7e\x7f\xf7"
    hits = b"\0\x99\x24\x5a" + sysex + b"\x60\x24\0"
    read, written, _ = again(chunks(hits + END))
    assert kicks(read) == kicks(written) == [KICK]


def test_a_track_that_is_cut_off_keeps_what_it_has():
    whole = data(band(bars=2))
    read, written, _ = again(whole[:-100])
    notes = MidiSong.read(whole).notes
    assert 20 < len(read.notes) < len(notes)
    assert [note[:6] for note in read.notes] == [
        note[:6] for note in notes[: len(read.notes)]
    ]
    assert kicks(written)[:20] == kicks(read)[:20]
    assert read.mended == {"tracks that are cut off": 1}


@pytest.mark.parametrize("byte", [b"\x80", b"\xff"])
def test_an_endless_number_costs_no_time(byte):
    began = time.monotonic()
    read, written, _ = again(chunks(byte * 200_000 + HIT + END, HIT + END))
    assert kicks(read)[-1:] == kicks(written)[-1:] == [KICK]
    assert read.mended and time.monotonic() - began < 5


def test_hours_of_fine_ticks_and_a_far_end_are_accepted():
    midi = song(track(note(7200 * 15360, 36), end=2**33), quarter=15360)
    assert MidiSong.read(data(midi)).end == 7200 * 15360 + 60
    with pytest.raises(UnreadableMusic, match="over 250,000 quarter notes"):
        MidiSong.read(data(song(track(note(250_001, 36)), quarter=1)))


@example([b"\x8f\x86\xf1\x80\0\0\xf0\xf9", b"\x8f\x80\0\x80\0\0"])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=8),
            st.sampled_from([HIT, b"\0\xf0\2\1\xf7", b"\0\xff\1\2hi", b"\0\xf8", END]),
        ),
        max_size=12,
    )
)
def test_whatever_is_in_a_track_can_be_written_and_read_again(parts):
    try:
        read, written, content = again(chunks(b"".join(parts), HIT + END))
    except UnreadableMusic as error:
        assert "absurd length" in str(error)
        return
    assert kicks(read)[-1:] == [KICK]
    assert written.notes == read.notes or b"\xff\x2f" in b"".join(parts)
    assert data(written.edited(Edits())) == content


def test_a_gap_that_the_standard_cannot_write_is_written_as_its_longest():
    """The reader takes numbers of five bytes, and adds two of them."""
    far = b"\x8f\x86\xf1\x80\0\xf9"  # an undefined event that is left out
    read, written, content = again(chunks(far * 2 + END, HIT + END))
    assert kicks(read) == kicks(written) == [KICK]
    assert b"\xff\xff\xff\x7f\xff\x2f\0" in content
    assert data(written.edited(Edits())) == content


def test_names_are_read_in_either_encoding_and_their_bytes_stay():
    names = [
        *(name.encode().decode("latin-1") for name in ("Drums Schlägel", "鼓")),
        *("Flöte", ""),
    ]
    midi = song(*[track(beat(1), name) for name in names])
    read = MidiSong.read(data(midi))
    assert read.names == ["Drums Schlägel", "鼓", "Flöte", ""]
    assert data(read.edited(Edits())) == data(midi)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("ドラム", "cp932"),
        ("太鼓", "cp932"),
        ("Drummer\u2019s Kit", "cp1252"),
        ("\u201cKit\u201d", "cp1252"),
        ("Größe äöüä", "latin-1"),
    ],
)
def test_names_of_windows_are_read_and_their_bytes_stay(name, encoding):
    stored = name.encode(encoding).decode("latin-1")
    midi = song(track(beat(1), stored))
    read = MidiSong.read(data(midi))
    assert read.names == [name]
    assert data(read.edited(Edits())) == data(midi)


def test_a_folder_is_not_a_midi_file(tmp_path):
    with pytest.raises(UnreadableMusic, match="a folder; a MIDI file is expected"):
        MidiSong.read(tmp_path)
