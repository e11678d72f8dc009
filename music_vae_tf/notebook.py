"""NoteSequences as pictures and sound in a notebook; elsewhere, as files."""

from __future__ import annotations

import base64
import sys
from pathlib import Path


class Shown:
    """Something that a notebook displays when it is made, and that can be saved."""

    def __init__(self, data: bytes, mime: str):
        self.data, self._mime = data, mime
        self._is_shown = _display(self)

    def save(self, path) -> None:
        """Writes the picture (PNG) or the sound (WAV) to a file."""
        Path(path).expanduser().write_bytes(self.data)

    def _repr_html_(self) -> str:
        text = base64.b64encode(self.data).decode("ascii")
        if self._mime.startswith("audio"):
            return f'<audio controls src="data:{self._mime};base64,{text}"></audio>'
        return f'<img src="data:{self._mime};base64,{text}">'

    def _ipython_display_(self) -> None:
        # A notebook displays the value of a cell's last line. It was displayed already.
        if self._is_shown:
            self._is_shown = False
        else:
            _display(self)


def _display(shown: Shown) -> bool:
    """Displays it where this is a notebook, and says whether it is one."""
    if "IPython" not in sys.modules:
        return False
    from IPython import display, get_ipython

    if get_ipython() is None:
        return False
    display.display(display.HTML(shown._repr_html_()))
    return True


def plot(sequence, title: str = "") -> Shown:
    """The piano roll of a NoteSequence, with drums by name and velocities.

    A notebook shows it at once; `save(path)` writes a PNG file.
    """
    from music_vae_tf.rendering import piano_roll

    return Shown(piano_roll.png(sequence, title), "image/png")


def play(sequence, soundfont=None) -> Shown:
    """The sound of a NoteSequence, drums included.

    A notebook shows a player at once; `save(path)` writes a WAV file.

    Args:
        soundfont: path of an .sf2 file; by default the best that is installed.
    """
    from music_vae_tf.rendering import audio

    return Shown(audio.wav(sequence, soundfont), "audio/wav")
