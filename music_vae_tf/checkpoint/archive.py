"""Checkpoints unpacked from tar archives, after all sizes are checked."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import PurePosixPath

from music_vae_tf.checkpoint import tar_stream
from music_vae_tf.checkpoint.finding import CheckpointError, missing_files

# Members of a bundle beside the checkpoint: see `export.bundle`.
CONFIG, CARD, SUMS = "config.yaml", "README.md", "SHA256SUMS"
MAX_TEXT_BYTES = 10**6

MAX_MEMBERS = 1_000
MAX_BYTES = 20 * 10**9  # of one checkpoint; the largest published has 2 GB
SPARE_BYTES = 10**8  # that stay free on the disk
COPIED_BYTES = 1 << 18  # at once


def unpacked(archive: str, directory: str) -> str:
    """Unpacks the checkpoint in a tar archive, and nothing else; returns its prefix.

    Raises:
        CheckpointError: there is none, the archive is damaged or unsafe, or what is in
            it is too large for the disk or for a checkpoint.
    """
    try:
        with tar_stream.opened(archive) as tar:
            members = _members(archive, tar)
            prefix = _first_prefix(archive, members)
            parts = [m for m in members if _is_part(m, prefix)]
            _check_sizes(archive, parts, directory)
            for member in parts:
                _write(tar, member, directory)
            _check_sums(archive, _text(tar, members, SUMS), directory)
    except tar_stream.TooLarge as error:
        raise CheckpointError(f"{archive} is not unpacked: {error}.") from error
    except tar_stream.DAMAGED as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"the archive {archive} is damaged or was cut short. Get it again."
        ) from None
    prefix_there = os.path.join(directory, os.path.basename(prefix))
    if missing_files(prefix_there):
        raise CheckpointError(
            f"{archive} holds only half a checkpoint: {prefix}.index without its data."
        )
    return prefix_there


def config_in(archive: str) -> str | None:
    """The config, as YAML, that a bundle was trained with; None in other archives.

    Raises:
        CheckpointError: the archive is damaged or unsafe.
    """
    return texts(archive, [CONFIG]).get(CONFIG)


def texts(archive: str, names: Iterable[str]) -> dict[str, str]:
    """{name: text} of those small members of a bundle that it has.

    Raises:
        CheckpointError: the archive is damaged or unsafe.
    """
    try:
        with tar_stream.opened(archive) as tar:
            members = _members(archive, tar)
            sums = _sums(_text(tar, members, SUMS))
            found = {name: _text(tar, members, name) for name in names}
            found = {name: text for name, text in found.items() if text is not None}
            for name, text in found.items():
                digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
                _check_sum(archive, name, digest, sums)
            return found
    except (tar_stream.TooLarge, *tar_stream.DAMAGED) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"the archive {archive} is damaged: {error}") from None


def _text(tar, members, name):
    """The text of a small member, or None."""
    for member in members:
        if member.name == name and member.isfile() and member.size <= MAX_TEXT_BYTES:
            return _read(tar.extractfile(member)).decode("utf-8")
    return None


def _read(packed) -> bytes:
    """In pieces: a read of more at once is refused, as that of a damaged header."""
    return b"".join(iter(functools.partial(packed.read, COPIED_BYTES), b""))


def _sums(text):
    """{name: SHA-256 sum} of the sums that a bundle holds."""
    lines = [line.partition("  ") for line in (text or "").splitlines()]
    return {name: digest for digest, _, name in lines}


def _check_sums(archive, text, directory):
    """Compares what was unpacked with the SHA-256 sums of a bundle."""
    sums = _sums(text)
    for name in sums:
        path = os.path.join(directory, os.path.basename(name))
        if os.path.isfile(path):
            _check_sum(archive, name, _sha256(path), sums)


def _check_sum(archive, name, digest, sums):
    if sums.get(name, digest) != digest:
        raise CheckpointError(
            f"{archive} is damaged: the checksum of {name} does not fit. Get it again."
        )


def _sha256(path):
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(COPIED_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _members(archive, tar) -> list[tarfile.TarInfo]:
    """All members; their headers are read, and nothing of what they hold."""
    members = []
    for member in tar:
        _refuse_unsafe(archive, member)
        members.append(member)
        if len(members) > MAX_MEMBERS:
            raise CheckpointError(
                f"{archive} is not unpacked: it has more than {MAX_MEMBERS:,} members."
            )
    return members


def _refuse_unsafe(archive, member):
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        fault = "points outside the folder it is unpacked in"
    elif member.issparse():
        fault = f"is sparse: it would take {member.size:,} bytes"
    elif not (member.isfile() or member.isdir()):
        fault = "is a link or a device"
    else:
        return
    raise CheckpointError(
        f"{archive} is not unpacked: its member {member.name!r} {fault}. It should "
        "have plain files only."
    )


def _first_prefix(archive, members):
    """As in Magenta, the first member ending in .index is the checkpoint."""
    for member in members:
        if member.name.endswith(".index"):
            return member.name.removesuffix(".index")
    names = ", ".join(member.name for member in members[:10]) or "nothing"
    raise CheckpointError(
        f"there is no checkpoint in {archive}: none of its members ends in .index. It "
        f"holds {names}."
    )


def _is_part(member, prefix):
    return member.isfile() and member.name.startswith(prefix + ".")


def _check_sizes(archive, parts, directory):
    size = sum(member.size for member in parts)
    if size > MAX_BYTES:
        raise CheckpointError(
            f"{archive} is not unpacked: its checkpoint would take {size:,} bytes, "
            f"{MAX_BYTES:,} are the limit."
        )
    free = shutil.disk_usage(directory).free
    if size + SPARE_BYTES > free:
        raise CheckpointError(
            f"{archive} is not unpacked: its checkpoint takes {size:,} bytes, and "
            f"{free:,} are free in {directory}. Set TMPDIR to a larger folder."
        )


def _write(tar, member, directory):
    packed = tar.extractfile(member)
    assert packed is not None  # it is a file
    with open(os.path.join(directory, os.path.basename(member.name)), "wb") as file:
        shutil.copyfileobj(packed, file, COPIED_BYTES)
