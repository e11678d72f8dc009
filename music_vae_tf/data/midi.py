"""Music files -> NoteSequences: MIDI, MusicXML and ABC.

MIDI has two readers. `magenta` gives the NoteSequences of Magenta. It reads files that
follow the standard by `midi_events` and `midi_notes`, and others by the libraries that
Magenta uses. What these refuse is read as by `daw`, which `midi_daw` describes.
MusicXML and ABC are read by `scores`.

These libraries, and `scores`, are imported where a file asks for them: they take longer
than most files do.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import re
import warnings
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from note_seq.protobuf import music_pb2

from music_vae_tf.data import midi_daw, midi_events, midi_lenient, midi_notes
from music_vae_tf.data.folder import kind_of
from music_vae_tf.data.limits import MAX_HOURS
from music_vae_tf.errors import UserFacingError

if TYPE_CHECKING:
    from music_vae_tf.data.scores.files import ScoreOptions

# A broken file easily claims 2**31 ticks. What is longer than both is refused: a
# day at 173 BPM, and what a file of few ticks per quarter may have.
MAX_QUARTERS = 250_000
MAX_TICKS = 10**8
# pretty_midi keeps the time of every tick, and needs up to 32 bytes for each.
MAX_TICKS_OF_LIBRARIES = 10**7
MAX_BYTES = 2**28  # of a file; the largest of collections have some 10 MB
MAGENTA, DAW = MIDI_READERS = "magenta", "daw"
ENDLESS_NUMBER = re.compile(rb"[\x80-\xff]{4096}")  # which mido takes minutes to read
REFUSED = "files that Magenta's reader refuses"


class UnreadableMusic(UserFacingError, ValueError):
    """A file that gives no NoteSequence; has a short reason, and the details."""


class Reading(NamedTuple):
    """What a music file gave, and what of it could not be read."""

    sequences: dict[str, music_pb2.NoteSequence]  # by number of the tune; '' if alone
    problems: list[str]  # a reason each, and after a colon the details
    lost: Counter[str] = Counter()  # what Magenta's reader drops, and a DAW plays
    mended: Counter[str] = Counter()  # what no reader can make sense of


class Conversion(NamedTuple):
    """The records of a music file; otherwise as a `Reading`."""

    records: list[bytes]  # serialized NoteSequences
    problems: list[str]
    lost: Counter[str] = Counter()
    mended: Counter[str] = Counter()


def read_midi(path, reader: str = DAW) -> music_pb2.NoteSequence:
    """The NoteSequence of a MIDI file, as a DAW plays it, or with the reader 'magenta'
    as `note_seq.midi_file_to_note_sequence`.

    A file whose name ends as MusicXML or ABC does is read as that, as it sounds.

    Raises:
        UnreadableMusic: it cannot be read, or holds several tunes.
        OSError: it cannot be opened.
    """
    try:
        sequences = _read(path, kind_of(os.fspath(path)) or "midi", reader).sequences
        if len(sequences) > 1:
            raise UnreadableMusic(
                f"a book of {len(sequences)} tunes; a file with one of them is expected"
            )
    except UnreadableMusic as error:
        raise UnreadableMusic(f"{path}: {error}") from error
    (sequence,) = sequences.values()
    return sequence


def read_music_file(path, reader: str = DAW) -> Reading:
    """All tunes of a music file, and what of it could not be read.

    Raises:
        UnreadableMusic: it cannot be read.
        OSError: it cannot be opened.
    """
    return _read(path, kind_of(os.fspath(path)) or "midi", reader)


def parse_midi(data: bytes) -> music_pb2.NoteSequence:
    """The NoteSequence of a MIDI file's bytes, as `note_seq.midi_to_note_sequence`.

    Raises:
        UnreadableMusic: they are none of a MIDI file, or of a broken one.
    """
    return _parse_midi(data, MAGENTA).sequences[""]


def parse_as_daw(data: bytes) -> music_pb2.NoteSequence:
    """The NoteSequence of a MIDI file's bytes, as a DAW plays it.

    Raises:
        UnreadableMusic: they are none of a MIDI file.
    """
    return _parse_midi(data, DAW).sequences[""]


def convert(
    root: str,
    name: str,
    reader: str = MAGENTA,
    scores: ScoreOptions | None = None,
) -> Conversion:
    """The file `name` below the folder `root`, with the ids and names that Magenta
    gives to its NoteSequences; without those that have no note.

    Args:
        reader: of MIDI, 'magenta' or 'daw'.
        scores: how MusicXML and ABC are read; by default as they sound.

    Never raises: a file that cannot be read gives no record, and a problem.
    """
    try:
        reading = _read(os.path.join(root, name), kind_of(name), reader, scores)
        for tune, sequence in reading.sequences.items():
            _identify(sequence, root, name, tune)
        with _failing_in_words():
            return _serialized(reading)
    except UnreadableMusic as error:
        return Conversion([], [str(error)])
    except OSError as error:
        return Conversion([], [f"cannot be opened: {error.strerror}"])
    except UnicodeEncodeError:
        return Conversion([], ["its name is not valid Unicode: rename it"])


@contextlib.contextmanager
def _failing_in_words():
    """Whatever reading a piece raises says that it cannot be read."""
    try:
        yield
    except (UnreadableMusic, OSError, ImportError):
        raise
    except UserFacingError as error:
        raise UnreadableMusic(str(error)) from error
    except MemoryError as error:
        raise UnreadableMusic(
            "beyond a limit: more memory than is free, or than a file may take "
            "(--max_mb_per_file allows more)"
        ) from error
    except Exception as error:
        raise UnreadableMusic(
            f"cannot be read: {type(error).__name__}: {error}"
        ) from error


def _serialized(reading):
    """A piece without a note is a problem, where Magenta keeps an empty sequence."""
    sequences, problems, lost, mended = reading
    records = [s.SerializeToString() for s in sequences.values() if s.notes]
    if len(records) < len(sequences):
        problems = [*problems, _no_notes(lost)]
    return Conversion(records, problems, lost, mended)


def _no_notes(lost):
    dropped = " and ".join(f"{count} {what}" for what, count in lost.items())
    if not dropped:
        return "no notes"
    return f"no notes: Magenta's reader drops {dropped}; --midi_reader=daw plays them"


def _read(path, kind, reader, scores=None):
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would block
        raise UnreadableMusic("no ordinary file")
    data = _bytes_of(path)
    if not data:
        raise UnreadableMusic("empty file")
    if kind == "midi":
        return _parse_midi(data, reader)
    return _parse_score(data, kind, scores)


def _bytes_of(path):
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise UnreadableMusic(
                f"absurd size: {size:,} bytes, where {MAX_BYTES:,} are the limit"
            )
        return file.read(MAX_BYTES)


def _parse_score(data, kind, options):
    from music_vae_tf.data.scores import files

    with _failing_in_words(), _silent_libraries():
        return Reading(*files.read_score(data, kind, options or files.ScoreOptions()))


@contextlib.contextmanager
def _silent_libraries():
    """What libraries log does not name the file; what is wrong with it, they raise."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _identify(sequence, root, name, tune):
    # As in Magenta: '' for a root given with a slash at its end.
    sequence.collection_name = os.path.basename(root)
    sequence.filename = name
    unique_name = f"{name}_{tune}" if tune else name
    digest = hashlib.sha1(unique_name.encode()).hexdigest()
    sequence.id = f"/id/{kind_of(name)}/{sequence.collection_name}/{digest}"


