"""Values over steps as a picture."""

import matplotlib.image

from music_vae_tf.rendering import curves

LOSSES = {"training": ([0, 100, 200], [3.0, 2.0, 1.5]), "validation": ([100], [2.5])}


def test_each_curve_has_its_steps_values_and_name():
    (axes,) = curves.draw(LOSSES, "Title", "loss").axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert drawn == {
        "training": [[0, 3.0], [100, 2.0], [200, 1.5]],
        "validation": [[100, 2.5]],
    }
    assert axes.get_xlabel() == "step" and axes.get_ylabel() == "loss"


def test_a_picture_is_written(tmp_path):
    curves.write(LOSSES, tmp_path / "loss.png", "Title", "loss")
    assert matplotlib.image.imread(tmp_path / "loss.png").std() > 0
