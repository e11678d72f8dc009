"""Checkpoints of strangers: damaged, hostile, or far larger than they look."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest

from music_vae_tf.checkpoint import (
    CheckpointError,
    archive,
    latest,
    read,
    restore,
    save,
    sorted_table,
    torch_weights,
)

VALUES = {"mu/kernel": np.arange(6, dtype=np.float32).reshape(3, 2)}
INDEX, DATA = "model.ckpt-3.index", "model.ckpt-3.data-00000-of-00001"
DAMAGED_FILES = 400  # of each kind; seconds


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
        ([(b"", header()), (b"a", entry([0])), (b"a", entry([0]))], "comes twice"),
        ([(b"", header()), (b"a" * 5000, entry([0]))], "a name of 5,000 bytes"),
        ([(b"", header()), (b"\xff", entry([0]))], "not Unicode"),
    ],
)
def test_an_impossible_index_is_refused_in_python(folder, entries, fault):
    (folder / INDEX).write_bytes(table(entries))
    with pytest.raises(CheckpointError, match=fault):
        read(folder)


def damaged(data, rng):
    """Bytes with some of them changed, cut off, doubled or moved."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(data)))
        kind = rng.integers(4)
        if kind == 0:
            data[place] = rng.integers(256)
        elif kind == 1:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            del data[place : place + int(rng.integers(1, 9))]
        else:
            data[place:place] = data[place : place + int(rng.integers(1, 9))]
        if not data:
            return b""
    return bytes(data)


def refused(call):
    """Whether a call is refused in words; anything else that is raised is a failure."""
    try:
        call()
    except CheckpointError:
        return True
    return False


def test_every_damaged_index_is_refused_and_the_model_stays(folder):
    rng, data = np.random.default_rng(0), (folder / INDEX).read_bytes()
    number = 0
    for _ in range(DAMAGED_FILES):
        changed = damaged(data, rng)
        (folder / INDEX).write_bytes(changed)
        model = variables()
        if refused(lambda model=model: restore(model, folder / "model.ckpt-3")):
            number += 1
            assert not model["mu/kernel"].value.any()
        else:  # a byte that means nothing, as of the padding
            np.testing.assert_array_equal(model["mu/kernel"].value, VALUES["mu/kernel"])
    assert number > DAMAGED_FILES / 2


def test_an_index_whose_checksums_are_right_is_refused_all_the_same(folder):
    """As a hostile one has them: each entry is damaged, and the table made anew."""
    rng = np.random.default_rng(1)
    entries = sorted_table.read((folder / INDEX).read_bytes())
    for _ in range(DAMAGED_FILES):
        changed = [(key, damaged(v, rng)) for key, v in entries.items() if v]
        (folder / INDEX).write_bytes(table(changed))
        model = variables()
        refused(lambda model=model: restore(model, folder / "model.ckpt-3"))
        assert model["mu/kernel"].value.shape == (3, 2)


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


def test_free_space_is_asked_for_first(tmp_path, folder, monkeypatch):
    path = tar_of(
        tmp_path / "a.tar", {n: (folder / n).read_bytes() for n in (INDEX, DATA)}
    )
    usage = lambda _: archive.shutil._ntuple_diskusage(100, 90, 10)
    monkeypatch.setattr(archive.shutil, "disk_usage", usage)
    with pytest.raises(CheckpointError, match=r"a.tar .* and 10 are free in"):
        read(path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_every_damaged_archive_is_refused_or_read(tmp_path, folder, mode):
    rng = np.random.default_rng(2)
    path = tmp_path / "model.tar"
    members = {n: (folder / n).read_bytes() for n in (INDEX, DATA)}
    data = tar_of(path, members, mode).read_bytes()
    number = 0
    for _ in range(DAMAGED_FILES // 4):
        path.write_bytes(damaged(data, rng))
        number += refused(lambda: read(path))
    assert number > 0


# PyTorch.


def weights_file(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as packed:
        for name, content in entries:
            packed.writestr(name, content)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_pickles_in_a_file_of_weights_are_refused(tmp_path):
    path = weights_file(
        tmp_path / "w.pth", [("a/data.pkl", b"}."), ("data.pkl", b"}.")]
    )
    with pytest.raises(CheckpointError, match=r"w.pth: .*2 files data.pkl"):
        torch_weights.read(path)


def test_weights_that_unpack_to_far_more_are_refused(tmp_path):
    entries = [("m/data.pkl", b"}."), ("m/data/0", bytes(200_000_000))]
    path = weights_file(tmp_path / "w.pth", entries, zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match=r"w.pth: it would unpack to 200,000"):
        torch_weights.read(path)


@pytest.mark.parametrize(
    ("offset", "byte"), [(6, 1), (8, 99)], ids=["encrypted", "unknown compression"]
)
def test_weights_packed_in_another_way_are_an_error(tmp_path, offset, byte):
    path = weights_file(tmp_path / "w.pth", [("m/data.pkl", b"}.")])
    data = bytearray(path.read_bytes())
    for magic, extra in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        data[data.find(magic) + offset + extra] = byte
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="w.pth is damaged"):
        torch_weights.read(path)


def test_a_tensor_larger_than_the_file_is_refused(tmp_path):
    """Strides of 0 let a storage of one number be a tensor of any size."""
    tensor = (
        (
            b"ctorch._utils\n_rebuild_tensor_v2\n"
            b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0X\x03\0\0\0cpuK\x01tQ"
            b"K\0(J\0\0\0\x01J\0\0\0\x01t(K\0K\0tNNtR."
        )
        .replace(b"storageX", b"storageX")
        .replace(b"X\x01\0\0\0X", b"X\x01\0\0\x000X")
    )
    path = weights_file(
        tmp_path / "w.pth",
        [("m/data.pkl", b"\x80\x02" + tensor), ("m/data/0", bytes(4))],
    )
    with pytest.raises(CheckpointError, match="more than 4 times the bytes"):
        torch_weights.read(path)


def test_every_damaged_file_of_weights_is_refused_or_read(tmp_path):
    rng = np.random.default_rng(3)
    path = weights_file(tmp_path / "w.pth", [("m/data.pkl", b"\x80\x02}(K\x01K\x02u.")])
    data = path.read_bytes()
    number = 0
    for _ in range(DAMAGED_FILES):
        path.write_bytes(damaged(data, rng))
        number += refused(lambda: torch_weights.read(path))
    assert number > DAMAGED_FILES / 4
