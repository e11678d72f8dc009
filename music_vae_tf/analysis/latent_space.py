"""A latent space by what was encoded into it: [N, Z] arrays in, numbers out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from music_vae_tf.errors import UserFacingError

# A unit is active whose posterior mean has a higher variance over the data (Burda,
# Grosse and Salakhutdinov 2016, section 5.2).
ACTIVE_VARIANCE = 0.01
UMAP_NEIGHBOURS = 15  # the library's own choice
FEWEST_FOR_UMAP = 5


class TooFewPoints(UserFacingError, ValueError):
    """A collection too small for what was asked of it."""


class NoUmap(UserFacingError, ValueError):
    """umap-learn is not installed."""


def variances(means) -> np.ndarray:
    """Of the posterior mean of each unit: [N, Z] -> [Z]."""
    return np.var(means, axis=0)


def active_units(means) -> int:
    """How many units depend on what is encoded: [N, Z] -> a count."""
    return int(np.count_nonzero(variances(means) > ACTIVE_VARIANCE))


def most_active(means, count: int) -> list[int]:
    """The numbers of so many units, those of the highest variance first."""
    return np.argsort(-variances(means), kind="stable")[:count].tolist()


class Principal(NamedTuple):
    """Points in the two directions in which they vary most."""

    points: np.ndarray  # [N, 2]
    shares: tuple[float, float]  # of the variance, in each direction


def principal(means) -> Principal:
    """Principal components: [N, Z] -> [N, 2]; the second is 0 where Z is 1.

    A direction is turned so that its largest weight is positive.

    Raises:
        TooFewPoints: fewer than three.
    """
    if len(means) < 3:
        raise TooFewPoints(f"{len(means)} examples make no plot; 3 are needed")
    centred = means - means.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    largest = np.take_along_axis(
        directions, np.abs(directions).argmax(axis=1)[:, None], axis=1
    )
    places = centred @ (directions * np.sign(largest)).T
    shares = sizes**2 / max(np.sum(sizes**2), np.finfo(float).tiny)
    missing = max(2 - len(shares), 0)  # in a space of one dimension
    places, shares = (
        np.pad(places, [(0, 0), (0, missing)]),
        np.pad(shares, (0, missing)),
    )
    return Principal(places[:, :2], tuple(shares[:2].tolist()))


def require_umap() -> None:
    """
    Raises:
        NoUmap: umap-learn is not installed.
    """
    try:
        import umap  # noqa: F401
    except ImportError as error:
        raise NoUmap(
            "a UMAP plot needs umap-learn: pip install 'music_vae_tf[umap]', or give "
            "--noumap"
        ) from error


def neighbourhoods(means, seed: int = 0) -> np.ndarray:
    """UMAP (McInnes, Healy and Melville 2018): [N, Z] -> [N, 2], which keeps neighbours
    near; distances beyond them mean little.

    Raises:
        NoUmap, TooFewPoints
    """
    if len(means) < FEWEST_FOR_UMAP:  # at once: the import of UMAP takes a while
        raise TooFewPoints(
            f"{len(means)} examples are too few for UMAP, which needs "
            f"{FEWEST_FOR_UMAP}; give --noumap"
        )
    require_umap()
    import umap

    return umap.UMAP(
        n_neighbors=min(UMAP_NEIGHBOURS, len(means) - 1),
        init="pca",
        random_state=seed,
        n_jobs=1,  # what a seed allows
    ).fit_transform(means)


def attribute_vector(means, has, lacks) -> np.ndarray:
    """The difference of the means of two groups: [N, Z], bool [N] twice -> [Z]."""
    return means[has].mean(axis=0) - means[lacks].mean(axis=0)
