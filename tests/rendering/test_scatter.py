"""Points of a plane, coloured by what is known of them."""

import numpy as np

from music_vae_tf.rendering import scatter

POINTS = np.random.default_rng(0).normal(size=[20, 2])


def drawn(labels, name="style"):
    return scatter.draw(POINTS, "Title", ("x", "y"), labels, name)


def legend(figure):
    (axes,) = figure.axes
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_most_frequent_texts_have_colours_and_the_others_share_one():
    labels = [*"aaaaabbbbccc", *"ddeeff", "g", "h"]
    figure = drawn(labels)
    assert legend(figure) == [
        *("others (2)", "a (5)", "b (4)", "c (3)", "d (2)", "e (2)", "f (2)"),
    ]
    (axes,) = figure.axes
    groups = [collection.get_offsets() for collection in axes.collections]
    assert [len(group) for group in groups] == [2, 5, 4, 3, 2, 2, 2]
    np.testing.assert_array_equal(groups[1], POINTS[:5])
    colours = {tuple(c.get_facecolor()[0]) for c in axes.collections}
    assert len(colours) == 7


def test_where_nothing_is_known_it_says_so():
    assert legend(drawn(["rock"] * 12 + [""] * 8)) == ["rock (12)", "unknown (8)"]


def test_numbers_are_a_scale():
    axes, bar = drawn([float(n) for n in range(19)] + [float("nan")], "bpm").axes
    (dots,) = axes.collections
    np.testing.assert_array_equal(dots.get_array()[:19], range(19))
    assert dots.get_array().mask.tolist() == [False] * 19 + [True]
    assert len(dots.get_offsets()) == 20  # none is left out
    assert bar.get_ylabel() == "bpm"


def test_without_labels_all_points_look_alike(tmp_path):
    (axes,) = drawn(None).axes
    assert len(axes.collections) == 1 and axes.get_legend() is None
    assert (axes.get_xlabel(), axes.get_title(loc="left")) == ("x", "Title")
    scatter.write(POINTS, tmp_path / "a.png", "Title", ("x", "y"))
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
