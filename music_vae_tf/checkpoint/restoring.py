"""From a checkpoint into the variables of a model."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from music_vae_tf.checkpoint.finding import CheckpointError
from music_vae_tf.checkpoint.names import TRAINING_STATE, magenta_names, our_names
from music_vae_tf.checkpoint.reading import opened


def restore(
    variables: Mapping[str, object],
    path,
    var_name_substitutions: Iterable[tuple[str, str]] | None = None,
):
    """Assigns to `{our name: variable}` what a checkpoint holds for them, or nothing.

    Weights alone may be restored from a checkpoint that also holds the state of
    training. All else has to fit: each variable is filled, each weight is read.

    Args:
        variables: Keras or TensorFlow variables, also those of a tf.distribute
            strategy.
        path: in any form that `find` understands.
        var_name_substitutions: as in Magenta's TrainedModel, pairs of a regular
            expression and its replacement that turn Magenta's names of the variables
            into those of an older checkpoint, each pair applied to all names.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or it does not fit;
            names every variable left unfilled and every tensor left unread.
    """
    with opened(path) as tensors:
        fit = _fit(variables, tensors.shapes, var_name_substitutions or ())
        if len(fit.matched) < len(fit.rows):
            raise CheckpointError(_refusal(path, fit))
        _assign(variables, fit.matched, tensors)


def warm_start(variables: Mapping[str, object], path) -> RestoreReport:
    """Assigns to `{our name: variable}` what a checkpoint has by name and shape.

    Returns:
        What was matched and what was not; `str()` of it is a table.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or nothing of it fits.
    """
    with opened(path) as tensors:
        fit = _fit(variables, tensors.shapes, ())
        if not fit.matched:
            raise CheckpointError(_refusal(path, fit))
        _assign(variables, fit.matched, tensors)
    return fit


class Row(NamedTuple):
    """A variable, a tensor, or both of them if they go together."""

    name: str  # ours
    tensor: str  # in the checkpoint
    wanted: tuple[int, ...] | None  # the variable's shape; None: not in the model
    found: tuple[int, ...] | None  # the tensor's shape; None: not in the checkpoint
    nearest: str = ""  # the tensor that may have been meant, if there is none

    @property
    def remark(self):
        if self.found is None:
            nearest = f"; nearest there: {self.nearest}" if self.nearest else ""
            return f"not in the checkpoint as {self.tensor}{nearest}"
        if self.wanted is None:
            return "not in the model"
        return "loaded" if self.wanted == self.found else "another shape"


@dataclasses.dataclass(frozen=True)
class RestoreReport:
    """Which tensors of a checkpoint fit which variables of a model."""

    rows: tuple[Row, ...]

    @property
    def matched(self) -> list[Row]:
        return [row for row in self.rows if row.wanted == row.found]

    @property
    def unmatched(self) -> list[Row]:
        """Variables that are missing or of another shape, weights left unread."""
        return [row for row in self.rows if row.wanted != row.found]

    def __str__(self):
        wanted = sum(row.wanted is not None for row in self.rows)
        return f"{_table(self.rows)}\n{len(self.matched)} of {wanted} variables loaded"


def _fit(variables, shapes, substitutions):
    tensors = magenta_names(variables)
    for pattern, substitute in substitutions:
        tensors = {k: re.sub(pattern, substitute, v) for k, v in tensors.items()}
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


def _assign(variables, rows, tensors):
    import tensorflow as tf

    arrays = tensors.read(row.tensor for row in rows)  # all, before any is assigned
    for row in rows:
        variable = variables[row.name]
        dtype = tf.as_dtype(variable.dtype).as_numpy_dtype
        variable.assign(arrays[row.tensor].astype(dtype))


def _table(rows):
    cells = [("variable", "model", "checkpoint", "")]
    for row in rows:
        shapes = ("-" if s is None else str(list(s)) for s in (row.wanted, row.found))
        cells.append((row.name, *shapes, row.remark))
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths)) for line in cells]
    return "\n".join(line.rstrip() for line in lines)


def _refusal(path, fit):
    if all(TRAINING_STATE.fullmatch(row.tensor) for row in fit.unmatched):
        advice = (
            "It holds weights, but not all of the optimizer's state. To train on from "
            "its weights, start a new run with --warm_start_checkpoint."
        )
    else:
        advice = (
            "Give the config and the hparams that it was trained with. If only its "
            "names are older ones, var_name_substitutions can translate them."
        )
    return (
        f"the checkpoint {path} does not fit the model:\n\n{_table(fit.unmatched)}\n\n"
        f"{advice}"
    )