@_failing_in_words()
def _parse_midi(data, reader):
    data = midi_lenient.unwrapped(data)
    reading = _as_a_daw(data) if reader == DAW else _as_magenta(data)
    hours = reading.sequences[""].total_time / 3600
    if hours > MAX_HOURS:
        raise UnreadableMusic(f"absurd length: {hours:,.0f} hours, {MAX_HOURS} at most")
    return reading


def _as_magenta(data):
    try:
        ticks_per_quarter, tracks = midi_events.read_events(data)
    except midi_events.Unusual:
        return _parse_unusual_midi(data)
    _check_length(ticks_per_quarter, tracks)
    music = midi_notes.read(ticks_per_quarter, tracks)
    if music.has_all_notes:
        lost = midi_daw.misplaced_signatures(tracks)
    else:
        lost = midi_daw.lost_by_magenta(ticks_per_quarter, tracks)
    return Reading({"": music.sequence}, [], lost)


def _as_a_daw(data):
    file = _file_of(data)
    return Reading({"": midi_daw.to_note_sequence(file)}, [], mended=file.mended)


def _file_of(data):
    try:
        file = midi_daw.read_file(data)
    except midi_lenient.NotMidi as error:
        raise UnreadableMusic(str(error)) from error
    _check_length(file.quarter, file.tracks)
    return file


def _parse_unusual_midi(data):
    """With Magenta's libraries; what they refuse, as a DAW does."""
    file = _file_of(data)
    try:
        sequence = _read_by_libraries(data)
    except _Refused:
        mended = file.mended or Counter([REFUSED])
        return Reading({"": midi_daw.to_note_sequence(file)}, [], mended=mended)
    lost = midi_daw.lost_by_magenta(file.ticks_per_quarter, file.tracks)
    return Reading({"": sequence}, [], lost)


class _Refused(Exception):
    """Magenta's libraries make nothing of a file."""


def _read_by_libraries(data):
    if ENDLESS_NUMBER.search(data):
        raise _Refused
    with _silent_libraries():
        import mido
        import pretty_midi
        from note_seq import midi_io

        try:
            midi = mido.MidiFile(file=io.BytesIO(data))
            _check_time(midi)
            return midi_io.midi_to_note_sequence(
                pretty_midi.PrettyMIDI(mido_object=midi)
            )
        except Exception as error:  # both libraries raise nearly anything
            raise _Refused from error


def _check_time(midi):
    ticks = max(sum(message.time for message in track) for track in midi.tracks)
    if midi.ticks_per_beat < 0 or ticks > MAX_TICKS_OF_LIBRARIES:
        raise _Refused  # they would make negative times of it, or exhaust the memory


def _check_length(quarter, tracks):
    """Up to the last note: an end of track far behind it does no harm."""
    most = max(MAX_TICKS, MAX_QUARTERS * quarter)
    too_long = (track for track in tracks if track.length > most)
    ticks = max(map(_last_note, too_long), default=0)
    if ticks > most:
        raise UnreadableMusic(f"absurd length: {ticks} ticks, {most} at most")


def _last_note(track):
    notes = (midi_events.NOTE_OFF, midi_events.NOTE_ON)
    events = zip(reversed(track.ticks), reversed(track.events))
    return next((tick for tick, event in events if event[0] & 0xF0 in notes), 0)
