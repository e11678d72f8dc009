"""A batch divided among cores gives what it gives undivided."""

import platform
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf.machine import usable_cores
from music_vae_tf.models import encoders, lstm_decoder, outputs, shards
from music_vae_tf.models.decoder import ReconstructOptions
from music_vae_tf.models.lstm_decoder import LstmDecoder
from music_vae_tf.models.prng import PRNGKey

B, T, D, Z, U = 4, 5, 3, 2, 2


def random(*shape):
    return tf.constant(np.random.default_rng(0).normal(size=shape).astype("f"))


@pytest.fixture(autouse=True)
def same_weights():
    tf.keras.utils.set_random_seed(0)


@pytest.fixture
def divided(monkeypatch):
    """Makes as many shards as a test says."""

    def divide(number):
        for module in (lstm_decoder, encoders):
            monkeypatch.setattr(module, "num_shards", lambda *_, **__: number)

    return divide


def gradients(run, weights):
    with tf.GradientTape() as tape:
        result = run()
        loss = tf.reduce_sum(result**2)
    return [result, *tape.gradient(loss, weights)]


@pytest.mark.parametrize("sampling_probability", [0.0, 0.5])
def test_a_decoder_in_shards_is_the_decoder(divided, sampling_probability):
    decoder = LstmDecoder(outputs.Categorical(D), [U, U], keep_probability=0.5)
    decoder.build(Z, 0)
    classes = np.random.default_rng(1).integers(D, size=[B, T])
    targets = tf.one_hot(classes, D)

    def run():
        return decoder.reconstruct(
            targets,
            tf.constant([5, 3, 4, 5]),
            random(B, Z),
            targets[..., :0],
            ReconstructOptions(
                sampling_probability=tf.constant(sampling_probability),
                dropout=PRNGKey(1),
                rng=PRNGKey(2),
            ),
        ).step_losses

    whole = gradients(run, decoder.trainable_variables)
    divided(2)
    for part, right in zip(gradients(run, decoder.trainable_variables), whole):
        np.testing.assert_allclose(part, right, atol=1e-6)


def test_an_encoder_in_shards_is_the_encoder(divided):
    encoder = encoders.BidirectionalLstmEncoder([U, U], keep_probability=0.5)
    encoder.build(D)
    lengths = tf.constant([5, 0, 4, 5])
    run = lambda: encoder.embed(random(B, T, D), lengths, PRNGKey(1))
    whole = gradients(run, encoder.trainable_variables)
    divided(4)
    for part, right in zip(gradients(run, encoder.trainable_variables), whole):
        np.testing.assert_allclose(part, right, atol=1e-6)


def test_the_gradient_of_sampled_rows_is_that_of_being_taught_them():
    decoder = LstmDecoder(outputs.Categorical(D), [U, U], keep_probability=0.5)
    decoder.build(Z, 0)
    z, lengths = random(B, Z), tf.constant([T] * B)
    targets = tf.one_hot(np.random.default_rng(1).integers(D, size=[B, T]), D)
    nothing, said = targets[..., :0], []

    def sampled():
        result = decoder.reconstruct(
            targets,
            lengths,
            z,
            nothing,
            ReconstructOptions(
                sampling_probability=tf.constant(1.0),
                dropout=PRNGKey(1),
                rng=PRNGKey(2),
            ),
        )
        said.append(result.previous)
        return result.params

    def taught():
        rows = tf.concat([said[0][:, 1:], targets[:, :1]], axis=1)
        options = ReconstructOptions(dropout=PRNGKey(1))
        return decoder.reconstruct(rows, lengths, z, nothing, options).params

    both = [gradients(run, decoder.trainable_variables) for run in (sampled, taught)]
    assert not np.array_equal(said[0][:, 1:], targets[:, :-1])
    for one, other in zip(*both):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("batch_size", "cores_taken", "expected"),
    [(64, 1, 4), (64, 2, 2), (48, 1, 3), (37, 1, 1), (16, 1, 1), (None, 1, 1)],
)
def test_a_batch_is_divided_evenly_and_not_too_far(
    monkeypatch, batch_size, cores_taken, expected
):
    threading = tf.config.threading
    monkeypatch.setattr(threading, "get_intra_op_parallelism_threads", lambda: 1)
    monkeypatch.setattr(threading, "get_inter_op_parallelism_threads", lambda: 4)
    assert shards.num_shards(batch_size, cores_taken) == expected
    monkeypatch.setattr(threading, "get_intra_op_parallelism_threads", lambda: 0)
    assert shards.num_shards(batch_size) == 1


# Threads that allocate side by side; prints how many arenas malloc has made for them,
# in a child with the limit and in one without. TensorFlow is imported once for both.
COUNT_ARENAS = """
import ctypes, io, os, re, sys, tempfile, threading
from music_vae_tf.models import shards

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.fdopen.restype = ctypes.c_void_p
child = os.fork()
if child:
    os.waitpid(child, 0)
else:
    shards.limit_malloc_arenas()
wait = threading.Barrier(32)


def allocate():
    wait.wait()
    for size in range(1, 200):
        libc.malloc(ctypes.c_size_t(size * 100))
    wait.wait()


threads = [threading.Thread(target=allocate) for _ in range(32)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fdopen(os.dup(file.fileno()), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(len(re.findall(b"<heap nr=", open(file.name, "rb").read())))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the GNU C library")
def test_malloc_makes_no_more_arenas_than_cores(monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)

    command = [sys.executable, "-c", COUNT_ARENAS]
    done = subprocess.run(command, capture_output=True, check=True)
    limited, as_it_is = map(int, done.stdout.split())
    # Python's own threads start with an arena or two before the limit is set.
    assert limited <= usable_cores() + 1 < as_it_is
