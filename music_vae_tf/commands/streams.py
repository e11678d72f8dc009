"""Standard streams, whose other end may be gone, and what is fit to be shown there."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

from music_vae_tf.wording import shortened

LONGEST = 10_000  # characters of a message
# Control characters move the cursor, or give orders to the terminal. Messages have
# lines; a stranger's names and titles in them may have anything.
CONTROLS = {
    code: f"\\x{code:02x}"
    for code in (*range(32), *range(127, 160))
    if code not in (9, 10)
}


def shown(message: str) -> str:
    """A message as it is fit for a terminal: no control characters, and not endless."""
    return shortened(message.translate(CONTROLS), LONGEST)


@contextlib.contextmanager
def unfailing() -> Iterator[Unfailing]:
    """While it lasts, what cannot be written to stdout or stderr is lost, and no error.

    So hours of work outlive the terminal, or the disk, that their messages went to.
    Yields stdout, which tells if something was lost.
    """
    stdout, stderr = Unfailing(sys.stdout), Unfailing(sys.stderr)
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            yield stdout
        finally:
            stderr.end()


class Unfailing:
    """A text stream, or None, whose errors of writing are kept and not raised."""

    def __init__(self, stream: IO[str] | None):
        self._stream, self._error = stream, None

    def write(self, text: str) -> int:
        with self._kept():
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._kept():
            if self._stream is not None:
                self._stream.flush()

    def end(self) -> OSError | None:
        """Writes what the stream still holds; the last error, if there was any.

        Python would try once more when it ends, print the error, and change the exit
        status: after one, the stream leads nowhere.
        """
        self.flush()
        if self._error is not None and self._stream is not None:
            with contextlib.suppress(OSError):  # of one without a file
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
        return self._error

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
