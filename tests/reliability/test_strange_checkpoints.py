"""Checkpoints of strangers: damaged, hostile, or far larger than they look."""

import gzip
import io
import resource
import tarfile
import time

import numpy as np
import pytest
from damage import damaged, refused

from music_vae_tf.checkpoint import (
    CheckpointError,
    archive,
    latest,
    read,
    restore,
    save,
    sorted_table,
)

VALUES = {"mu/kernel": np.arange(6, dtype=np.float32).reshape(3, 2)}
INDEX, DATA = "model.ckpt-3.index", "model.ckpt-3.data-00000-of-00001"
DAMAGED_FILES = (400, 1_000)  # of each kind, in short and in long


class Variable:
    """As much of a variable as a restore needs."""

    def __init__(self, value):
        self.value, self.shape, self.dtype = value, value.shape, value.dtype.name

    def assign(self, value):
        self.value = value


def variables():
    return {"mu/kernel": Variable(np.zeros([3, 2], np.float32))}


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "run", 3, VALUES)
    return tmp_path / "run"


# Paths.


@pytest.mark.parametrize("name", ["run[1]", "run*", "run?", "[a-z]*[!x]", "a]b[c"])
def test_a_path_is_a_path_and_not_a_pattern(tmp_path, name):
    directory = tmp_path / name
    for step in (3, 4):
        save(directory, step, VALUES, to_keep=1)
    assert latest(directory) == str(directory / "model.ckpt-4")
    np.testing.assert_array_equal(
        read(directory)["encoder/mu/kernel"], VALUES["mu/kernel"]
    )
    assert not (directory / INDEX).exists()


# An index.


def entry(dims, *, dtype=1, shard=0, offset=0, size=None):
    from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto

    crc = sorted_table.masked_crc(b"")
    message = BundleEntryProto(dtype=dtype, shard_id=shard, offset=offset, crc32c=crc)
    for dim in dims:
        message.shape.dim.add(size=dim)
    message.size = 4 * int(np.prod(dims)) if size is None else size
    return message.SerializeToString()


def header(num_shards=1):
    from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleHeaderProto

    return BundleHeaderProto(num_shards=num_shards).SerializeToString()


def varint(number):
    result = b""
    while number > 127:
        result, number = result + bytes([number & 127 | 128]), number >> 7
    return result + bytes([number])


def block(entries):
    """A block of `{key: value}` with its trailer; keys share nothing."""
    content = b"".join(
        b"\0" + varint(len(k)) + varint(len(v)) + k + v for k, v in entries
    )
    content += bytes(4) + (1).to_bytes(4, "little")
    crc = sorted_table.masked_crc(content + b"\0")
    return content, b"\0" + crc.to_bytes(4, "little")


def table(entries):
    content, trailer = block(entries)
    handle = varint(0) + varint(len(content))
    index, index_trailer = block([(b"z", handle)])
    place = len(content) + len(trailer)
    footer = varint(0) + varint(0) + varint(place) + varint(len(index))
    footer = footer.ljust(40, b"\0") + sorted_table.MAGIC.pack(
        sorted_table.MAGIC_NUMBER
    )
    return content + trailer + index + index_trailer + footer


def test_a_table_made_here_is_read(folder):
    (folder / INDEX).write_bytes(table([(b"", header()), (b"a", entry([0]))]))
    assert read(folder)["a"].shape == (0,)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (entry([-5, 3]), r"impossible shape \[-5, 3\]"),
        (entry([2**40, 2**40], size=2**62), "takes .* bytes, not"),
        (entry([2], size=2**40), "takes 8 bytes, not"),
        (entry([2**40]), "lies outside"),
        (entry([2], offset=-8), "lies outside"),
        (entry([2], offset=2**62), "lies outside"),
        (entry([2], shard=7), "in file 7 of 1"),
        (entry([2], shard=-1), "in file -1 of 1"),
        (entry([2], dtype=20), "is of type 20"),
        (entry([2], dtype=9999), "is of type"),
        (entry([1] * 40), "impossible shape"),
        (b"\xff" * 9, "cannot be understood"),
    ],
)
def test_an_impossible_tensor_is_refused_in_python(folder, value, fault):
    (folder / INDEX).write_bytes(table([(b"", header()), (b"w", value)]))
    with pytest.raises(CheckpointError, match=fault):
        read(folder)


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ([(b"w", entry([0]))], "header is missing"),
        ([(b"", header(0))], "0 files of data"),
        ([(b"", header(2**30))], "files of data"),
        ([(b"", header()), (b"a", entry([0])), (b"a", entry([0]))], "duplicate key"),
        ([(b"", header()), (b"a" * 5000, entry([0]))], "a name of 5,000 bytes"),
        ([(b"", header()), (b"\xff", entry([0]))], "not Unicode"),
    ],
)
def test_an_impossible_index_is_refused_in_python(folder, entries, fault):
    (folder / INDEX).write_bytes(table(entries))
    with pytest.raises(CheckpointError, match=fault):
        read(folder)


