"""Music as files: MIDI, sound and picture, under Magenta's names."""

from __future__ import annotations

import functools
import itertools
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from music_vae_tf.commands.command import Command, UserError, writable_directory
from music_vae_tf.commands.drum_map_flag import add_drum_map, drum_map
from music_vae_tf.commands.drums_flag import KINDS
from music_vae_tf.commands.progress import progress
from music_vae_tf.wording import counted

log = logging.getLogger("music_vae_tf")

FORMATS = ("mid", "wav", "png")


class Piece(NamedTuple):
    """Something to write.

    Attributes:
        sequence: a NoteSequence; None where `midi` is read for it.
        midi: a `mido.MidiFile` to write as it is; None where `sequence` is written.
        heard: a `mido.MidiFile` for sound and pictures; None where `midi` is for all.
        loop_seconds: how long it is as a loop; 0 for music that is not a loop.
    """

    sequence: object = None
    midi: object = None
    heard: object = None
    loop_seconds: float = 0.0


def loop(sequence) -> Piece:
    """A NoteSequence that repeats after its `total_time`, if it has one."""
    return Piece(sequence=sequence, loop_seconds=sequence.total_time)


def add_file_flags(
    command: Command,
    default: str = "mid",
    known: str = "mid, wav (sound), png (piano roll)",
) -> None:
    """--format and --soundfont."""
    command.string("format", default, f"Files to write, with commas between: {known}.")
    command.string(
        "soundfont", None, "SoundFont (.sf2) to play with; by default one is found."
    )


def add_format_flags(command: Command) -> None:
    """--format, --loop, --soundfont, --program and --drum_map."""
    add_drum_map(command)
    add_file_flags(command)
    command.boolean(
        "loop",
        False,
        "In WAV files of loops, what sounds after the end is added to the beginning.",
    )
    command.integer(
        "program",
        None,
        "MIDI program of outputs other than drums, 0 (piano) to 127.",
        at_least=0,
        at_most=127,
    )


def check_program(flags, config) -> None:
    """
    Raises:
        UserError: --program beside a config whose music is drums alone.
    """
    if flags.program is not None and config.converter.kind in KINDS:
        raise UserError(
            f"--program={flags.program} has no effect on drums, and the music of "
            f"config {config.name} is drums: leave out --program"
        )


