"""Pictures and sound in a notebook, and notebooks that were written for Magenta."""

import subprocess
import sys

import pytest

import music_vae_tf
from music_vae_tf import notebook
from music_vae_tf.data import grooves

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")


@pytest.fixture
def loop():
    return next(grooves.performances(1))[1]


def test_outside_of_a_notebook_a_picture_and_a_sound_are_files(loop, tmp_path):
    music_vae_tf.plot(loop, "A loop").save(tmp_path / "loop.png")
    music_vae_tf.play(loop).save(tmp_path / "loop.wav")
    assert (tmp_path / "loop.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "loop.wav").read_bytes().startswith(b"RIFF")


def test_html_holds_what_is_shown(loop):
    assert 'src="data:image/png;base64,iVBOR' in notebook.plot(loop)._repr_html_()
    assert '<audio controls src="data:audio/wav;base64,UklGR' in (
        notebook.play(loop)._repr_html_()
    )


def executed(*cells):
    """The outputs of the cells of a notebook, a list for each."""
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(text) for text in cells]
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    return [cell.outputs for cell in book.cells]


def test_a_notebook_shows_each_picture_and_sound_once_and_is_quiet():
    imported, shown = executed(
        "import music_vae_tf as mvt\n"
        "from music_vae_tf.data import grooves\n"
        "mvt.TrainedModel\n"
        "loop = next(grooves.performances(1))[1]",
        "mvt.plot(loop)\nmvt.play(loop)",
    )
    assert imported == []
    html = [output["data"]["text/html"] for output in shown]
    assert [text.split()[0] for text in html] == ["<img", "<audio"]


@pytest.mark.parametrize(
    "line",
    [
        "disable_v2_behavior",
        pytest.param("disable_eager_execution", marks=pytest.mark.slow),
    ],
)
def test_a_notebook_for_tensorflow_1_is_told_which_line_to_remove(line):
    program = (
        "import tensorflow.compat.v1 as tf\n"
        f"tf.{line}()\n"
        "from music_vae_tf.magenta_api import TrainedModel, configs\n"
        "TrainedModel(configs.CONFIG_MAP['groovae_4bar'], batch_size=4)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Remove tf.disable_v2_behavior()" in done.stderr.splitlines()[-1]
