"""The documentation: commands parse, generated pages are current, links hold."""

import importlib
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import music_vae_tf as mvt
from music_vae_tf.commands import config_list
from music_vae_tf.data import grooves
from music_vae_tf.data.midi_writer import write_midi

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODULES = {
    file.stem: f"music_vae_tf.commands.{file.stem}"
    for file in (REPOSITORY / "music_vae_tf" / "commands").glob("*.py")
    if "\nrun = command.entry(" in file.read_text(encoding="utf-8")
}
IN_GOLDEN_DATA = {"converters/index.json"}
SCRIPTS = {"bin/demo": "demo", "bin/benchmark": "music_vae_benchmark"}


def shell_lines(page):
    """Command lines of the fenced `bash` blocks, continued lines joined."""
    for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "bash":
            yield from block.replace("\\\n", " ").splitlines()


def commands_of(page):
    """(name, arguments) of each of the project's commands that a page shows."""
    for line in shell_lines(page):
        words = shlex.split(line, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        if words and (name := SCRIPTS.get(words[0], words[0])) in MODULES:
            yield name, words[1:]


SHOWN = [
    pytest.param(name, arguments, id=f"{page.stem}-{name}-{number}")
    for page in PAGES
    for number, (name, arguments) in enumerate(commands_of(page))
]


@pytest.mark.parametrize(("name", "arguments"), SHOWN)
def test_a_command_of_the_documentation_parses(name, arguments):
    if "--help" not in arguments:
        importlib.import_module(MODULES[name]).command.parse(arguments)


def test_the_documentation_shows_every_command():
    shown = {parameter.values[0] for parameter in SHOWN}
    assert set(MODULES) - shown <= {"demo"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_blocks_name_their_language(page):
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w*)$", text, re.MULTILINE)
    assert all(fences[::2]) and not any(fences[1::2])


def test_the_page_of_configs_is_current():
    page = REPOSITORY / "docs" / "play" / "configs.md"
    assert page.read_text(encoding="utf-8") == config_list.markdown(), "run bin/docs"


def test_the_page_of_the_architecture_is_current():
    script = runpy.run_path(str(REPOSITORY / "bin" / "architecture.py"))
    text = script["PAGE"].read_text(encoding="utf-8")
    assert script["page"](text) == text, "run bin/docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    written = re.findall(r"^`([\w./]+)`:$", text, re.MULTILINE)  # by a recipe
    named = re.findall(r"`((?:\w+/)+[\w.]+\.(?:py|yaml|md|js))`", text)
    for name in {*named} - {*written} - IN_GOLDEN_DATA:
        places = [REPOSITORY / place / name for place in ("", "music_vae_tf", "tests")]
        assert any(place.exists() for place in places), name


def test_the_walk_through_a_training_step_names_what_exists():
    text = (REPOSITORY / "docs" / "build" / "architecture.md").read_text("utf-8")
    walk = text.split("## A training step\n")[1].split("\n## ")[0]
    named = re.findall(r"`([\w/]+\.py)`,\s+`(\w+)`", walk)
    assert len(named) >= 14
    for file, name in named:
        source = (REPOSITORY / "music_vae_tf" / file).read_text("utf-8")
        assert re.search(rf"^ *(?:def|class) {name}\b", source, re.M), (file, name)


def test_the_readme_is_short():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 110


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_to_files_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[\w-]*)?\)", text)
    for target in targets:
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


def test_the_site_builds(tmp_path):
    """`mkdocs build --strict` fails at a dead link, and at a page without a place."""
    pytest.importorskip("mkdocs", reason="left out: mkdocs is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    result = subprocess.run(
        [*command, "--site-dir", str(tmp_path / "site")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site" / "play" / "configs" / "index.html").exists()


# What a page's commands find in the folder where they run.
NEEDS = re.compile(
    r"groovae_4bar\.tar|hf://|funk|/shared/|--help|train\.tfrecord|explored/attributes"
)
QUICK = (
    "convert_dir_to_note_sequences",
    "music_vae_generate",
    "music_vae_inspect",
    "music_vae_explore",
)
OF_A_MINUTE = [
    pytest.param(
        *parameter.values,
        id=parameter.id,
        marks=() if parameter.id.startswith("README") else pytest.mark.slow,
    )
    for parameter in SHOWN
    if parameter.values[0] in QUICK and not NEEDS.search(" ".join(parameter.values[1]))
]
DRUM_MAP = "read: {36: 36, 38: 38, 42: 42}\n"


@pytest.fixture(scope="module")
def folder_of_a_reader(tmp_path_factory):
    """MIDI files by the names that pages use, and a run that is trained on them."""
    folder = tmp_path_factory.mktemp("reader")
    files = [f"{name}.mid" for name in ("song", "loop", "first", "second", *"abcd")]
    songs = ["groove/1.mid", "groove/2.mid", "groove/3.mid", "music/1.mid"]
    paths = [folder / name for name in (*files, *songs)]
    for path, (_, sequence) in zip(paths, grooves.performances(len(paths))):
        path.parent.mkdir(exist_ok=True)
        write_midi(sequence, path)
    (folder / "mine.yaml").write_text(DRUM_MAP)
    mvt.train(
        "groovae_4bar",
        folder / "groove",
        folder / "run",
        num_steps=1,
        hparams={"enc_rnn_size": [4], "dec_rnn_size": [4], "batch_size": 2},
    )
    return folder


@pytest.mark.parametrize(("name", "arguments"), OF_A_MINUTE)
def test_a_command_that_takes_less_than_a_minute_runs(
    name, arguments, folder_of_a_reader, monkeypatch, capfd
):
    monkeypatch.chdir(folder_of_a_reader)
    assert importlib.import_module(MODULES[name]).run(arguments) == 0, (
        capfd.readouterr()
    )
