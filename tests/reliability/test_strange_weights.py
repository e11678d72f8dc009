"""Weights of strangers, as safetensors and .pth: damaged, or not what they seem."""

import collections
import json
import os
import pickle
import resource
import time
import zipfile

import numpy as np
import pytest
from damage import damaged, refused

from music_vae_tf.checkpoint import (
    CheckpointError,
    compact,
    read,
    restore,
    torch_weights,
)
from music_vae_tf.export import weights_manifest
from music_vae_tf.export.errors import ExportError

DAMAGED_FILES = (400, 1_000)  # of each kind, in short and in long


# Compact weights.


def compact_file(path, tensors, content=b"", **metadata):
    """A safetensors file of `{name: (type, shape, begin, end)}`."""
    header = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        for name, (dtype, shape, *offsets) in tensors.items()
    }
    told = {"config": "a", "step": 1, "files": {}, "sha256": "", **metadata}
    header["__metadata__"] = {compact.FORMAT: json.dumps(told)}
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + content)
    return path


@pytest.mark.parametrize(
    ("tensors", "content", "fault"),
    [
        ({"a": ("F8_E4M3", [4], 0, 4)}, bytes(4), "of type F8_E4M3"),
        ({"a": ("F4", [8], 0, 4)}, bytes(4), "of type F4"),
        ({"a": ("BF16", [2], 0, 4)}, bytes(4), "of type BF16"),
        ({"a": ("F32", [0, 2**62, 2**62], 0, 0)}, b"", "of type F32 and shape"),
        ({"a": ("F32", [1] * 70, 0, 4)}, bytes(4), "of 8 axes at most"),
        ({"a": ("F32", [2**40], 0, 2**42)}, bytes(4), "not a readable"),
        ({"a": ("F32", [-1], 0, 4)}, bytes(4), "not a readable"),
        ({"a": ("F32", [2**63, 4], 0, 0)}, b"", "not a readable"),
        (
            {"a": ("F32", [1], 0, 4), "b": ("F32", [1], 0, 4)},
            bytes(4),
            "not a readable",
        ),
        (
            {"a": ("I8", [4, 1], 0, 4), "a:scale": ("F32", [2], 4, 12)},
            bytes(12),
            "what it scales",
        ),
        ({"a:scale": ("F32", [2], 0, 8)}, bytes(8), "what it scales"),
    ],
)
def test_impossible_compact_weights_are_refused(tmp_path, tensors, content, fault):
    path = compact_file(tmp_path / "m.safetensors", tensors, content)
    with pytest.raises(CheckpointError, match=rf"m.safetensors.*{fault}"):
        read(path)


