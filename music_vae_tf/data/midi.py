"""Music files -> NoteSequences: MIDI, MusicXML and ABC, as Magenta reads them.

MIDI that is written as the standard says is read by `midi_events` and `midi_notes`, all
other by the libraries that Magenta uses. These, and the parsers of MusicXML and ABC,
are imported where a file asks for them: they take longer than most files do.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

from note_seq.protobuf import music_pb2

from music_vae_tf.data import midi_events, midi_notes
from music_vae_tf.data.folder import kind_of

# pretty_midi keeps the time of every tick, and needs up to 32 bytes for each. This is
# 3 hours at 9600 ticks a second; a broken file easily claims 2**31 ticks.
MAX_TICKS = 10**8
MISPLACED = "tempo, metre or key outside the first track, where it is not read"


class UnreadableMusic(ValueError):
    """A file that gives no NoteSequence; says why in few words, then in detail."""

    for_the_user = True


class Reading(NamedTuple):
    """What a music file gave, and what of it could not be read."""

    sequences: dict[str, music_pb2.NoteSequence]  # by number of the tune; '' if alone
    problems: list[str]  # a reason each, and after a colon the details


def read_midi(path) -> music_pb2.NoteSequence:
    """The NoteSequence of a MIDI file, as `note_seq.midi_file_to_note_sequence`.

    Raises:
        UnreadableMusic: it is no MIDI file, or a broken one.
        OSError: it cannot be opened.
    """
    try:
        return _read(path, "midi").sequences[""]
    except UnreadableMusic as error:
        raise UnreadableMusic(f"{path}: {error}") from error


def parse_midi(data: bytes) -> music_pb2.NoteSequence:
    """The NoteSequence of a MIDI file's bytes, as `note_seq.midi_to_note_sequence`.

    Raises:
        UnreadableMusic: they are none of a MIDI file, or of a broken one.
    """
    return _parse_midi(data).sequences[""]


def convert(root: str, name: str) -> tuple[list[bytes], list[str]]:
    """The file `name` below the folder `root`: serialized NoteSequences, with the ids
    and names that Magenta gives them, and the problems there were (see `Reading`).

    Never raises: a file that cannot be read gives no NoteSequence, and a problem.
    """
    try:
        sequences, problems = _read(os.path.join(root, name), kind_of(name))
        for tune, sequence in sequences.items():
            _identify(sequence, root, name, tune)
        records = [sequence.SerializeToString() for sequence in sequences.values()]
        return records, problems
    except UnreadableMusic as error:
        return [], [str(error)]
    except OSError as error:
        return [], [f"cannot be opened: {error.strerror}"]
    except UnicodeEncodeError:
        return [], ["its name is not valid Unicode: rename it"]


def _read(path, kind):
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would block
        raise UnreadableMusic("no ordinary file")
    data = Path(path).read_bytes()
    if not data:
        raise UnreadableMusic("empty file")
    parse = {"midi": _parse_midi, "musicxml": _parse_musicxml, "abc": _parse_abc}
    return parse[kind](data)


def _identify(sequence, root, name, tune):
    # As in Magenta: '' for a root given with a slash at its end.
    sequence.collection_name = os.path.basename(root)
    sequence.filename = name
    unique_name = f"{name}_{tune}" if tune else name
    digest = hashlib.sha1(unique_name.encode()).hexdigest()
    sequence.id = f"/id/{kind_of(name)}/{sequence.collection_name}/{digest}"


def _parse_midi(data):
    if not data.startswith(b"MThd"):
        raise UnreadableMusic(f"no MIDI file: it starts with {data[:4]!r}")
    try:
        ticks_per_quarter, tracks = midi_events.read_events(data)
    except midi_events.Unusual:
        return _parse_unusual_midi(data)
    _check_length(max(track.length for track in tracks))
    sequence = midi_notes.to_note_sequence(ticks_per_quarter, tracks)
    misplaced = any(track.signatures for track in tracks[1:])
    return Reading({"": sequence}, [MISPLACED] if misplaced else [])


def _parse_unusual_midi(data):
    import mido
    import pretty_midi
    from note_seq import midi_io

    with warnings.catch_warnings(record=True) as spoken:
        warnings.simplefilter("always")
        try:
            midi = mido.MidiFile(file=io.BytesIO(data))
            _check_time(midi)
            sequence = midi_io.midi_to_note_sequence(
                pretty_midi.PrettyMIDI(mido_object=midi)
            )
        except UnreadableMusic:
            raise
        except EOFError as error:
            raise UnreadableMusic("cut off: the file ends inside a track") from error
        except Exception as error:  # both libraries raise nearly anything
            raise UnreadableMusic(f"broken MIDI file: {_in_words(error)}") from error
    misplaced = any("non-zero tracks" in str(warning.message) for warning in spoken)
    return Reading({"": sequence}, [MISPLACED] if misplaced else [])


def _check_time(midi):
    if midi.ticks_per_beat < 0:
        # Magenta gives such files negative times, of which nothing can be made.
        raise UnreadableMusic("time in SMPTE frames: save it with ticks per quarter")
    _check_length(max(sum(message.time for message in track) for track in midi.tracks))


def _check_length(ticks):
    if ticks > MAX_TICKS:
        raise UnreadableMusic(f"absurd length: {ticks} ticks, {MAX_TICKS} at most")


def _parse_musicxml(data):
    from note_seq import musicxml_reader

    # The parser wants a file, and goes by its name.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "score.mxl" if data.startswith(b"PK") else "score.xml")
        path.write_bytes(data)
        try:
            sequence = musicxml_reader.musicxml_file_to_sequence_proto(str(path))
        except Exception as error:  # malformed scores raise nearly anything
            raise UnreadableMusic(f"no valid MusicXML: {_in_words(error)}") from error
    return Reading({"": sequence}, [])


def _parse_abc(data):
    from note_seq import abc_parser

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # as before ABC 2.1
    try:
        tunes, errors = abc_parser.parse_abc_tunebook(text)
    except Exception as error:  # malformed tunes raise nearly anything
        raise UnreadableMusic(f"no valid ABC: {_in_words(error)}") from error
    problems = [f"tune that is no valid ABC: {_in_words(error)}" for error in errors]
    if not tunes:
        raise UnreadableMusic(problems[0] if problems else "no tune in it")
    return Reading({str(number): tune for number, tune in tunes.items()}, problems)


def _in_words(error):
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
