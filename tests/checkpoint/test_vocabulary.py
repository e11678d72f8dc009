"""What the tokens of a checkpoint are lies beside it."""

import json

import pytest

from music_vae_tf import checkpoint
from music_vae_tf.checkpoint import CheckpointError
from music_vae_tf.data.converters.base import TokenVocabulary

REMI = TokenVocabulary("REMI", "miditok 3.1.0", ("PAD", "Bar", "Position_0"))


@pytest.fixture
def prefix(tmp_path):
    """Of what looks like a checkpoint, in a directory of its own."""
    for suffix in (".index", ".data-00000-of-00001"):
        (tmp_path / f"model.ckpt-1{suffix}").touch()
    return tmp_path / "model.ckpt-1"


def test_what_is_kept_is_recognised(prefix):
    checkpoint.keep_vocabulary(prefix.parent, REMI)
    checkpoint.keep_vocabulary(prefix.parent, REMI)
    checkpoint.check_vocabulary(prefix, REMI)
    kept = json.loads((prefix.parent / "vocabulary.json").read_text())
    assert kept == {
        "name": "REMI",
        "made_by": "miditok 3.1.0",
        "tokens": ["PAD", "Bar", "Position_0"],
    }


def test_another_version_with_the_same_tokens_is_as_good(prefix):
    checkpoint.keep_vocabulary(prefix.parent, REMI)
    checkpoint.check_vocabulary(prefix, REMI._replace(made_by="miditok 3.2.0"))


@pytest.mark.parametrize(
    "other, words",
    [
        (REMI._replace(tokens=("PAD", "Bar", "Position_1")), "token 2 is Position_0 t"),
        (
            REMI._replace(tokens=("PAD", "Bar")),
            "token 2 is Position_0 there and none",
        ),
        (REMI._replace(name="TSD"), "token 0 is REMI there and TSD here"),
    ],
)
def test_another_vocabulary_is_refused_with_what_differs(prefix, other, words):
    checkpoint.keep_vocabulary(prefix.parent, REMI)
    with pytest.raises(CheckpointError, match=words) as refusal:
        checkpoint.check_vocabulary(prefix, other)
    assert "or install miditok 3.1.0" in str(refusal.value)
    with pytest.raises(CheckpointError, match=words):
        checkpoint.keep_vocabulary(prefix.parent, other)


@pytest.mark.parametrize("text", ["", "[]", '{"name": "REMI"}'])
def test_a_broken_file_is_named(prefix, text):
    (prefix.parent / "vocabulary.json").write_text(text)
    with pytest.raises(CheckpointError, match="vocabulary.json does not say any more"):
        checkpoint.check_vocabulary(prefix, REMI)


def test_its_absence_is_told(prefix, caplog):
    checkpoint.check_vocabulary(prefix, REMI)
    assert "nothing tells that the checkpoint's 3 tokens are miditok" in caplog.text
