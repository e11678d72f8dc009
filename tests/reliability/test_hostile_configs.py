"""Configs and tables that would take time, memory or recursion are refused at once."""

import contextlib
import random
import time

import pytest

from music_vae_tf import config
from music_vae_tf.config import ConfigError
from music_vae_tf.data.groove_dataset import (
    BadGrooveDataset,
    files_of_splits,
    read_info,
)

TEXT = config.dump(config.load("groovae_2bar_humanize"))
MAX_SECONDS = 2
CHANGED_CONFIGS = 150


def anchors(levels=9):
    bomb = "[&a0 [x,x,x,x,x,x,x,x,x,x]"
    for level in range(1, levels):
        bomb += f", &a{level} [{','.join([f'*a{level - 1}'] * 10)}]"
    return bomb + "]"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (anchors(), "anchors and aliases"),
        ("&a [*a]", "anchors and aliases"),
        ("[" * 500 + "]" * 500, "nested more than 40"),
        ("[" * 100_000, "nested more than 40"),
        ("{a: " * 500 + "}" * 500, "nested more than 40"),
        ("9" * 5000, "a value of 5,000 characters"),
        ("x" * 2_000_000, "characters, 1,000,000 at most"),
        ("2001-99-99", "z_size"),
        ("!!python/object/apply:os.system [echo]", "not YAML"),
        ("!!binary '@'", "z_size|not YAML"),
        (".nan", "z_size"),
        (".inf", "z_size"),
        ("1e400", "z_size"),
        ("0x" + "f" * 900, "z_size"),
    ],
)
def test_a_value_that_no_config_needs_is_refused(value, fault):
    changed = TEXT.replace("z_size:", f"z_size: {value} #", 1)
    assert changed != TEXT
    started = time.monotonic()
    with pytest.raises(ConfigError, match=fault):
        config.parse(changed, "mine")
    assert time.monotonic() - started < MAX_SECONDS


def test_every_changed_config_is_read_or_refused():
    draw = random.Random(0)
    for _ in range(CHANGED_CONFIGS):
        text = list(TEXT)
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(text))
            text[place] = draw.choice(["", "[", "{", "-", ":", "\n", "&a", "1", "\0"])
        started = time.monotonic()
        with contextlib.suppress(ConfigError):
            config.parse("".join(text), "mine")
        assert time.monotonic() - started < MAX_SECONDS


# info.csv.


def info(tmp_path, *names):
    path = tmp_path / "info.csv"
    rows = [f"{name},train" for name in names]
    path.write_text("\n".join(["midi_filename,split", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    "name",
    ["../a.mid", "/etc/a.mid", "a/../../b.mid", "..", "C:\\a.mid", "\\\\host\\a.mid"],
)
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, name):
    with pytest.raises(BadGrooveDataset, match=r"row 2: .* leads out of the folder"):
        read_info(info(tmp_path, name))


@pytest.mark.parametrize("name", ["a", "a.txt", "folder/", "."])
def test_a_name_without_a_suffix_of_music_is_refused(tmp_path, name):
    with pytest.raises(BadGrooveDataset, match=r"row 2: .* is not the name of a music"):
        read_info(info(tmp_path, name))


def test_two_spellings_of_a_name_are_one_file(tmp_path):
    rows = read_info(info(tmp_path, "b/../ok.mid", "./d//e.mid"))
    assert [row["midi_filename"] for row in rows] == ["ok.mid", "d/e.mid"]
    with pytest.raises(BadGrooveDataset, match="ok.mid comes 2 times"):
        files_of_splits(read_info(info(tmp_path, "ok.mid", "./ok.mid")))
