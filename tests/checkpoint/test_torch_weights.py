"""PyTorch checkpoints are read without PyTorch, and without running what they hold.

The checkpoints are made here, byte for byte as PyTorch lays them out.
"""

import collections
import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from music_vae_tf.checkpoint import CheckpointError, torch_weights
from music_vae_tf.models.piano_roll_vae import ClstmDecoder, ConvCvae

RNG = np.random.default_rng(0)
STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "i8": "LongStorage"}
# Opcodes of pickles.
PROTOCOL_2, GLOBAL, MARK, TUPLE, REDUCE = b"\x80\x02", b"c", b"(", b"t", b"R"
PERSISTENT, DICT, SET_ITEMS, FALSE, STOP = b"Q", b"}", b"u", b"\x89", b"."


def text(value):
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value):
    return b"J" + struct.pack("<i", value)


def items(*values):
    return MARK + b"".join(values) + TUPLE


def name(module, attribute):
    return GLOBAL + f"{module}\n{attribute}\n".encode()


def ordered_dict():
    return name("collections", "OrderedDict") + items() + REDUCE


class Storages:
    """The storages of a checkpoint, and pickles of tensors in them."""

    def __init__(self):
        self.files = {}

    def tensor(self, array, strides=None, offset=0, shape=None):
        """The pickle of a tensor, whose storage is the array's memory."""
        array = np.asarray(array)
        key = str(len(self.files))
        self.files[key] = array.tobytes()
        storage = items(
            text("storage"),
            name("torch", STORAGES[array.dtype.str[1:]]),
            *(text(key), text("cpu"), number(array.size)),
        )
        shape = array.shape if shape is None else shape
        if strides is None:
            strides = np.cumprod([1, *shape[:0:-1]])[::-1][: len(shape)].tolist()
        arguments = items(
            storage + PERSISTENT,
            number(offset),
            items(*map(number, shape)),
            items(*map(number, strides)),
            FALSE,
            ordered_dict(),
        )
        return name("torch._utils", "_rebuild_tensor_v2") + arguments + REDUCE


def dictionary(start=DICT, **pickles):
    pairs = b"".join(text(key) + value for key, value in pickles.items())
    return start + MARK + pairs + SET_ITEMS


def write(path, content, storages=None):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", PROTOCOL_2 + content + STOP)
        for key, data in (storages.files if storages else {}).items():
            archive.writestr(f"model/data/{key}", data)
        archive.writestr("model/version", "3\n")


def write_weights(path, weights):
    """A checkpoint as the original writes its own."""
    storages = Storages()
    tensors = {key: storages.tensor(value) for key, value in weights.items()}
    content = dictionary(
        latent_dim=number(2),
        condition_dim=number(4),
        model_state_dict=dictionary(ordered_dict(), **tensors),
    )
    write(path, content, storages)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


# Reading


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i8"])
def test_tensors_are_read_as_arrays(path, dtype):
    array = RNG.integers(9, size=[2, 3]).astype(dtype)
    storages = Storages()
    write(path, dictionary(a=storages.tensor(array)), storages)
    result = torch_weights.read(path)["a"]
    assert result.dtype == array.dtype
    np.testing.assert_array_equal(result, array)


def test_a_tensor_may_be_a_view_of_its_storage(path):
    array = np.arange(12, dtype="<f4")
    storages = Storages()
    tensor = storages.tensor(array, strides=[1, 4], offset=2, shape=[3, 2])
    write(path, dictionary(a=tensor), storages)
    expected = [[2, 6], [3, 7], [4, 8]]
    np.testing.assert_array_equal(torch_weights.read(path)["a"], expected)


@pytest.mark.parametrize("offset, strides", [(7, [4, 1]), (-1, [4, 1]), (9, [-4, 1])])
def test_a_tensor_outside_its_storage_is_refused(path, offset, strides):
    storages = Storages()
    tensor = storages.tensor(np.arange(12, dtype="<f4"), strides, offset, [2, 2])
    write(path, dictionary(a=tensor), storages)
    with pytest.raises(CheckpointError, match="outside its storage"):
        torch_weights.read(path)


def test_a_storage_that_is_cut_off_is_refused(path):
    storages = Storages()
    tensor = storages.tensor(np.arange(12, dtype="<f4"))
    storages.files["0"] = storages.files["0"][:-1]
    write(path, dictionary(a=tensor), storages)
    with pytest.raises(CheckpointError, match="47 bytes, where 12 numbers"):
        torch_weights.read(path)


