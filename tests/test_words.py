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
    r"\b(the|this) house('s)?\b|\bfront (page|door)\b": "the package",
    r"\bas the truth\b": "as reference, targets",
    r"\bequal_chances\b": "uniformly",
    r"\bTensorFlow says\b": "TensorFlow's message",
    r"; says why\b": "the message has the reason",
    r"\bcosts? itself\b": "only that file is skipped",
    r"\bcomes? twice\b": "duplicate",
    r"(?<!there )\b(is|are) no (?!more\b|longer\b)[a-z]": "is not a",
}
# Where sound is meant, these are the right words.
HEARD = {r"\bhears?\b|\bheard\b": "read, be conditioned on; sound"}
SOUND = re.compile(
    r"docs/play/(generate|serve|transform)\.md|/(serve|rendering)/|_vae_serve|demo\.py"
    r"|commands/outputs\.py|/(test_)?transform\w*\.py|midi_sounding\.py|drummer\.py"
)
MOST_WORDS = 34  # of a sentence
COMMANDS = sorted(
    path.stem
    for path in (REPOSITORY / "music_vae_tf" / "commands").glob("*.py")
    if path.stem != "command" and "command.entry(main)" in path.read_text("utf-8")
)
PAGES = [
    *(REPOSITORY / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
    REPOSITORY / "SECURITY.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *sorted((REPOSITORY / "music_vae_tf").rglob("*.md")),
]
TEXTS = [
    *PAGES,
    *sorted((REPOSITORY / "configs").glob("*.yaml")),
    *sorted(path for path in (REPOSITORY / "bin").iterdir() if path.is_file()),
]
MODULES = sorted((REPOSITORY / "music_vae_tf").rglob("*.py"))
TESTS = sorted((REPOSITORY / "tests").rglob("test_*.py"))
LOG_METHODS = {"debug", "info", "warning", "error"}


def retired_in(text, retired=RETIRED):
    """`word -> term` for each retired word in a text."""
    text = re.sub(r"\s+", " ", text)  # a word may stand on two lines
    return [
        f"{match[0]!r} -> {term}"
        for pattern, term in retired.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]


def retired_at(file):
    """What is retired in texts of this file."""
    is_about_sound = SOUND.search(file.relative_to(REPOSITORY.parent).as_posix())
    return RETIRED if is_about_sound else RETIRED | HEARD


def nodes_of(file, *kinds):
    """The parts of a module that are of these kinds."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, kinds):
            yield node


def docstrings(file):
    """The docstrings of a module, its classes and its functions."""
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    return filter(None, map(ast.get_docstring, nodes_of(file, *kinds)))


def prose_of_page(text):
    """A Markdown page without code, comments, tables, headings and addresses."""
    text = re.sub(r"^```.*?^```$|<!--.*?-->", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.sub(r"^\s*(\||#|!\[).*$", "", text, flags=re.MULTILINE)


# A line of a table in a docstring: columns stand two spaces apart.
TABLE = re.compile(r"\S {2,}\S")
# What begins a paragraph of its own: an item of a list, an argument, an error.
ITEM = re.compile(r"[-*] |\d+\. |\*{0,2}\w[\w., *]*:( |$)")
END = re.compile(r"(?<=[.!?])(?<!\be\.g\.)(?<!\bal\.)[)\"'*`]* ")


def paragraphs(text):
    """Paragraphs and items of prose; code and tables are left out."""
    lines = []
    for line in [*text.splitlines(), ""]:
        is_table = TABLE.search(line.strip()) or (lines and line.startswith(" " * 16))
        if is_table or not line.strip() or ITEM.match(line.strip()):
            yield " ".join(lines)
            lines = []
        if line.strip() and not is_table:
            lines.append(line.strip())


def long_sentences(text):
    """`number: sentence` of those of more than `MOST_WORDS` words."""
    for paragraph in paragraphs(text):
        for sentence in END.split(paragraph):
            number = len(re.findall(r"\S*\w\S*", sentence))
            if number > MOST_WORDS:
                yield f"{number}: {sentence}"


def log_strings(file):
    """The messages that a module logs, and those of its errors."""
    for node in nodes_of(file, ast.Call, ast.Raise):
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
def test_docs_configs_and_scripts_have_no_retired_word(file):
    assert not retired_in(file.read_text(encoding="utf-8"), retired_at(file))


def retired_by_file(files, texts_of):
    """`{file and text: retired words}` of those texts that have some."""
    return {
        f"{file.relative_to(REPOSITORY)}: {text}": words
        for file in files
        for text in texts_of(file)
        if (words := retired_in(text, retired_at(file)))
    }


def test_messages_have_no_retired_word():
    assert not retired_by_file(MODULES, log_strings)


def test_docstrings_have_no_retired_word():
    assert not retired_by_file(MODULES, docstrings)


def names(file):
    """The names of tests, as sentences."""
    for node in nodes_of(file, ast.FunctionDef):
        if node.name.startswith("test_"):
            yield node.name.replace("_", " ")


def test_names_of_tests_have_no_retired_word():
    own = {Path(__file__)}
    assert not retired_by_file([file for file in TESTS if file not in own], names)


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_sentences_of_pages_are_short(file):
    text = prose_of_page(file.read_text(encoding="utf-8"))
    assert not list(long_sentences(text))


def test_sentences_of_docstrings_are_short():
    found = {
        file.relative_to(REPOSITORY).as_posix(): long
        for file in MODULES
        for text in docstrings(file)
        if (long := list(long_sentences(text)))
    }
    assert not found


def test_a_long_sentence_is_found_and_a_table_is_none():
    long = "one " * MOST_WORDS
    assert list(long_sentences(f"Short.\n\nA {long}.\nMore."))
    assert not list(long_sentences(f"A {long[:40]}.\nb  {long}\nc  {long}"))
    assert not list(long_sentences(prose_of_page(f"```bash\n{long * 2}\n```\n")))


@pytest.mark.parametrize(
    "text",
    [
        "the likeliest rows",
        "told the truth",
        "said back",
        "rolls made up",
        "4 lanes",
        "is no list",
    ],
)
def test_retired_words_are_found(text):
    assert retired_in(text)
