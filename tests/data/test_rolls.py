"""Files of class rolls, and batches of them for training."""

import numpy as np
import pytest
import tensorflow as tf
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.batch import Batch
from music_vae_tf.data import pipeline, rolls
from music_vae_tf.data.converters.piano_roll import PianoRollConverter
from music_vae_tf.models.prng import PRNGKey

CONVERTER = PianoRollConverter(0.1, 6, 4, 5, 6)


def piece(seconds=1.6):
    sequence = NoteSequence(total_time=seconds)
    for i, program in enumerate((0, 25, 33)):
        sequence.notes.add(
            pitch=50 + i, velocity=80, start_time=0, end_time=seconds, program=program
        )
    return sequence


def three_rolls():
    found, _ = rolls.of_sequence(piece(), CONVERTER, "a piece")
    return found


def test_a_piece_gives_its_windows_with_their_lengths_and_names():
    found = three_rolls()
    assert found.names.tolist() == ["a piece 1", "a piece 2", "a piece 3"]
    assert found.steps.tolist() == [10, 10, 6]
    classes = found.classes()
    assert classes.shape == (3, 10, 128)
    assert classes[0, 0, 50:53].tolist() == [1, 2, 3]
    assert not classes[2, 6:].any()
    np.testing.assert_array_equal(found.classes(slice(6, 10)), classes[:, 6:10])


def test_a_single_window_has_the_pieces_name():
    found, left_out = rolls.of_sequence(piece(0.8), CONVERTER, "a piece")
    assert found.names.tolist() == ["a piece"] and not left_out


def test_a_file_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "rolls.npz"
    written = rolls.joined([three_rolls(), three_rolls()])
    rolls.write(written, path)
    for array, expected in zip(rolls.read(path, 10), written):
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and so on", b"something else"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "rolls.npz"
    path.write_bytes(content)
    with pytest.raises(rolls.BadRolls, match="not a file of class rolls; piano_roll"):
        rolls.read(path, 10)


def test_files_of_other_arrays_are_refused(tmp_path):
    path = tmp_path / "rolls.npz"
    np.savez(path, something=np.zeros(3))
    with pytest.raises(rolls.BadRolls, match="not a file of class rolls"):
        rolls.read(path, 10)


def test_files_with_pickles_are_refused(tmp_path):
    path = tmp_path / "rolls.npz"
    np.savez(path, cells=np.array([{}]), steps=np.zeros(1), names=np.array(["a"]))
    with pytest.raises(rolls.BadRolls, match="not a file of class rolls"):
        rolls.read(path, 10)


def test_rolls_of_another_length_are_refused_with_both_shapes(tmp_path):
    path = tmp_path / "rolls.npz"
    rolls.write(three_rolls(), path)
    with pytest.raises(rolls.BadRolls, match=r"\[3, 10, 32\]; uint8 of \[3, 500, 32\]"):
        rolls.read(path, 500)


def test_a_file_without_rolls_is_refused(tmp_path):
    path = tmp_path / "rolls.npz"
    rolls.write(rolls.Rolls(*(array[:0] for array in three_rolls())), path)
    with pytest.raises(rolls.BadRolls, match="holds no rolls"):
        rolls.read(path, 10)


def test_rolls_are_examples_of_the_pipeline():
    found = three_rolls()
    batches = pipeline.evaluation_batches(rolls.store(found), 3)
    (batch,) = batches
    np.testing.assert_array_equal(batch.targets, found.classes())
    np.testing.assert_array_equal(batch.lengths, found.steps)


class Draws:
    """Numbers from 0 to 1 that are given, in place of a PRNGKey."""

    def __init__(self, *numbers):
        self.numbers = tf.constant(numbers)

    def uniform(self, shape):
        return self.numbers


def batch_of(classes):
    targets = tf.constant(classes, tf.float32)
    return Batch(targets, targets, targets[..., :0], tf.zeros(len(classes), tf.int32))


def test_rolls_are_moved_by_whole_semitones_and_lose_what_leaves_the_pitches():
    classes = np.zeros([3, 2, 128])
    classes[:, 0, [0, 60, 127]] = [1, 2, 3]
    moved = rolls.transposed(batch_of(classes), -2, 1, Draws(0.0, 0.5, 0.99))
    down, same, up = np.array(moved.targets)
    assert np.flatnonzero(down[0]).tolist() == [58, 125]
    np.testing.assert_array_equal(same, classes[1])
    assert np.flatnonzero(up[0]).tolist() == [1, 61]
    np.testing.assert_array_equal(moved.inputs, moved.targets)


def test_every_transposition_is_drawn():
    classes = np.zeros([200, 1, 128])
    classes[:, 0, 60] = 1
    moved = rolls.transposed(batch_of(classes), -2, 3, PRNGKey(0))
    pitches = np.array(moved.targets)[:, 0].argmax(axis=1)
    assert set(pitches.tolist()) == {58, 59, 60, 61, 62, 63}
