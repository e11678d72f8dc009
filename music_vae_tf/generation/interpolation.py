"""From one latent vector to another."""

from __future__ import annotations

import numpy as np

# Below this sine of the angle between two vectors, the line between them is as good as
# the arc, and the arc's formula divides by nearly nothing.
SMALLEST_SINE = 1e-6


def slerp(p0: np.ndarray, p1: np.ndarray, t: float) -> np.ndarray:
    """From p0 to p1 along the arc between them, t of the way: [..., Z] each.

    Parallel vectors, which have no unique arc, are interpolated linearly.
    """
    p0, p1 = np.asarray(p0, np.float64), np.asarray(p1, np.float64)
    norms = np.linalg.norm(p0) * np.linalg.norm(p1)
    cosine = np.sum(p0 * p1) / norms if norms else 1.0
    omega = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(omega) < SMALLEST_SINE:
        return (1.0 - t) * p0 + t * p1
    return (np.sin((1.0 - t) * omega) * p0 + np.sin(t * omega) * p1) / np.sin(omega)