def sharing(number, shared):
    """The content of a block whose keys share their first bytes."""
    first = b"\0" + varint(shared + 4) + b"\0" + b"k" * shared + bytes(4)
    more = b"".join(
        varint(shared) + b"\4\0" + index.to_bytes(4, "big")
        for index in range(1, number)
    )
    return first + more + bytes(4) + (1).to_bytes(4, "little")


def table_of(contents, handles):
    """A table of blocks with these contents, listed by index and shift."""
    data, places = b"", []
    for content in contents:
        places.append((len(data), len(content)))
        crc = sorted_table.masked_crc(content + b"\0")
        data += content + b"\0" + crc.to_bytes(4, "little")
    listed = [
        (number.to_bytes(4, "big"), varint(places[index][0]) + varint(places[index][1]))
        for number, index in enumerate(handles)
    ]
    index, trailer = block(listed)
    footer = varint(0) + varint(0) + varint(len(data)) + varint(len(index))
    magic = sorted_table.MAGIC.pack(sorted_table.MAGIC_NUMBER)
    return data + index + trailer + footer.ljust(40, b"\0") + magic


@pytest.mark.parametrize(
    ("contents", "handles", "fault"),
    [
        ([sharing(100_000, 4080)], [0], "names of more than 20,000,000 bytes together"),
        ([sharing(6_000, 4080)] * 5, range(5), "names of more|duplicate key"),
        ([sharing(100_001, 0)], [0], "more than 100,000 entries"),
        ([sharing(1, 8)], [0] * 1000, "a block is listed twice"),
        ([sharing(5, 8), sharing(6, 9)], [0, 1, 0], "a block is listed twice"),
    ],
)
def test_a_table_that_grows_when_read_is_refused(contents, handles, fault):
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.time()
    with pytest.raises(sorted_table.BadTable, match=fault):
        sorted_table.read(table_of(contents, handles))
    assert time.time() - started < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_blocks_that_lie_in_each_other_are_refused():
    whole = table_of([sharing(50, 8)], [0])
    content = sharing(50, 8)
    listed = [(bytes([n]), varint(n) + varint(len(content) - n)) for n in range(8)]
    index, trailer = block(listed)
    data = whole[: len(content) + 5]
    footer = varint(0) + varint(0) + varint(len(data)) + varint(len(index))
    magic = sorted_table.MAGIC.pack(sorted_table.MAGIC_NUMBER)
    with pytest.raises(sorted_table.BadTable):
        sorted_table.read(data + index + trailer + footer.ljust(40, b"\0") + magic)


