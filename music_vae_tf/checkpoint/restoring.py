"""Restores a checkpoint into the variables of a model."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from music_vae_tf.checkpoint.finding import CheckpointError
from music_vae_tf.checkpoint.finite import check_finite
from music_vae_tf.checkpoint.names import TRAINING_STATE, magenta_names, our_names
from music_vae_tf.checkpoint.reading import opened
from music_vae_tf.old_names import old_variable_name


def restore(
    variables: Mapping[str, Any],
    path: Any,
    var_name_substitutions: Iterable[tuple[str, str]] | None = None,
) -> None:
    """Assigns the tensors of a checkpoint to `{our name: variable}`, all or none.

    Weights alone may be restored from a checkpoint that also holds the state of
    training. Otherwise each variable must be filled, and each weight be read.

    Args:
        variables: Keras or TensorFlow variables, also those of a tf.distribute
            strategy.
        path: in any form that `find` understands.
        var_name_substitutions: pairs of a regular expression and its replacement, as in
            Magenta's TrainedModel. They turn Magenta's names of the variables into
            those of an older checkpoint. Each pair is applied to all names.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or it does not fit;
            names every variable left unfilled and every tensor left unread.
    """
    with opened(path) as tensors:
        report = _match(variables, tensors.shapes, var_name_substitutions or ())
        if len(report.matched) < len(report.rows):
            raise CheckpointError(_refusal(path, report))
        _assign(variables, report.matched, tensors, path)


def warm_start(variables: Mapping[str, Any], path: Any) -> RestoreReport:
    """Assigns to `{our name: variable}` the tensors that match by name and shape.

    Returns:
        What was matched and what was not; `str()` of it is a table.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or nothing of it fits.
    """
    with opened(path) as tensors:
        report = _match(variables, tensors.shapes, ())
        if not report.matched:
            raise CheckpointError(_refusal(path, report))
        _assign(variables, report.matched, tensors, path)
    return report


class Row(NamedTuple):
    """A variable, a tensor, or a pair of both."""

    name: str  # ours
    tensor: str  # in the checkpoint
    wanted: tuple[int, ...] | None  # the variable's shape; None: not in the model
    found: tuple[int, ...] | None  # the tensor's shape; None: not in the checkpoint
    nearest: str = ""  # the tensor with the most similar name, if there is none

    @property
    def remark(self) -> str:
        if self.found is None:
            nearest = f"; most similar: {self.nearest}" if self.nearest else ""
            return f"not in the checkpoint as {self.tensor}{nearest}"
        if self.wanted is None:
            return "not in the model"
        return "loaded" if self.wanted == self.found else "shape mismatch"


@dataclasses.dataclass(frozen=True)
class RestoreReport:
    """Which tensors of a checkpoint match which variables of a model."""

    rows: tuple[Row, ...]

    @property
    def matched(self) -> list[Row]:
        return [row for row in self.rows if row.wanted == row.found]

    @property
    def unmatched(self) -> list[Row]:
        """Variables without a tensor of their shape, and weights without a variable."""
        return [row for row in self.rows if row.wanted != row.found]

    def __str__(self) -> str:
        wanted = sum(row.wanted is not None for row in self.rows)
        return f"{_table(self.rows)}\n{len(self.matched)} of {wanted} variables loaded"


def _match(
    variables: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    substitutions: Iterable[tuple[str, str]],
) -> RestoreReport:
    tensors = magenta_names(variables)
    for pattern, substitute in substitutions:
        tensors = {k: re.sub(pattern, substitute, v) for k, v in tensors.items()}
    tensors = {k: _spelling(v, shapes) for k, v in tensors.items()}
    weights = sorted(n for n in shapes if not TRAINING_STATE.fullmatch(n))
    unread = [name for name in weights if name not in set(tensors.values())]
    rows = []
    for name, tensor in tensors.items():
        nearest = [] if tensor in shapes else difflib.get_close_matches(tensor, unread)
        wanted = tuple(variables[name].shape)
        rows.append(Row(name, tensor, wanted, shapes.get(tensor), *nearest[:1]))
    ours = our_names(shapes)
    rows += [Row(ours[tensor], tensor, None, shapes[tensor]) for tensor in unread]
    return RestoreReport(tuple(sorted(rows)))


def _spelling(tensor: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The name of a tensor, or its old one if the checkpoint has that."""
    old = None if tensor in shapes else old_variable_name(tensor)
    return tensor if old is None or old not in shapes else old


def _assign(variables, rows, tensors, path):
    # Read all before assigning any: a damaged file leaves the model as it is.
    stored = tensors.read(row.tensor for row in rows)
    arrays = {row: _cast(stored[row.tensor], variables[row.name], path) for row in rows}
    weights = {
        row.tensor: array
        for row, array in arrays.items()
        if not TRAINING_STATE.fullmatch(row.tensor)
    }
    check_finite(weights, path)
    for row, array in arrays.items():
        variables[row.name].assign(array)


def _cast(array, variable, path):
    """An array as the type of a variable."""
    import tensorflow as tf

    try:
        with np.errstate(over="ignore"):  # infinite then, which is refused
            return array.astype(tf.as_dtype(variable.dtype).as_numpy_dtype)
    except (ValueError, TypeError) as error:  # texts, for instance
        raise CheckpointError(
            f"the checkpoint {path} holds no numbers for {variable.name}: {error}"
        ) from error


def _table(rows):
    cells = [("variable", "model", "checkpoint", "")]
    for row in rows:
        wanted, found = (
            "-" if shape is None else str(list(shape))
            for shape in (row.wanted, row.found)
        )
        cells.append((row.name, wanted, found, row.remark))
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths)) for line in cells]
    return "\n".join(line.rstrip() for line in lines)


def _refusal(path, report):
    if all(TRAINING_STATE.fullmatch(row.tensor) for row in report.unmatched):
        advice = (
            "It has the weights, but not all of the optimizer's state. To start from "
            "its weights, start a new run with --warm_start_checkpoint."
        )
    else:
        advice = (
            "Give the config and the hparams that it was trained with. If only names "
            "differ, var_name_substitutions can translate them."
        )
    return (
        f"the checkpoint {path} does not fit the model:\n\n"
        f"{_table(report.unmatched)}\n\n{advice}"
    )
