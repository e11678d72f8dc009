"""Weights of class-roll models from PyTorch checkpoints, without PyTorch.

A checkpoint of PyTorch is a zip file of raw storages and a pickle that says how tensors
lie in them. A pickle can name any function to be called; the reader here knows the few
that tensors need, each by a function of its own, and refuses all others.
"""

from __future__ import annotations

import errno
import io
import math
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from music_vae_tf.checkpoint import torch_pickle
from music_vae_tf.checkpoint.finding import CheckpointError
from music_vae_tf.checkpoint.finite import check_finite

WEIGHTS = "model_state_dict"
DTYPES = {
    "HalfStorage": np.float16,
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "IntStorage": np.int32,
    "LongStorage": np.int64,
}


MAX_RANK = 32
LARGEST_SIZE = 2**62
MAX_RATIO = 100  # of unpacked to packed bytes; PyTorch packs nothing
ALWAYS_ALLOWED_BYTES = 10_000_000
COPIES = 4  # of all storages together, which tensors may be
# What the libraries raise for archives and pickles that are damaged.
DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RuntimeError,  # encrypted, an unknown compression, recursion
    MemoryError,
)


def read(path: str | os.PathLike) -> dict:
    """What a PyTorch checkpoint holds, with NumPy arrays for tensors.

    Raises:
        CheckpointError: it is none, or damaged, unpacks to far more than its size, or
            asks for code to be run.
        OSError: it cannot be read.
    """
    path = Path(path).expanduser()
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise CheckpointError(
                f"{path} is not a PyTorch checkpoint of version 1.6 or later, which is "
                "a zip file with a data.pkl in it"
            )
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive, os.path.getsize(path))
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
        except DAMAGE as error:
            raise CheckpointError(f"{path} is damaged: {error}") from error
        except OSError as error:
            if error.errno != errno.EINVAL:  # an offset that no file has
                raise
            raise CheckpointError(f"{path} is damaged: {error}") from error


def _read(archive, packed_bytes):
    size = sum(info.file_size for info in archive.infolist())
    limit = max(MAX_RATIO * packed_bytes, ALWAYS_ALLOWED_BYTES)
    if size > limit:
        raise CheckpointError(
            f"it would unpack to {size:,} bytes, {limit:,} are the limit for its size"
        )
    names = [name for name in archive.namelist() if name.endswith("data.pkl")]
    if len(names) != 1:
        raise CheckpointError(
            "there is no PyTorch checkpoint of version 1.6 or later in it: it has "
            f"{len(names)} files data.pkl, where one is expected"
        )
    if archive.getinfo(names[0]).file_size > torch_pickle.MAX_BYTES:
        raise CheckpointError(
            f"its data.pkl has more than {torch_pickle.MAX_BYTES:,} bytes"
        )
    pickled = archive.read(names[0])
    torch_pickle.check(pickled)
    return _Unpickler(archive, names[0], pickled, COPIES * size).load()