def test_tensors_in_the_same_place_are_refused(folder):
    size = (folder / INDEX.replace(".index", ".data-00000-of-00001")).stat().st_size
    entries = [(bytes([97 + n]), entry([size // 4])) for n in range(3)]
    (folder / INDEX).write_bytes(table([(b"", header()), *entries]))
    with pytest.raises(CheckpointError, match="in the same place"):
        read(folder)


def test_every_damaged_index_is_refused_and_the_model_stays(folder, amount, figure):
    rng, data = np.random.default_rng(0), (folder / INDEX).read_bytes()
    number, count = 0, amount(*DAMAGED_FILES)
    for _ in range(count):
        changed = damaged(data, rng)
        (folder / INDEX).write_bytes(changed)
        model = variables()
        if refused(lambda model=model: restore(model, folder / "model.ckpt-3")):
            number += 1
            assert not model["mu/kernel"].value.any()
        else:  # a byte that means nothing, as of the padding
            np.testing.assert_array_equal(model["mu/kernel"].value, VALUES["mu/kernel"])
    assert number > count / 2
    figure(
        "A damaged checkpoint is refused before TensorFlow reads it",
        f"{count:,} indexes: {number:,} refused, none ended the process",
    )


def test_an_index_whose_checksums_are_right_is_refused_all_the_same(
    folder, amount, figure
):
    """As a hostile one has them: each entry is damaged, and the table made anew."""
    rng, count, number = np.random.default_rng(1), amount(*DAMAGED_FILES), 0
    entries = sorted_table.read((folder / INDEX).read_bytes())
    for _ in range(count):
        changed = [(key, damaged(v, rng)) for key, v in entries.items() if v]
        (folder / INDEX).write_bytes(table(changed))
        model = variables()
        number += refused(lambda model=model: restore(model, folder / "model.ckpt-3"))
        assert model["mu/kernel"].value.shape == (3, 2)
    figure(
        "A damaged checkpoint is refused before TensorFlow reads it",
        f"{count:,} indexes with right checksums: {number:,} refused, none ended the "
        "process",
    )


# Archives.


def tar_of(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_a_sparse_member_is_refused_with_its_size(tmp_path, folder):
    info = tarfile.TarInfo("m.data-00000-of-00001")
    info.pax_headers = {
        "GNU.sparse.map": "0,0",
        "GNU.sparse.size": str(2**40),
        "GNU.sparse.realsize": str(2**40),
    }
    path = tmp_path / "sparse.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    with pytest.raises(CheckpointError, match=r"sparse.tar .*sparse: .*1,099,511"):
        read(path)


def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path):
    path = tmp_path / "bomb.tar.gz"
    info = tarfile.TarInfo("model.index")
    info.size = 400_000_000
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf())
        for _ in range(400):
            file.write(bytes(1_000_000))
    with pytest.raises(CheckpointError, match=r"bomb.tar.gz .*unpack to .* bytes or"):
        read(path)


def test_a_header_of_many_bytes_is_not_read(tmp_path):
    """A header of pax is read whole by Python's tarfile."""
    path = tmp_path / "header.tar.gz"
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 90_000_000
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf())
        file.write(bytes(90_000_000))
    with pytest.raises(CheckpointError, match="neither a checkpoint nor a tar"):
        read(path)


def test_an_archive_of_many_members_is_refused(tmp_path):
    members = {f"m{number}": b"" for number in range(archive.MAX_MEMBERS + 1)}
    with pytest.raises(CheckpointError, match="more than 1,000 members"):
        read(tar_of(tmp_path / "many.tar", members))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("size", [0, 300_000, 999_000])
def test_the_small_files_of_a_bundle_are_read_whatever_their_size(tmp_path, mode, size):
    text = "[" + "1," * (size // 2) + "1]"
    members = {"config.yaml": b"a: 1\n", "labels.json": text.encode()}
    with tarfile.open(tmp_path / "b.tar", mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    found = archive.texts(str(tmp_path / "b.tar"), members)
    assert found == {"config.yaml": "a: 1\n", "labels.json": text}


def test_free_space_is_asked_for_first(tmp_path, folder, monkeypatch):
    path = tar_of(
        tmp_path / "a.tar", {n: (folder / n).read_bytes() for n in (INDEX, DATA)}
    )
    usage = lambda _: archive.shutil._ntuple_diskusage(100, 90, 10)
    monkeypatch.setattr(archive.shutil, "disk_usage", usage)
    with pytest.raises(CheckpointError, match=r"a.tar .* and 10 are free in"):
        read(path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_every_damaged_archive_is_refused_or_read(
    tmp_path, folder, mode, amount, figure
):
    rng = np.random.default_rng(2)
    path = tmp_path / "model.tar"
    members = {n: (folder / n).read_bytes() for n in (INDEX, DATA)}
    data = tar_of(path, members, mode).read_bytes()
    number, count = 0, amount(100, 500)
    for _ in range(count):
        path.write_bytes(damaged(data, rng))
        number += refused(lambda: read(path))
    assert number > 0
    figure(
        "A damaged archive is read or refused in words",
        f"{count} archives ({mode}): {number} refused, {count - number} read",
    )