def test_weights_that_do_not_fit_the_model_are_not_read(tmp_path, monkeypatch):
    """The header is enough to refuse them, also a file of a terabyte without a byte."""
    tensors = {"encoder/mu/kernel": ("F32", [1 << 15, 1 << 15], 0, 1 << 32)}
    path = compact_file(tmp_path / "m.safetensors", tensors)
    os.truncate(path, path.stat().st_size + (1 << 32))
    monkeypatch.setattr(compact, "_digest", lambda tensors: pytest.fail("it was read"))
    variables = {"mu/kernel": np.zeros([2, 2])}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="shape mismatch"):
        restore(variables, path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_weights_larger_than_the_memory_are_refused(tmp_path):
    tensors = {"a": ("I8", [1 << 40], 0, 1 << 40)}
    path = compact_file(tmp_path / "m.safetensors", tensors)
    os.truncate(path, path.stat().st_size + (1 << 40))
    with pytest.raises(
        CheckpointError, match=r"has 1,099,.* and this machine's memory"
    ):
        read(path)


def test_a_lack_of_memory_is_an_error_in_words(tmp_path, monkeypatch):
    def none_left(tensors):
        raise MemoryError

    path = tmp_path / "m.safetensors"
    compact.write(path, {"a": np.ones(4)}, compact.Metadata("", 1))
    monkeypatch.setattr(compact, "_digest", none_left)
    with pytest.raises(CheckpointError, match="does not fit into the memory"):
        read(path)


@pytest.mark.parametrize(
    "metadata", [{"step": 1e400}, {"step": "x"}, {"files": [1]}, {"files": None}]
)
def test_impossible_metadata_of_weights_are_refused(tmp_path, metadata):
    path = compact_file(tmp_path / "m.safetensors", {}, **metadata)
    with pytest.raises(CheckpointError, match=r"m.safetensors: bad metadata"):
        read(path)


def test_every_damaged_file_of_compact_weights_is_refused(tmp_path, amount, figure):
    rng, path = np.random.default_rng(8), tmp_path / "m.safetensors"
    weights = {"a/kernel": np.ones([3, 4], np.float32), "a/bias": np.ones(4)}
    compact.write(path, weights, compact.Metadata("a: 1", 7, {"b": "c"}), 8)
    data, count, number = path.read_bytes(), amount(*DAMAGED_FILES), 0
    for _ in range(count):
        path.write_bytes(damaged(data, rng))
        number += refused(lambda: read(path))
    assert number > count * 0.8
    figure(
        "A damaged file of weights is read or refused",
        f"{count:,} .safetensors files: {number:,} refused, {count - number:,} read",
    )


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


def test_every_damaged_file_of_weights_is_refused_or_read(tmp_path, amount, figure):
    rng = np.random.default_rng(3)
    path = weights_file(tmp_path / "w.pth", [("m/data.pkl", b"\x80\x02}(K\x01K\x02u.")])
    data = path.read_bytes()
    number, count = 0, amount(*DAMAGED_FILES)
    for _ in range(count):
        path.write_bytes(damaged(data, rng))
        number += refused(lambda: torch_weights.read(path))
    assert number > count / 4
    figure(
        "A damaged file of weights is read or refused",
        f"{count:,} .pth files: {number:,} refused, {count - number:,} read",
    )


def pickled(path, content, name="m/data.pkl"):
    return weights_file(path, [(name, b"\x80\x02" + content)])


def memo_index(index):
    return b"}r" + index.to_bytes(4, "little") + b"."


PAIR = b"q\x00h\x00h\x00\x86"  # a tuple twice in one, by the memo
ORDERED = b"ccollections\nOrderedDict\n)R"


@pytest.mark.parametrize(
    "content",
    {
        "memo": memo_index(2**25),
        "memo beyond": memo_index(2**32 - 1),
        "memo by one": memo_index(100),
        "tuples of tuples": b"}K\x01" + b"2\x86" * 26 + b"K\x01s.",
        "tuples by the memo": b"}K\x01" + PAIR * 26 + b"K\x01s.",
        "deep tuples": b"K\x01" + b"\x85" * 100_000 + b".",
        "tuples as keys": b"}K\x01K\x01\x86K\x01s.",
        "many tuples as keys": b"}(K\x01\x85K\x01K\x02\x85K\x02u.",
        "hostile identity": b"(K\x01" + b"2\x86" * 22 + b"K\x01K\x01K\x01K\x01tQ.",
        "identity by the memo": b"(K\x01" + PAIR * 15 + b"K\x01K\x01K\x01K\x01tQ.",
        "a number as identity": b"(K\x01K\x01K\x01K\x01K\x01tQ.",
        "get": ORDERED + b"}X\x03\0\0\0getK\x01sb.",
        "items": ORDERED + b"}X\x05\0\0\0itemsK\x01sb.",
        "a class's attributes": b"ccollections\nOrderedDict\n}X\x01\0\0\0aK\x01sb.",
        "a function's attributes": b"ctorch._utils\n_rebuild_parameter\n"
        b"}X\x0c\0\0\0__defaults__Nsb.",
        "a type's state": b"ctorch\nFloatStorage\n(K\x01tb.",
        "slots": ORDERED + b"N}X\x03\0\0\0getK\x01s\x86b.",
        "made of a list": b"ccollections\nOrderedDict\n](K\x01\x85K\x02\x86e\x85R.",
        "an object by name": b"(ccollections\nOrderedDict\no.",
        "new object": b"ccollections\nOrderedDict\n)\x81.",
        "long text number": b"I" + b"1" * 100_000 + b"\n.",
        "list in place of a dict": b"]X\x01\0\0\0aK\x01s.",
        "dict in place of a list": b"}K\x01a.",
        "nothing": b".",
        "only a mark": b"(.",
        "marks": b"(((t.",
        "below the stack": b"\x86.",
        "unknown memo": b"h\x05.",
        "no end": b"}",
        "frozen set": b"(\x91.",
        "deep lists": b"]" * 100_000 + b"a" * 99_999 + b".",
    }.items(),
    ids=lambda case: case[0].replace(" ", "-"),
)
def test_a_hostile_pickle_takes_neither_time_nor_memory(tmp_path, content):
    path = pickled(tmp_path / "w.pth", content[1])
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.time()
    with pytest.raises(CheckpointError, match=r"w\.pth") as refusal:
        torch_weights._weights(path)
    assert time.time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert len(str(refusal.value)) < 500


def test_a_pickle_of_a_million_opcodes_is_refused(tmp_path):
    path = pickled(tmp_path / "w.pth", b"]" + b"Na" * 600_000 + b".")
    with pytest.raises(CheckpointError, match="more than 1,000,000 opcodes"):
        torch_weights.read(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_checkpoints_hold_beside_weights_is_read(tmp_path, protocol):
    weights = collections.OrderedDict(a=1)
    weights._metadata = collections.OrderedDict([("", {"version": 1})])
    betas = (0.9, 0.999)
    content = {
        "model_state_dict": weights,
        "optimizer": {
            "state": {0: {"step": 10, "ok": True}, 2**40: {}},
            "param_groups": [{"lr": 1e-3, "betas": betas, "params": [0, 1]}] * 2,
            "more": {"betas": betas, "nothing": None, "empty": [(), [], {}]},
        },
        "losses": [0.5] * 3000,
        "name": "x" * 300,
        "numbers": [-1, 255, 256, 65535, 65536, 2**31, -(2**62)],
    }
    path = weights_file(
        tmp_path / "w.pth", [("m/data.pkl", pickle.dumps(content, protocol))]
    )
    read = torch_weights.read(path)
    assert read == content
    assert read["model_state_dict"]._metadata == weights._metadata


@pytest.mark.parametrize(
    "arguments",
    [
        b"K\0(K\x01" + b"(K\x01t" + b"t(K\0K\0t",
        b"K\0X\x01\0\0\0aX\x01\0\0\0a",
        b"K\0(" + b"\x8a\xff" + b"\x7f" * 255 + b"t(K\0t",
        b"K\0(" + b"K\0" * 100 + b"t(" + b"K\0" * 100 + b"t",
        b"NN(t",
    ],
)
def test_a_tensor_of_impossible_sizes_is_refused(tmp_path, arguments):
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ"
        + arguments
        + b"NNtR."
    )
    entries = [("m/data.pkl", b"\x80\x02" + tensor), ("m/data/0", bytes(4))]
    path = weights_file(tmp_path / "w.pth", entries)
    with pytest.raises(CheckpointError, match="a tensor's size is none"):
        torch_weights.read(path)


# Magenta.js.

ARRAY = {"name": "a", "shape": [1024], "dtype": "float32"}


def manifest(folder, *groups, shard=bytes(4096)):
    folder.mkdir()
    for name in ("s", "t"):
        (folder / name).write_bytes(shard)
    content = [{"paths": paths, "weights": weights} for paths, weights in groups]
    (folder / "weights_manifest.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("groups", "fault"),
    [
        ([(["s"] * 150, [])], "names 's' more than once"),
        ([(["s"], [ARRAY]), (["s"], [{**ARRAY, "name": "b"}])], "'s' more than once"),
        ([(["s", "t"], [ARRAY, ARRAY])], "names 'a' more than once"),
        ([(["s", "t"], [ARRAY])], "lists 4,096 bytes, and its shards hold 8,192"),
        ([(["s"], [ARRAY, {**ARRAY, "name": "b"}])], "b needs 4,096 bytes, and 0 are"),
        ([(["s"], [{**ARRAY, "name": "n" * 5000}])], "an array named 'nnn"),
        ([(["s"], [{**ARRAY, "shape": [[[]]]}])], "the shape a nested list"),
        ([(["s"], [{**ARRAY, "shape": [1] * 100_000}])], r"has the shape \[1, 1"),
        ([(["s"], [{**ARRAY, "dtype": ["x"] * 9000}])], "is stored as"),
    ],
)
def test_a_strange_manifest_is_refused(tmp_path, groups, fault):
    folder = manifest(tmp_path / "m", *groups)
    with pytest.raises(ExportError, match=fault) as refusal:
        weights_manifest.read(folder)
    assert len(str(refusal.value)) < 700


def test_shards_are_not_read_before_their_sizes_fit(tmp_path):
    folder = manifest(tmp_path / "m", (["s", "t"], [ARRAY]))
    os.truncate(folder / "t", 1 << 40)
    with pytest.raises(ExportError, match="have 1,099,511,631,872 bytes"):
        weights_manifest.read(folder)
    os.truncate(folder / "t", 1 << 31)
    with pytest.raises(ExportError, match=r"and its shards hold 2,147,"):
        weights_manifest.read(folder)


def test_a_manifest_of_many_arrays_is_read_in_linear_time(tmp_path):
    """Not copying what is left of the shards for each array."""
    arrays = [{**ARRAY, "name": f"a{n}", "shape": [1024]} for n in range(20_000)]
    folder = manifest(tmp_path / "m", (["s"], arrays), shard=bytes(4096 * 20_000))
    started = time.time()
    assert len(weights_manifest.read(folder)) == 20_000
    assert time.time() - started < 5
