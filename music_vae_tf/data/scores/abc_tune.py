"""A tune in ABC -> a score."""

from __future__ import annotations

import copy
import re

from music_vae_tf.data.scores import abc_fields as fields
from music_vae_tf.data.scores.abc_book import FIELD, without_comment
from music_vae_tf.data.scores.abc_fields import Properties
from music_vae_tf.data.scores.abc_music import MusicReader
from music_vae_tf.data.scores.abc_voice import Event, Voice
from music_vae_tf.data.scores.playback_order import marks_of_words
from music_vae_tf.data.scores.score import Part, Score, UnreadableScore

MAX_VOICES = 256
_DRUM_CHANNEL = "10"


def read_tune(lines) -> tuple[Score, list[str]]:
    """A tune, given as numbered lines, and remarks on what of it is left out.

    Raises:
        UnreadableScore: it breaks the rules of ABC; the line is named.
    """
    reader = _TuneReader()
    for number, line in lines:
        try:
            reader.read(line)
        except UnreadableScore as error:
            raise UnreadableScore(f"{error} (line {number})") from error
    return reader.score(), reader.remarks()


class _TuneReader:
    """Reads a tune line by line."""

    def __init__(self):
        self._title = self._composer = ""
        self._unit = self._metre = self._tempo_text = None
        self._signature, self._sections = fields.NO_KEY, []
        self._is_in_header = True
        self._common = Properties()
        self._declared, self._voices = {}, {}
        self._current = None  # id of a voice
        self._music = MusicReader(self)

    def read(self, line):
        """Reads a line."""
        if line.startswith("%%"):
            self._directive(line[2:])
        elif (found := FIELD.match(line)) and not line.startswith("+"):
            self.field(found[1], without_comment(found[2]).strip())
        elif not self._is_in_header:
            self._music.read(without_comment(line))

    def score(self) -> Score:
        """What was read."""
        if self._is_in_header:
            raise UnreadableScore("no music in it: no line begins with K:")
        parts = [
            Part(voice.properties.name, bars)
            for voice in self._voices.values()
            if (bars := voice.finish())
        ]
        if not parts:
            raise UnreadableScore("no notes")
        return Score(parts, self._title, self._composer, self._sections)

    def remarks(self) -> list[str]:
        """What had no meaning."""
        return self._music.remarks()

    @property
    def voice(self) -> Voice:
        """The voice that is written at the moment."""
        if self._current is None:
            self._current = next(iter(self._declared), "1")
        if self._current not in self._voices:
            if len(self._voices) >= MAX_VOICES:
                raise UnreadableScore(f"more than {MAX_VOICES} voices")
            self._voices[self._current] = self._new_voice(self._current)
        return self._voices[self._current]

    def _new_voice(self, name):
        properties = self._declared.get(name, self._common)
        unit = self._unit or fields.usual_unit_length(self._metre)
        voice = Voice(properties, unit, self._metre, self._signature)
        if self._tempo_text is not None and not self._voices:
            voice.say(Event(qpm=fields.tempo(self._tempo_text, unit)))
        return voice

    # Fields.

    def field(self, name: str, text: str):
        """A field, on a line of its own or in brackets."""
        if name == "V":
            self._voice_field(text)
        elif name == "I":
            self._directive(text)
        elif self._is_in_header:
            self._header_field(name, text)
        else:
            self._body_field(name, text)

    def _header_field(self, name, text):
        if name == "T":
            self._title = self._title or " ".join(text.split())
        elif name == "C":
            self._composer = self._composer or " ".join(text.split())
        elif name == "M":
            self._metre = fields.metre(text)
        elif name == "L":
            self._unit = fields.unit_length(text)
        elif name == "Q":
            self._tempo_text = text
        elif name == "P":
            self._sections = fields.part_order(text)
        elif name == "K":
            self._signature = fields.signature(text)
            for properties in (self._common, *self._declared.values()):
                properties.read(text)
            self._is_in_header = False

    def _body_field(self, name, text):
        voice = self.voice
        if name == "M":
            voice.metre = fields.metre(text)
        elif name == "L":
            voice.unit = fields.unit_length(text)
        elif name == "Q":
            voice.say(Event(qpm=fields.tempo(text, voice.unit)))
        elif name == "P" and re.fullmatch(r"[A-Za-z]\.?", text):
            voice.section(text[0])
        elif name == "P":
            voice.mark(**marks_of_words(text))
        elif name == "K":
            voice.properties.read(text)
            found = fields.signature(text)
            if found.key or found.alterations or text in ("", "none"):
                voice.signature = found

    def _voice_field(self, text):
        name, _, rest = text.strip().partition(" ")
        if not name:
            return
        if self._is_in_header:
            properties = self._declared.setdefault(name, copy.deepcopy(self._common))
            properties.read(rest)
            return
        self._current = name
        self.voice.properties.read(rest)

    def _directive(self, text):
        """`%%MIDI` and `I:MIDI`: programs, channel 10, drums and transposition."""
        words = without_comment(text).replace("=", " ").split()
        if len(words) < 3 or words[0].upper() != "MIDI":
            return
        for properties in self._addressed():
            _set_midi(properties, words[1].lower(), words[2:])

    def _addressed(self):
        """The voice that a directive is about; in the header all."""
        if not self._is_in_header:
            return [self.voice.properties]
        last = list(self._declared.values())[-1:]
        return last or [self._common]


def _set_midi(properties, what, words):
    if what == "program" and _midi_number(words[-1]) is not None:
        properties.program = _midi_number(words[-1])
    elif what == "channel":
        properties.is_drum = words[0] == _DRUM_CHANNEL
    elif what == "transpose" and re.fullmatch(r"[+-]?\d{1,2}", words[0]):
        properties.transpose = int(words[0])
    elif what == "drummap" and len(words) > 1 and _is_number(words[1]):
        properties.drums[words[0]] = int(words[1][:6])


def _is_number(text):
    return text.isascii() and text.isdecimal()


def _midi_number(text):
    """A number from 0 to 127; None if it is another text."""
    digits = text.lstrip("0") or "0"
    is_one = _is_number(text) and len(digits) < 4 and int(digits) < 128
    return int(digits) if is_one else None
