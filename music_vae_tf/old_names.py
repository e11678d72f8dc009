"""Names that this project has changed, so that what was written before still loads."""

from __future__ import annotations

from typing import NamedTuple


class OldNames(NamedTuple):
    """Names that were changed: {old: new} of each sort."""

    # Parts of variables' names.
    variables: dict[str, str]
    # Keys of configs, which are hparams too.
    keys: dict[str, str]
    # Values of some keys: {(new key, old value): new value}.
    values: dict[tuple[str, str], str]


OLD_NAMES = OldNames(
    variables={
        "treble/heard/": "treble/other_staff/",
        "bass/heard/": "bass/other_staff/",
    },
    keys={
        "carry_rows": "carry_last_row",
        "composed_scores": "factored_logits",
        "predicted": "loss_on",
        "sounding_weight": "positive_weight",
    },
    values={
        ("loss_on", "every"): "all",
        ("note_input", "number"): "scalar",
    },
)


def current_key(key: str) -> str:
    """The name that a key of a config has now."""
    return OLD_NAMES.keys.get(key, key)


def current_value(key: str, value: object) -> object:
    """The value that a value of a key has now; key: its new name."""
    return OLD_NAMES.values.get((key, value), value) if type(value) is str else value


def old_variable_name(name: str) -> str | None:
    """The old name of a variable, or of a slot of it; None if it never had another."""
    for old, new in OLD_NAMES.variables.items():
        if name.startswith(new):
            return old + name.removeprefix(new)
    return None