class Outputs:
    """Writes pieces into a directory, in all formats that are asked for."""

    def __init__(
        self,
        flags,
        known: Sequence[str] = FORMATS,
        draw: Callable[[object, Path, list[str]], None] | None = None,
    ):
        """
        Args:
            flags: those of `add_format_flags`, or of `add_file_flags` alone.
            known: the formats that there are.
            draw: writes all formats other than mid and wav: a function of a
                NoteSequence, the path without an ending, and the formats. By default
                png is a piano roll.

        Raises:
            UserError: there is no such format, or no such SoundFont.
        """
        self._formats = formats_in(flags.format, known, "format")
        self._soundfont = _soundfont(flags, self._formats)
        self._directory, self._draw = flags.output_dir, draw or _draw_piano_roll
        of_loops = "loop" in flags
        self._folds = of_loops and flags.loop
        self._program = flags.program if of_loops else None
        self.drum_map = drum_map(flags) if of_loops else None
        self._stamp = time.strftime("%Y-%m-%d_%H%M%S")
        self._names = set()  # those of what is written, in lower case

    @property
    def formats(self) -> list[str]:
        """Those that are asked for."""
        return list(self._formats)

    def check(self) -> Path:
        """The directory, made if there is none; sees if files can be written.

        Raises:
            UserError: they cannot.
        """
        return writable_directory("output_dir", self._directory)

    def write(self, name: str, pieces: list[Piece]) -> None:
        """`name_2026-01-31_120000-000-of-005.mid`, and so on.

        A name that comes again becomes `name-2`: nothing is overwritten.

        Raises:
            UserError: sound is missing; everything else is written.
        """
        directory, count = self.check(), len(pieces)
        start, end = f"{self._new(name, directory)}_{self._stamp}-", f"-of-{count:03d}"
        numbers = (f"{number:03d}" for number in range(count))
        paths = [directory / f"{start}{number}{end}" for number in numbers]
        self.write_to(dict(zip(paths, pieces)), directory / f"{start}*{end}")

    def write_to(self, pieces: Mapping[Path, Piece], pattern: Path) -> None:
        """Writes pieces to paths without an ending.

        pattern: what is logged in place of all paths.

        Raises:
            UserError: sound is missing; everything else is written.
        """
        soundless = None
        with progress(len(pieces), "Writing", unit="pieces") as bar:
            for path, piece in bar.over(pieces.items()):
                soundless = self._write(piece, path) or soundless
        is_midi = self._formats == ["mid"]
        what = counted(len(pieces), "MIDI file" if is_midi else "piece")
        endings = "mid" if is_midi else f"{{{','.join(self._formats)}}}"
        log.info("Wrote %s: %s.%s", what, pattern, endings)
        if soundless:
            raise UserError(f"everything is written except the sound: {soundless}")

    def _new(self, name, directory):
        """The name, or with a number that makes it another than those before.

        Upper and lower case are one, as on the disks of Windows and macOS. Another
        command may have written in the same second.
        """
        mine = f"_{self._stamp}-".lower()
        there = {
            file.name.lower().partition(mine)[0]
            for file in directory.iterdir()
            if mine in file.name.lower()
        }
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        names = itertools.chain([name], numbered)
        new = next(one for one in names if one.lower() not in self._names | there)
        self._names.add(new.lower())
        return new

    def _write(self, piece, path):
        """Writes all formats; gives why there is no sound, if there is none."""
        from music_vae_tf.rendering import audio

        if piece.sequence is not None and self._program is not None:
            piece = piece._replace(sequence=_played_by(piece.sequence, self._program))
        if "mid" in self._formats:
            _write_midi(piece, f"{path}.mid", self.drum_map)
        if self._formats == ["mid"]:
            return None
        sequence = _sequence(piece, self.drum_map)
        drawn = [name for name in self._formats if name not in ("mid", "wav")]
        if drawn:
            self._draw(sequence, path, drawn)
        try:
            if "wav" in self._formats:
                self._write_sound(sequence, piece.loop_seconds, f"{path}.wav")
        except audio.NoSound as error:
            return str(error)
        return None

    def _write_sound(self, sequence, loop_seconds, path):
        from music_vae_tf.data.whole_file import whole_file
        from music_vae_tf.rendering import audio, loops

        with whole_file(path) as file:
            if loop_seconds:
                data = loops.wav(sequence, loop_seconds, self._soundfont, self._folds)
                file.write(data)
                return
            shown = functools.partial(progress, title="Rendering", unit="minutes")
            audio.write_wav(
                sequence,
                file,
                self._soundfont,
                progress=shown,
                scratch=os.path.dirname(path),
            )


def _draw_piano_roll(sequence, path, formats):
    from music_vae_tf.rendering import piano_roll

    piano_roll.write(sequence, f"{path}.png")


def formats_in(text: str, known: Sequence[str], flag: str) -> list[str]:
    """`mid,wav`, the value of a flag -> the formats, in the order of those known.

    Raises:
        UserError: one is unknown, or none is named.
    """
    formats = [name.strip().lower() for name in text.split(",") if name.strip()]
    unknown = [name for name in formats if name not in known]
    if unknown or not formats:
        raise UserError(
            f"--{flag}={text}: {', '.join(unknown) or 'nothing'} is none of "
            f"{', '.join(known)}"
        )
    return [name for name in known if name in formats]


def _soundfont(flags, formats):
    if flags.soundfont is None:
        return None
    if "wav" not in formats:
        raise UserError("--soundfont is for sound: give --format=mid,wav")
    path = os.path.expanduser(flags.soundfont)
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError as error:
        raise UserError(f"--soundfont={path}: {error.strerror}") from error
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise UserError(f"--soundfont={path}: not a SoundFont (.sf2)")
    return path


def _played_by(sequence, program):
    """A copy in which everything but drums is played by a program."""
    result = type(sequence)()
    result.CopyFrom(sequence)
    for events in (result.notes, result.pitch_bends, result.control_changes):
        for event in events:
            event.program = event.program if event.is_drum else program
    return result


def _write_midi(piece, path, drum_map):
    from music_vae_tf.data import midi_song
    from music_vae_tf.data.drum_maps import translated
    from music_vae_tf.data.midi_writer import write_midi

    if piece.midi is not None:
        midi_song.save(piece.midi, path)
    elif drum_map is not None:
        write_midi(translated(piece.sequence, drum_map.write), path)
    else:
        write_midi(piece.sequence, path)


def _sequence(piece, drum_map):
    """The NoteSequence of a piece, as it sounds on a kit of General MIDI."""
    if piece.sequence is not None:
        return piece.sequence
    from music_vae_tf.data import midi
    from music_vae_tf.data.drum_maps import translated
    from music_vae_tf.data.midi_writer import file_bytes

    data = file_bytes(piece.heard or piece.midi)
    return translated(midi.parse_as_daw(data), drum_map.read)