class Malicious:
    """Writes a file when it is unpickled by someone careless."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_code_in_a_checkpoint_is_not_run(path, tmp_path):
    victim = tmp_path / "victim"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(Malicious(victim), 2))
    with pytest.raises(CheckpointError, match=r"asks for \w+\.open, which no weights"):
        torch_weights.read(path)
    assert not victim.exists()
    pickle.loads(pickle.dumps(Malicious(victim), 2)).close()
    assert victim.exists(), "the test tests nothing"


def test_other_files_are_not_checkpoints(path):
    path.write_bytes(pickle.dumps({}))
    with pytest.raises(CheckpointError, match=r"a PyTorch checkpoint of version 1\.6"):
        torch_weights.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("something", "else")
    with pytest.raises(CheckpointError, match=r"no PyTorch checkpoint of version 1\.6"):
        torch_weights.read(path)


def test_a_pickle_that_is_cut_off_is_damaged(path):
    whole = io.BytesIO(pickle.dumps(list(range(99)), 2)).getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", whole[:-20])
    with pytest.raises(CheckpointError, match="is damaged"):
        torch_weights.read(path)


# Restoring


def cvae_weights():
    """Weights under the original's names and in its shapes, for 5 steps and 2 units."""
    shapes = {
        "enc_conv1": (2, 4, 3, 3),
        "enc_conv2": (2, 2, 3, 3),
        "enc_conv3": (3, 2, 3, 3),
        "fc_mu": (2, 3 * 16 + 4),
        "fc_logvar": (2, 3 * 16 + 4),
        "fc_decode": (3 * 16, 2 + 4),
        "dec_conv1": (3, 2, 3, 3),
        "dec_conv2": (2, 2, 3, 3),
        "dec_conv3": (2, 4, 3, 3),
    }
    return with_biases(shapes)


def clstm_weights():
    weights = with_biases(
        {
            "fc_decode": (3 * 16, 2 + 4),
            "dec_conv1": (3, 2, 3, 3),
            "dec_conv2": (2, 2, 3, 3),
            "dec_conv3": (2, 4, 3, 3),
        }
    )
    for key, shape in (("ih", (8, 2 + 4)), ("hh", (8, 2))):
        weights[f"lstm.weight_{key}_l0"] = normal(shape)
        weights[f"lstm.bias_{key}_l0"] = normal((8,))
    return weights


def with_biases(shapes):
    weights = {}
    for layer, shape in shapes.items():
        transposed = layer.startswith("dec_conv")
        weights[f"{layer}.weight"] = normal(shape)
        weights[f"{layer}.bias"] = normal((shape[1 if transposed else 0],))
    return weights


def normal(shape):
    return RNG.normal(size=shape).astype("<f4")


def padded(planes):
    return np.pad(planes, [(0, 0), (1, 1), (1, 1)])


