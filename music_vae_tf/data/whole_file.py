"""Files that appear under their names only when they are whole."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


@contextlib.contextmanager
def whole_file(path, durable: bool = False):
    """Yields a binary file that takes the name `path` if the block ends well.

    Until then it lies beside it under a name ending in `.partial`, and a file that was
    there before stays as it was. If the block raises, nothing remains. What killed
    processes left in the folder is removed.

    Args:
        durable: a power failure after the block does not lose it, nor leaves it empty.
            That takes milliseconds: for what hours of work depend on.

    Raises:
        OSError: it cannot be written; names the file.
    """
    # Through a link, its target is replaced; a pipe or a device is not to be replaced.
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(None, "a folder, where a file shall be written", path)
    if target.exists() and not target.is_file():
        raise OSError(None, "no ordinary file: it cannot be replaced when whole", path)
    _remove_leftovers(target.parent)
    partial = target.with_name(f"{target.name}{_own_suffix()}")
    try:
        with _naming(path):
            with open(partial, "wb") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(partial, target)
            if durable:
                sync_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def unfinished_folder(parent, prefix: str) -> Iterator[str]:
    """Yields the path of a new folder in `parent`, which is removed in the end.

    What killed processes left in the parent is removed too.

    Raises:
        OSError: it cannot be made.
    """
    _remove_leftovers(Path(parent))
    folder = tempfile.mkdtemp(_own_suffix(), prefix, parent)
    try:
        yield folder
    finally:
        remove(Path(folder))


def remove(path: Path) -> None:
    """Removes a file, a link, or a folder with all in it, as far as possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()


@contextlib.contextmanager
def _naming(path):
    """Errors of writing, as of a full disk, name no file by themselves."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL and error.filename is None:
            raise type(error)(error.errno, error.strerror, os.fspath(path)) from error
        raise


def sync_folder(folder) -> None:
    """Waits until the names of a folder's files are on the disk, as far as it can."""
    with contextlib.suppress(OSError):  # Windows opens no folder; some disks refuse
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _own_suffix() -> str:
    return f".{_host()}-{os.getpid()}.partial"


def _host() -> str:
    return re.sub(r"\W", "_", socket.gethostname())


def _remove_leftovers(folder: Path) -> None:
    """Removes unfinished files and folders whose processes of this machine have ended.

    Of all files: names with a time in them do not come again.
    """
    pattern = rf".+\.{_host()}-(\d+)\.partial"
    with contextlib.suppress(OSError):  # the folder is not there, or not readable
        for name in os.listdir(folder):
            match = re.fullmatch(pattern, name)
            if match and not _lives(int(match[1])):
                remove(folder / name)


def _lives(process: int) -> bool:
    if os.name == "nt":  # there, signal 0 would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True
