"""Numbers about two bars of drumming, made to tell a drummer from a machine."""

from __future__ import annotations

import numpy as np

from music_vae_tf.analysis.groove_windows import STEPS_PER_BAR, Playing

LARGEST_VELOCITY = 127.0
EXCERPT, HOP = 8, 2  # steps


def excerpts(playing: Playing) -> np.ndarray:
    """The matrix itself, half a bar at a time, an excerpt every two steps: 13 a window,
    `[N, 13, F]`.

    An excerpt is its hits, velocities and offsets, scaled to 1, and where in the bar it
    begins.
    """
    scaled = playing.velocities / LARGEST_VELOCITY, playing.offsets * 2
    rows = np.concatenate([playing.hits, *scaled], axis=-1)  # [N, T, 3K]
    starts = range(0, rows.shape[1] - EXCERPT + 1, HOP)
    flat = [rows[:, start : start + EXCERPT].reshape(len(rows), -1) for start in starts]
    place = np.eye(STEPS_PER_BAR)[np.array(starts) % STEPS_PER_BAR]
    places = np.broadcast_to(place, [len(rows), *place.shape])
    return np.concatenate([np.stack(flat, axis=1), places], axis=-1)


def hand_made(playing: Playing) -> np.ndarray:
    """What a listener might notice: `[N, 1, F]`, 0 where there is nothing to measure.

    Means and spreads of velocities and offsets: of all hits, of each place in a beat,
    of each drum. How many hits each drum has. How many hits have the velocity, and how
    many the offset, of another hit of the window. How far drums that sound together are
    apart. What goes with what: velocity with offset; a step's mean offset, and its
    loudest velocity, with that of the sounding step before. How far a cell of the
    second bar is from the same of the first.
    """
    rows = [_of_window(*window) for window in zip(*playing)]
    return np.nan_to_num(np.array(rows))[:, None]


def _of_window(hits, velocities, offsets):
    velocities = velocities / LARGEST_VELOCITY
    beats = np.arange(len(hits)) % 4
    places = [beats == 0, beats == 2, beats % 2 == 1]
    groups = [hits, *(hits & place[:, None] for place in places)]
    drums = np.eye(hits.shape[1], dtype=bool)
    groups += [hits & drum for drum in drums]
    features = [f for g in groups for x in (velocities, offsets) for f in _spread(x[g])]
    features += [_repeated(velocities[hits]), _repeated(offsets[hits])]
    features += hits.mean(axis=0).tolist()
    features.append(_apart(hits, offsets))
    features.append(_correlation(velocities[hits], offsets[hits]))
    features += _from_step_to_step(hits, velocities, offsets)
    features += _from_bar_to_bar(hits, velocities, offsets)
    return features


def _spread(values):
    return (values.mean(), values.std()) if len(values) else (0.0, 0.0)


def _repeated(values):
    """The share of values that come more than once."""
    return 1 - len(np.unique(np.round(values, 6))) / max(len(values), 1)


def _apart(hits, offsets):
    """The mean spread of the offsets of drums that sound together."""
    spreads = [o[h].std() for o, h in zip(offsets, hits) if h.sum() > 1]
    return np.mean(spreads) if spreads else 0.0


def _from_step_to_step(hits, velocities, offsets):
    sounding = hits.any(axis=1)
    if sounding.sum() < 3:
        return [0.0, 0.0]
    mean_offsets = (offsets * hits).sum(axis=1)[sounding] / hits.sum(axis=1)[sounding]
    loudest = (velocities * hits).max(axis=1)[sounding]
    return [_correlation(x[:-1], x[1:]) for x in (mean_offsets, loudest)]


def _from_bar_to_bar(hits, velocities, offsets):
    first, second = slice(0, STEPS_PER_BAR), slice(STEPS_PER_BAR, None)
    both = hits[first] & hits[second]
    return [
        np.abs(x[first] - x[second])[both].mean() if both.any() else 0.0
        for x in (velocities, offsets)
    ]


def _correlation(x, y):
    """0 where one of them does not vary."""
    if len(x) < 3 or np.ptp(x) < 1e-9 or np.ptp(y) < 1e-9:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