def convolved(planes, weight, bias):
    """PyTorch's Conv2d(kernel 3, stride 2, padding 1) and ReLU: [C, H, W]."""
    height, width = (-(-n // 2) for n in planes.shape[1:])
    planes = padded(planes)
    result = np.empty([len(weight), height, width])
    for y, x in np.ndindex(height, width):
        patch = planes[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
        result[:, y, x] = np.einsum("ocyx,cyx->o", weight, patch) + bias
    return np.maximum(result, 0)


def deconvolved(planes, weight, bias, size):
    """PyTorch's ConvTranspose2d of the same sizes: [C, H, W] -> [C', *size]."""
    result = np.zeros([weight.shape[1], size[0] + 2, size[1] + 2])
    for y, x in np.ndindex(*planes.shape[1:]):
        patch = np.einsum("c,coyx->oyx", planes[:, y, x], weight)
        room = result[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
        room += patch[:, : room.shape[1], : room.shape[2]]
    return result[:, 1:-1, 1:-1] + bias[:, None, None]


def decoded(weights, vector, condition, sizes):
    """fc_decode, view and the transposed convolutions, channels first."""
    inputs = np.concatenate([vector, condition])
    hidden = weights["fc_decode.weight"] @ inputs + weights["fc_decode.bias"]
    hidden = hidden.reshape(3, *sizes[-1])
    for i, size in enumerate(sizes[-2::-1], start=1):
        layer = (weights[f"dec_conv{i}.{part}"] for part in ("weight", "bias"))
        hidden = deconvolved(hidden, *layer, size)
        hidden = hidden if i == 3 else np.maximum(hidden, 0)
    return hidden


SIZES = [(5, 128), (3, 64), (2, 32), (1, 16)]
CONDITION = np.array([1, 1, 0, 1], "f4")


def test_a_cvae_computes_what_its_original_does(path):
    weights = cvae_weights()
    write_weights(path, weights)
    model = ConvCvae(5, 2, [2, 2, 3])
    torch_weights.restore(model.named_variables, path, "conv_cvae")

    roll = RNG.integers(0, 4, [5, 128])
    hidden = np.eye(4)[roll].transpose(2, 0, 1)
    for i in (1, 2, 3):
        layer = (weights[f"enc_conv{i}.{part}"] for part in ("weight", "bias"))
        hidden = convolved(hidden, *layer)
    features = np.concatenate([hidden.ravel(), CONDITION])
    mu, log_variance = (
        weights[f"{layer}.weight"] @ features + weights[f"{layer}.bias"]
        for layer in ("fc_mu", "fc_logvar")
    )
    our_mu, our_sigma = model.posterior(roll[None].astype("f4"), CONDITION[None])
    np.testing.assert_allclose(our_mu[0], mu, rtol=1e-3)
    np.testing.assert_allclose(our_sigma[0], np.exp(log_variance / 2), rtol=1e-3)

    z = normal((2,))
    logits = decoded(weights, z, CONDITION, SIZES).transpose(1, 2, 0)
    ours = model.logits(z[None], CONDITION[None])[0]
    np.testing.assert_allclose(ours, logits, rtol=1e-3, atol=1e-3)


def test_a_clstm_computes_what_its_original_does(path):
    weights = clstm_weights()
    write_weights(path, weights)
    model = ClstmDecoder(5, 2, 1, 2, [2, 2, 3])
    torch_weights.restore(model.named_variables, path, "clstm_decoder")

    z = normal((2,))
    inputs = np.concatenate([z, CONDITION])
    gates = weights["lstm.weight_ih_l0"] @ inputs
    gates += weights["lstm.bias_ih_l0"] + weights["lstm.bias_hh_l0"]
    i, f, g, o = np.split(gates, 4)
    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    last = sigmoid(o) * np.tanh(sigmoid(i) * np.tanh(g))
    logits = decoded(weights, last, CONDITION, SIZES).transpose(1, 2, 0)
    ours = model.logits(z[None, None], CONDITION[None])[0]
    np.testing.assert_allclose(ours, logits, rtol=1e-3, atol=1e-3)


def test_recurrent_weights_are_read_in_our_order_of_gates(path):
    weights = clstm_weights()
    write_weights(path, weights)
    model = ClstmDecoder(5, 2, 1, 2, [2, 2, 3])
    torch_weights.restore(model.named_variables, path, "clstm_decoder")
    i, f, g, o = np.split(weights["lstm.weight_hh_l0"], 4)
    ours = np.array(model.lstm.recurrent_kernel)
    np.testing.assert_array_equal(ours, np.concatenate([i, g, f, o]).T)


def test_a_checkpoint_of_the_other_model_is_refused_by_the_names_that_differ(path):
    write_weights(path, clstm_weights())
    variables = ConvCvae(5, 2, [2, 2, 3]).named_variables
    with pytest.raises(CheckpointError, match=r"missing .*fc_mu.*lstm\.weight"):
        torch_weights.restore(variables, path, "conv_cvae")


def test_other_sizes_are_refused_and_nothing_is_changed(path):
    write_weights(path, cvae_weights())
    model = ConvCvae(5, 3, [2, 2, 3])
    before = [np.array(variable) for variable in model.weights]
    with pytest.raises(CheckpointError, match=r"z_mean/kernel is of shape \[52, 3\]"):
        torch_weights.restore(model.named_variables, path, "conv_cvae")
    for array, variable in zip(before, model.weights):
        np.testing.assert_array_equal(array, variable)


def test_weights_that_are_not_numbers_are_refused_and_nothing_is_changed(path):
    weights = cvae_weights()
    weights["fc_mu.bias"] = np.full_like(weights["fc_mu.bias"], np.nan)
    write_weights(path, weights)
    arrays = torch_weights._as_ours(weights, torch_weights.CONV_CVAE, path)
    variables = {name: np.zeros(array.shape) for name, array in arrays.items()}
    with pytest.raises(CheckpointError, match="z_mean/bias has values that are not"):
        torch_weights.restore(variables, path, "conv_cvae")


def test_a_checkpoint_without_weights_says_what_is_missing(path):
    write(path, dictionary(latent_dim=number(2)))
    with pytest.raises(CheckpointError, match="holds no model_state_dict"):
        torch_weights.restore({}, path, "conv_cvae")


def test_ordered_dicts_come_back_with_their_metadata(path):
    pickled = pickle.dumps(collections.OrderedDict(a=1), 2)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickled)
    assert torch_weights.read(path) == {"a": 1}
