"""Texts that users read speak the field's language: retired words and their terms."""

import ast
import importlib
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
# {retired word, as a regular expression: the standard term}. Words that are ordinary
# English too are listed with the words around them that tell them apart.
RETIRED = {
    r"\btall(y|ies)\b": "metric",
    r"\b(in )?lanes?\b": "shards of the batch",
    r"\b(say|says|said|saying) back\b": "reconstruct, reconstruction",
    r"\blikeliest\b": "most probable, mode",
    r"\blikelier\b": "more probable",
    r"\bequal chances\b": "uniformly",
    r"\b(rolls|is|are|to) made? up\b(?! of)": "samples",
    r"\btold the truth\b|\bthe truth of\b": "teacher-forced, targets",
    r"\bway back\b": "backward pass",
    r"\b(condition )?obedience\b": "condition accuracy (exact match)",
    r"\bpresence accuracy\b": "activity accuracy",
    r"\bquarters a minute\b": "BPM",
    r"\bsounding_weight\b": "positive_weight",
    r"\bcomposed_scores\b": "factored_logits",
    r"\bcarry_rows\b": "carry_last_row",
    r"\b(velocities|offsets) error\b": "velocity MAE; onset offset MAE, in steps",
    r"\banother shape\b": "shape mismatch",
    r"\bthe house\b|\bfront (page|door)\b": "the package",
}
COMMANDS = sorted(
    path.stem
    for path in (REPOSITORY / "music_vae_tf" / "commands").glob("*.py")
    if path.stem != "command" and "command.entry(main)" in path.read_text("utf-8")
)
TEXTS = sorted(
    [*(REPOSITORY / "configs").glob("*.yaml"), *(REPOSITORY / "docs").rglob("*.md")]
)
LOG_METHODS = {"debug", "info", "warning", "error"}


def retired_in(text):
    """`word -> term` for each retired word in a text."""
    return [
        f"{match[0]!r} -> {term}"
        for pattern, term in RETIRED.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]


def log_strings(file):
    """The messages that a module logs, and those of its errors."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        is_log = (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LOG_METHODS
        )
        if is_log or isinstance(node, ast.Raise):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.value


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_has_no_retired_word(name):
    command = importlib.import_module(f"music_vae_tf.commands.{name}").command
    assert not retired_in(command.help())


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_docs_and_configs_have_no_retired_word(file):
    assert not retired_in(file.read_text(encoding="utf-8"))


def test_messages_have_no_retired_word():
    found = {
        f"{file.relative_to(REPOSITORY)}: {text}": words
        for file in (REPOSITORY / "music_vae_tf").rglob("*.py")
        for text in log_strings(file)
        if (words := retired_in(text))
    }
    assert not found


@pytest.mark.parametrize(
    "text",
    ["the likeliest rows", "told the truth", "said back", "rolls made up", "4 lanes"],
)
def test_retired_words_are_found(text):
    assert retired_in(text)
