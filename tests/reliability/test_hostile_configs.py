"""Configs and tables that would take time, memory or recursion are refused at once."""

import contextlib
import random
import re
import time

import pytest

from music_vae_tf import build, config
from music_vae_tf.config import ConfigError
from music_vae_tf.data import drum_maps
from music_vae_tf.data.drum_maps import BadDrumMap
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
        (
            "1" + "0" * 30,
            "z_size: expected a number of at most 1,152,921",
        ),
        ("-" + "9" * 900, "z_size: expected a number of at most"),
        (
            "{" + ",".join(f"k{i}: 1" for i in range(20_000)) + "}",
            "more than 10,000 keys",
        ),
        ("[" + "1," * 20_000 + "]", "more than 10,000 keys and values"),
        ("{? [a]\n: 1}", "not YAML"),
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


@pytest.mark.parametrize(
    ("assignment", "fault"),
    [
        ("learning_rate=" + "9" * 400, "learning_rate: expected a number of at most"),
        ("learning_rate=" + "9" * 5000, "learning_rate: expected a number"),
        ("learning_rate=.inf", "learning_rate: expected a finite number; got inf"),
        ("learning_rate=-.inf", "learning_rate: expected a finite number; got -inf"),
        ("learning_rate=.nan", "learning_rate: expected a finite number; got nan"),
        ("learning_rate=1e400", "learning_rate: expected a finite number; got inf"),
        ("free_bits=1e999", "free_bits: expected a finite number"),
        ("max_beta=" + "9" * 310, "max_beta: expected a number of at most"),
        ("batch_size=1" + "0" * 25, "batch_size: expected a number of at most"),
        ("enc_rnn_size=" + "[" * 3000, "cannot read 'enc_rnn_size"),
        ("enc_rnn_size=" + "[" * 3000 + "]", "enc_rnn_size"),
        ("enc_rnn_size=[" + "[" * 300 + " 1]", "enc_rnn_size"),
        ("enc_rnn_size=[1" + "0" * 30 + "]", "enc_rnn_size"),
        ("enc_rnn_size[" + "9" * 5000 + "]=1", "cannot read"),
        ("enc_rnn_size[99999999]=1", "items are numbered"),
        ("z_size=²", "z_size: expected a whole number"),
        ("z_size=" + "x" * 100_000, "z_size: expected a whole number"),
    ],
    ids=lambda text: text[:24],
)
def test_an_absurd_hparam_is_refused_in_a_few_words(assignment, fault):
    started = time.process_time()
    with pytest.raises(ConfigError, match=fault) as error:
        config.override(config.load("groovae_2bar_humanize"), assignment)
    assert time.process_time() - started < MAX_SECONDS
    assert len(str(error.value)) < 1000


def test_thousands_of_assignments_are_read_in_time_that_grows_with_their_number():
    text = ",".join(f"enc_rnn_size[{i}]=1" for i in range(20_000))
    started = time.process_time()
    with pytest.raises(ConfigError, match="items are numbered"):
        config.override(config.load("groovae_2bar_humanize"), text)
    assert time.process_time() - started < MAX_SECONDS


@pytest.mark.parametrize(
    "text", ["z_size=1,z_size=2", "enc_rnn_size=[1],enc_rnn_size[0]=2"]
)
def test_a_name_given_twice_is_refused(text):
    with pytest.raises(ConfigError, match="given more than once"):
        config.override(config.load("groovae_2bar_humanize"), text)


@pytest.mark.parametrize("value", ["1" + "0" * 30, ".inf", "1e400"])
def test_an_argument_of_a_kind_has_limits_too(value):
    text = re.sub(r"split_bars: \d+", f"split_bars: {value}", TEXT)
    assert text != TEXT
    with pytest.raises(ConfigError, match="split_bars: expected a"):
        build.converter(config.parse(text, "mine"))


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_a_file_of_absurd_size_is_refused_unread(tmp_path, suffix):
    path = tmp_path / f"mine.{suffix}"
    with open(path, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(ConfigError, match="more than 1,000,000 bytes"):
        config.load(str(path))
    with pytest.raises(BadDrumMap, match="more than 1,000,000 bytes"):
        drum_maps.load(str(path))


def test_a_bomb_of_anchors_is_not_a_drum_map(tmp_path):
    (tmp_path / "a.yaml").write_text(f"read: {anchors()}")
    with pytest.raises(BadDrumMap, match="anchors and aliases"):
        drum_maps.load(str(tmp_path / "a.yaml"))


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
