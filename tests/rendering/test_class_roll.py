"""Pictures of class rolls show the cells, each class in its colour."""

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.image import imread

from music_vae_tf.rendering.class_roll import COLOURS, Picture, write

CLASSES = ("none", "piano", "guitar", "bass")


def colours_in(path):
    """{colour: share of the picture's pixels} of a PNG file."""
    pixels = imread(path)[..., :3].reshape(-1, 3)
    return {
        colour: np.mean(np.abs(pixels - matplotlib.colors.to_rgb(colour)).max(1) < 0.01)
        for colour in COLOURS
    }


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_class_that_sounds_is_seen_in_its_colour(tmp_path, number):
    roll = np.zeros([50, 128], np.uint8)
    roll[10:40, 58:63] = number
    path = tmp_path / "rolls.png"
    write([[Picture("a roll", roll)]], path, 0.1, CLASSES)
    shares = colours_in(path)
    others = [shares[COLOURS[n]] for n in (1, 2, 3) if n != number]
    assert shares[COLOURS[number]] > 0.05 > 10 * max(others)


def test_rolls_may_be_silent_and_rows_of_different_length(tmp_path):
    silent = Picture("silence", np.zeros([20, 128], np.uint8))
    path = tmp_path / "rolls.png"
    write([[silent, silent], [silent]], path, 0.1, CLASSES)
    assert imread(path).shape[0] > 100
