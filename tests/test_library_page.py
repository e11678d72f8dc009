"""The page of the library and the notebook: their code runs as it stands there."""

import re
import shutil
from pathlib import Path

import pytest

import music_vae_tf as mvt
from music_vae_tf.data import grooves

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "library.md").read_text(encoding="utf-8")
NOTEBOOK = DOCS / "notebooks" / "latent_space.ipynb"
# Instead of the page's own, so that the test takes seconds: a model of two units.
TINY = '{"enc_rnn_size": [2], "dec_rnn_size": [2], "z_size": 2, "batch_size": 4'
SHORT = f"NUM_GROOVES = 24\nNUM_STEPS = 6\nHPARAMS = {TINY}}}"


def python_blocks():
    return re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def shortened(code):
    return code.replace('{"batch_size": 8', TINY).replace("=1500", "=4")


def test_the_code_of_the_library_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_midi").mkdir()
    for number, (_, sequence) in enumerate(grooves.performances(12)):
        mvt.write_midi(sequence, tmp_path / "my_midi" / f"{number}.mid")
    shutil.copytree("my_midi", "more_midi")
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)
    names = {}
    for block in python_blocks():
        exec(compile(shortened(block), "docs/library.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("4 ") and printed[0].endswith("model.ckpt-4")
    assert printed[-1].startswith("no option is called 'nmu_steps'; did you mean num_")
    assert len(names["losses"]) == 4 and names["result"].was_complete
    assert len(names["variations"]) == 1
    assert names["stereo"].shape[1] == 2 and names["mono"].ndim == 1
    made = {path.name for path in tmp_path.iterdir()}
    assert {"loop.mid", "loop.png", "loop.wav", "run", "run_2"} <= made
    assert "run_3" not in made


def test_the_page_of_the_library_names_every_public_name():
    for name in set(mvt.__all__) - {"__version__"}:
        assert f"`{name}`" in PAGE, name


def executed(parameters=None):
    """The cells of the notebook after they ran, by their ids."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    book = nbformat.read(NOTEBOOK, as_version=4)
    if parameters:
        (cell,) = (c for c in book.cells if "parameters" in c.metadata.get("tags", ()))
        cell.source = parameters
    nbclient.NotebookClient(book, timeout=1800, kernel_name="python3").execute()
    return {cell.id: cell for cell in book.cells}


def kinds_of_output(cell):
    """`img`, `audio`, `stream` and `figure`, in the order of the outputs."""
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            yield "figure"
        elif "text/html" in data:
            yield data["text/html"].split()[0].lstrip("<")
        else:
            yield output.output_type


def check(cells):
    assert list(kinds_of_output(cells["grooves"])) == ["img", "audio"]
    assert list(kinds_of_output(cells["losses"])) == ["figure"]
    assert list(kinds_of_output(cells["sample"])) == ["img", "audio", "img", "audio"]
    assert list(kinds_of_output(cells["interpolate"])) == [*["img"] * 3, "audio"]
    assert list(kinds_of_output(cells["scatter"])) == ["figure"]
    assert "s of sound" in cells["write"].outputs[0].text


def test_the_notebook_runs_with_a_tiny_model():
    cells = executed(SHORT)
    check(cells)
    assert cells["train"].outputs[0].text.startswith("6 steps, validation loss")


@pytest.mark.slow
def test_the_notebook_runs_as_it_stands_there_and_the_model_learns():
    cells = executed()
    check(cells)
    text = cells["train"].outputs[0].text
    first, lowest = map(float, re.findall(r"[0-9]+\.[0-9]", text))
    assert lowest < 0.9 * first


def test_the_notebook_holds_no_outputs():
    """They are large, and differ from one machine to the next."""
    assert '"outputs": []' in NOTEBOOK.read_text(encoding="utf-8")
    assert "data:image" not in NOTEBOOK.read_text(encoding="utf-8")
