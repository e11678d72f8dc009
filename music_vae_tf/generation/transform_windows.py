"""A stretch of drums through a model, in windows that overlap and join without a seam.

Letters: N windows, W steps of a window, S steps of the stretch, K drums.

Where the model decides hits, one window follows the other: its decoder is given what
the window before decided on the bars that both have. Velocities and offsets are then
predicted for all hits in all windows, and crossfaded: at its edges a window counts
next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from music_vae_tf.data.converters.groove_edits import Groove
from music_vae_tf.generation.held import HeldDecoder
from music_vae_tf.generation.transform_tasks import Freedom, Task, is_silent

if TYPE_CHECKING:
    from music_vae_tf.generation.music_vae import TrainedModel

ENCODED_AT_ONCE = 64  # windows, between two signs of progress


class Inputs(NamedTuple):
    """Windows of a stretch, before they are encoded."""

    starts: list[int]  # steps; a silent window is not among them
    rows: list[np.ndarray]  # N times [rows, D_in]
    controls: list[np.ndarray] | None  # N times [rows, D_c]


class Windows(NamedTuple):
    """What a model reads of a stretch."""

    starts: list[int]  # steps
    size: int  # W
    means: np.ndarray  # [N, Z], of the posterior
    deviations: np.ndarray  # [N, Z]
    controls: list[np.ndarray] | None  # N times [rows, D_c]

    def moved(self, shift: np.ndarray | float) -> Windows:
        """The same elsewhere in the latent space: [Z] is added."""
        return self._replace(means=self.means + shift)

    def slices(self) -> list[slice]:
        """The steps of each window."""
        return [slice(start, start + self.size) for start in self.starts]


class WindowModel:
    """A trained model at work on windows, compiled once for all songs."""

    def __init__(self, trained: TrainedModel, task: Task):
        self.trained, self.task = trained, task
        self.converter = converter = task.converter
        self.per_bar = converter.steps_per_quarter * converter.quarters_per_bar
        rows = trained.config.model.max_seq_len
        per_step = len(converter.pitch_classes) if converter.split_instruments else 1
        bars = converter.split_bars or max(rows // per_step // self.per_bar, 1)
        self.size = bars * self.per_bar  # W
        self.hop = max(bars // 2, 1) * self.per_bar
        self._held = HeldDecoder(trained)

    def starts(self, num_steps: int) -> list[int]:
        """The first step of each window of a stretch; the last ends with it."""
        last = max(num_steps - self.size, 0)
        return sorted({*range(0, last, self.hop), last})

    def cut(self, played: Groove) -> Inputs:
        """The windows of a stretch that are not silent to the encoder."""
        inputs = Inputs([], [], [] if self.converter.controls else None)
        for start in self.starts(len(played.hits)):
            window = _cut(played, start, self.size)
            edited = self.converter.edit(window, None)
            if edited.hits.any():
                inputs.starts.append(start)
                inputs.rows.append(self.converter.rows(edited).astype(np.float32))
                if inputs.controls is not None:
                    inputs.controls.append(self.converter.control_rows(window))
        return inputs

    def read(
        self, inputs: Inputs, advance: Callable[[int], None] = lambda windows: None
    ) -> Windows:
        """What the encoder makes of windows."""
        nothing = np.zeros([0, self.trained.z_size])
        means, deviations = [nothing], [nothing]
        for first in range(0, len(inputs.starts), ENCODED_AT_ONCE):
            part = slice(first, first + ENCODED_AT_ONCE)
            rows = inputs.rows[part]
            controls = None if inputs.controls is None else inputs.controls[part]
            _, mu, sigma = self.trained.encode_tensors(
                rows, [len(one) for one in rows], controls
            )
            means.append(mu)
            deviations.append(sigma)
            advance(len(rows))
        latents = np.concatenate(means), np.concatenate(deviations)
        return Windows(inputs.starts, self.size, *latents, inputs.controls)

    def decode(
        self,
        z: np.ndarray,
        held: np.ndarray,
        controls: list[np.ndarray] | None,
        temperature: float,
        advance: Callable[[int], None],
    ) -> list[Groove]:
        """N windows from z [N, Z]; of `held` [N, rows, D] NaN is free."""
        rows = self._held(z, held, controls, temperature, advance)
        return list(map(self.converter.groove_of, rows))


def perform(
    model: WindowModel,
    played: Groove,
    windows: Windows,
    free: Freedom,
    noise: np.ndarray,
    temperature: float,
    advance: Callable[[int], None] = lambda windows: None,
) -> Groove:
    """The stretch as the model plays it; what is not free stays as played.

    Args:
        noise: [Z], the same for all windows: z is mean + noise * deviation.
    """
    if not windows.starts:
        return played
    z = windows.means + noise * windows.deviations
    silent = is_silent(model.task, played)[:, None]
    free = Freedom(free.hits & ~silent, free.playing & ~silent)
    if free.hits.any():
        played = _with_hits(model, played, windows, free, z, temperature, advance)
    playing = free.playing & (played.hits > 0)
    is_free = Groove(np.zeros_like(playing), playing, playing)
    held = _held(model, played, is_free, windows)
    grooves = model.decode(z, held, windows.controls, temperature, advance)
    return _joined(played, grooves, windows, playing)


def _with_hits(model, played, windows, free, z, temperature, advance) -> Groove:
    """The stretch with the hits that the model decides, window after window."""
    now = Groove(*(np.where(free.hits, 0, feature) for feature in played))
    open_steps = np.ones([len(played.hits), 1], bool)
    for i, steps in enumerate(windows.slices()):
        is_free = Groove(
            free.hits & open_steps, free.playing & open_steps, free.playing & open_steps
        )
        one = windows._replace(starts=[steps.start])
        held = _held(model, now, is_free, one)
        controls = None if windows.controls is None else windows.controls[i : i + 1]
        (groove,) = model.decode(z[i : i + 1], held, controls, temperature, advance)
        for feature, decided in zip(now, groove):
            inside = feature[steps]
            decided = decided[: len(inside)]
            chosen = (free.hits | free.playing)[steps] & open_steps[steps]
            inside[chosen] = decided[chosen]
        open_steps[steps] = False
    return now


def _held(model, played, is_free, windows) -> np.ndarray:
    """What decoders are given: [N, rows, D], NaN where they are free."""
    held = []
    for start in windows.starts:
        rows = model.converter.held_rows(
            _cut(played, start, windows.size), _cut(is_free, start, windows.size)
        )
        held.append(rows)
    return np.array(held)


def _cut(groove: Groove, start: int, size: int) -> Groove:
    """A window; steps after the stretch are silent."""
    parts = (feature[start : start + size] for feature in groove)
    return Groove(*(np.pad(p, [(0, size - len(p)), (0, 0)]) for p in parts))


def _joined(played, grooves, windows, playing) -> Groove:
    """Velocities and offsets of the cells that are played anew, crossfaded."""
    edge = np.arange(windows.size) + 0.5
    weight = np.minimum(edge, edge[::-1])[:, None]  # [W, 1], a triangle
    total = np.zeros([len(played.hits), 1])
    sums = [np.zeros(played.hits.shape) for _ in range(2)]
    for steps, groove in zip(windows.slices(), grooves):
        inside = len(total[steps])
        total[steps] += weight[:inside]
        for result, feature in zip(sums, (groove.velocities, groove.offsets)):
            result[steps] += (weight * feature)[:inside]
    velocities, offsets = (s / np.maximum(total, 1e-9) for s in sums)
    is_new = playing & (total > 0)
    return played._replace(
        velocities=np.where(is_new, velocities, played.velocities),
        offsets=np.where(is_new, offsets, played.offsets),
    )