class _Unpickler(pickle.Unpickler):
    """Reads tensors as arrays; calls nothing but what is in this file."""

    def __init__(self, archive, name, pickled, tensor_bytes):
        """tensor_bytes: how large all tensors together may be."""
        super().__init__(io.BytesIO(pickled))
        self._archive, self._folder = archive, name.removesuffix("data.pkl")
        self._bytes_left = tensor_bytes
        self._names, self._storages = set(archive.namelist()), {}
        is_big = self._entry("byteorder") == b"big"
        self._byte_order = ">" if is_big else "<"

    def _entry(self, name) -> bytes | None:
        path = f"{self._folder}{name}"
        return self._archive.read(path) if path in self._names else None

    def find_class(self, module, name):
        if module == "torch" and name in DTYPES:
            return np.dtype(DTYPES[name])
        allowed = {
            ("collections", "OrderedDict"): torch_pickle.StateDict,
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
        }
        if (module, name) not in allowed:
            raise CheckpointError(
                f"it asks for {torch_pickle.shown(f'{module}.{name}')}, which no "
                "weights need; it is not read. Save the state_dict, not the whole model"
            )
        return allowed[module, name]

    def persistent_load(self, identity):
        kind, dtype, key, _, count = identity
        if not (isinstance(kind, str) and kind == "storage"):
            raise CheckpointError(f"it refers to a {type(kind)}, where storages are")
        if not (isinstance(dtype, np.dtype) and isinstance(key, str)):
            raise CheckpointError("it refers to a storage without type or name")
        if not _is_size(count):
            raise CheckpointError("it refers to a storage of no size")
        if key not in self._storages:
            self._storages[key] = self._storage(dtype, key, count)
        return self._storages[key]

    def _storage(self, dtype, key, count):
        data = self._entry(f"data/{key}") or b""
        if len(data) != count * dtype.itemsize:
            raise CheckpointError(
                f"storage {torch_pickle.shown(key)} has {len(data)} bytes, where "
                f"{count} numbers of {dtype.itemsize} bytes should be: the file is "
                "damaged"
            )
        return np.frombuffer(data, dtype.newbyteorder(self._byte_order))

    def _tensor(self, storage, offset, size, stride, *_):
        """torch._utils._rebuild_tensor_v2: a view of a storage, copied."""
        if not (_are_sizes(size) and _are_sizes(stride) and _is_size(offset)):
            raise CheckpointError("a tensor's size is none: the file is damaged")
        if 0 in size:
            return np.zeros(size, storage.dtype)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride))
        if min(offset, *size, *stride, 0) < 0 or last >= len(storage):
            raise CheckpointError(
                "a tensor lies outside its storage: the file is damaged"
            )
        self._bytes_left -= math.prod(size) * storage.itemsize
        if self._bytes_left < 0:
            raise CheckpointError(
                f"its tensors take more than {COPIES} times the bytes of its storages"
            )
        strides = [step * storage.itemsize for step in stride]
        view = np.lib.stride_tricks.as_strided(storage[offset:], size, strides)
        return view.astype(storage.dtype.newbyteorder("="))


def _are_sizes(values) -> bool:
    is_tuple = isinstance(values, tuple) and len(values) <= MAX_RANK
    return is_tuple and all(_is_size(value) for value in values)


def _is_size(value) -> bool:
    return type(value) is int and abs(value) <= LARGEST_SIZE


def _parameter(tensor, *_):
    """torch._utils._rebuild_parameter."""
    return tensor


# From tensors to variables. PyTorch's features are flattened channels first, and its
# LSTM has its gates in the order i, f, g, o.


def _convolution(weight, _):
    """[out, in, 3, 3], or [in, out, 3, 3] of a transposed one -> [3, 3, in, out], or
    [3, 3, out, in]."""
    return weight.transpose(2, 3, 1, 0)


def _linear(weight, _):
    return weight.T


def _from_features(weight, flat):
    """[Z, C * area + K] -> [area * C + K, Z]."""
    features, condition = np.split(weight.T, [flat.features])
    return np.concatenate([_channels_last(features, flat.channels), condition])


def _to_features(weight, flat):
    """[C * area, D] -> [D, area * C], or a bias [C * area] alike."""
    return _channels_last(weight, flat.channels).T


def _channels_last(rows, channels):
    """[C * area, ...] -> [area * C, ...]."""
    parts = rows.reshape(channels, -1, *rows.shape[1:])
    return parts.swapaxes(0, 1).reshape(rows.shape)


def _gates(weight, _):
    """[4 U, D] or [4 U] -> [D, 4 U] or [4 U], gates in the order i, g, f, o."""
    i, f, g, o = np.split(weight, 4)
    return np.concatenate([i, g, f, o]).T


def _as_it_is(weight, _):
    return weight


class _Flat(NamedTuple):
    """The flattened features between convolutions and vectors."""

    channels: int  # C
    features: int  # C * area


class _Pair(NamedTuple):
    """A tensor there, the variable here, and what makes the one of the other."""

    theirs: str
    ours: str
    change: Callable


def _layer(theirs, ours, kernel, bias=_as_it_is):
    return [
        _Pair(f"{theirs}.weight", f"{ours}/kernel", kernel),
        _Pair(f"{theirs}.bias", f"{ours}/bias", bias),
    ]


_DECODER = [
    *_layer("fc_decode", "decoder/linear", _to_features, _to_features),
    *_layer("dec_conv1", "decoder/deconv_1", _convolution),
    *_layer("dec_conv2", "decoder/deconv_2", _convolution),
    *_layer("dec_conv3", "decoder/deconv_3", _convolution),
]
CONV_CVAE = [
    *_layer("enc_conv1", "encoder/conv_1", _convolution),
    *_layer("enc_conv2", "encoder/conv_2", _convolution),
    *_layer("enc_conv3", "encoder/conv_3", _convolution),
    *_layer("fc_mu", "encoder/z_mean", _from_features),
    *_layer("fc_logvar", "encoder/z_log_variance", _from_features),
    *_DECODER,
]
CLSTM_DECODER = [
    _Pair("lstm.weight_ih_l0", "lstm/kernel", _gates),
    _Pair("lstm.weight_hh_l0", "lstm/recurrent_kernel", _gates),
    _Pair("lstm.bias_ih_l0", "lstm/bias", _gates),
    _Pair("lstm.bias_hh_l0", "lstm/recurrent_bias", _gates),
    *_DECODER,
]
MODELS = {"conv_cvae": CONV_CVAE, "clstm_decoder": CLSTM_DECODER}


def restore(variables: Mapping[str, Any], path: Any, kind: str) -> None:
    """Assigns the tensors of a PyTorch checkpoint to `{our name: variable}`.

    Either all variables are assigned, or none.

    Args:
        path: of a dict with `latent_dim`, `condition_dim` and `model_state_dict`.
        kind: of the model, one of MODELS.

    Raises:
        CheckpointError: it cannot be read, or is of another model; the message has the
            differences.
    """
    weights = _weights(path)
    pairs = MODELS[kind]
    theirs = {pair.theirs for pair in pairs}
    missing, unread = theirs - set(weights), set(weights) - theirs
    if missing or unread:
        raise CheckpointError(
            f"{path} is not a checkpoint of {kind}: missing "
            f"{', '.join(sorted(missing)) or 'nothing'}; not of this model "
            f"{', '.join(sorted(unread)) or 'nothing'}"
        )
    arrays = _as_ours(weights, pairs, path)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    for name, array in arrays.items():
        if shapes[name] != array.shape:
            raise CheckpointError(
                f"{path}: {name} is of shape {list(shapes[name])} in the model, and of "
                f"{list(array.shape)} in the checkpoint: give the sizes that it was "
                "trained with"
            )
    check_finite(arrays, path)
    for name, array in arrays.items():
        variables[name].assign(array)


def _as_ours(weights, pairs, path) -> dict[str, np.ndarray]:
    """The tensors in our layout, by our names."""
    try:
        flat = _Flat(
            weights["dec_conv1.weight"].shape[0], weights["fc_decode.weight"].shape[0]
        )
        return {pair.ours: pair.change(weights[pair.theirs], flat) for pair in pairs}
    except (ValueError, IndexError) as error:  # of another number of axes
        raise CheckpointError(
            f"{path}: a tensor is of the wrong shape: {error}"
        ) from error


def _weights(path) -> dict[str, np.ndarray]:
    content = read(path)
    # Not by the object's own method, which a pickle might have replaced.
    weights = dict.get(content, WEIGHTS) if isinstance(content, dict) else None
    if not isinstance(weights, dict):
        raise CheckpointError(
            f"{path} holds no {WEIGHTS}, where the weights of these models lie"
        )
    for name, tensor in weights.items():
        if not (isinstance(name, str) and isinstance(tensor, np.ndarray)):
            what = (
                torch_pickle.shown(str(name)) if isinstance(name, str) else type(name)
            )
            raise CheckpointError(f"{path}: {what} of {WEIGHTS} is not a tensor")
    return weights
