"""The classifier two-sample test: a model beside the drummers it learned from.

A classifier is trained on the windows of one half of the performances, and tested on
those of the other half. The figure is the area under its ROC curve. It is the
probability that a window of the player scores higher than one of a drummer.

Unit: none, 0 to 1. Near 0.5 is best: both are alike. The area is small, too, where the
classifier is weak, so there are two of them. One is gradient-boosted trees on hand-made
features of a window. The other is a small network that reads hits, velocities and
offsets of half a bar; its log odds are averaged over the window.

Source: Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", 2017.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from music_vae_tf.analysis import groove_features
from music_vae_tf.analysis.bootstrap import Estimate, resampled_counts, with_interval
from music_vae_tf.analysis.groove_windows import Playing, Windows
from music_vae_tf.errors import UserFacingError

UNIT = "AUC"
FEWEST_PERFORMANCES = 4
SMALLEST_PROBABILITY = 1e-12
HIDDEN_UNITS, EPOCHS = 64, 30
ALPHA = 0.1  # L2 penalty of the network's weights


class NoClassifiers(UserFacingError, ValueError):
    """scikit-learn is not installed."""


def require_library() -> None:
    """Sees that the classifiers are there.

    Raises:
        NoClassifiers: scikit-learn is not installed.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise NoClassifiers(
            "the classifier two-sample test needs scikit-learn: pip install "
            "'music_vae_tf[evaluate]', or leave the test out with --notwo_sample_test"
        ) from error


class Kind(NamedTuple):
    """One of the two tests."""

    name: str
    features: Callable[[Playing], np.ndarray]  # [N, E, F], of E parts of a window
    classifier: Callable[[int], Any]  # of a seed, one of scikit-learn


def _trees(seed):
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.1, max_leaf_nodes=15, random_state=seed % 2**32
    )


def _network(seed):
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPClassifier(
        [HIDDEN_UNITS], alpha=ALPHA, max_iter=EPOCHS, random_state=seed % 2**32
    )
    return make_pipeline(StandardScaler(), network)


KINDS = (
    Kind("two_sample_auc_features", groove_features.hand_made, _trees),
    Kind("two_sample_auc_network", groove_features.excerpts, _network),
)


def areas(
    kind: Kind, windows: Windows, players: Mapping[str, Playing], seed: int
) -> Iterator[tuple[str, Estimate]]:
    """Of each player, the area under the ROC curve on the half not learned from.

    The halves are of performances, drawn with the seed; so is what is random in the
    classifier, and the interval, which is over the performances of the second half.
    NaN with fewer than 4 performances.
    """
    if windows.num_performances < FEWEST_PERFORMANCES:
        yield from ((name, Estimate(*[float("nan")] * 3)) for name in players)
        return
    order = np.random.default_rng(seed).permutation(windows.num_performances)
    learned = np.isin(windows.performances, order[: len(order) // 2])
    _, performances = np.unique(windows.performances[~learned], return_inverse=True)
    counts = resampled_counts(performances.max() + 1, seed)[:, np.tile(performances, 2)]
    of_drummers = kind.features(windows.drummers)
    for name, played in players.items():
        features = of_drummers, kind.features(played)
        of_halves = ([f[half] for f in features] for half in (learned, ~learned))
        scores, labels = _scores(kind.classifier(seed), *of_halves)
        once = np.ones([1, len(scores)])
        (whole,) = roc_auc(scores, labels, once)
        yield name, with_interval(whole, roc_auc(scores, labels, counts), (0, 1))


def _scores(classifier, learned_from, others):
    """Trains on the one half, and scores the windows of the other half.

    Returns the probability that a window is the player's, as mean log odds over its
    parts, and whether it is: `[N]` each.
    """
    from threadpoolctl import threadpool_limits

    # There is too little to do for more than one thread.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # the network stops before it has converged
        classifier.fit(*_rows(learned_from))
        probabilities = classifier.predict_proba(_rows(others)[0])
    log_probabilities = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
    log_odds = log_probabilities[:, 1] - log_probabilities[:, 0]
    parts = others[0].shape[1]
    return log_odds.reshape(-1, parts).mean(axis=1), _labels(others)


def _labels(features):
    """0 for drummers' windows, 1 for the player's."""
    return np.repeat([0, 1], [len(f) for f in features])


def _rows(features):
    """All parts of all windows `[N * E, F]`, and the label of each."""
    rows = np.concatenate(features)
    parts = rows.shape[1]
    return rows.reshape(-1, rows.shape[2]), np.repeat(_labels(features), parts)


def roc_auc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How probable it is that a 1 scores above a 0; equal scores count half.

    Args:
        scores, labels: `[N]`; labels are 0 or 1.
        weights: `[R, N]`, how often each counts.

    Returns:
        `[R]`; NaN where all labels that count are the same.
    """
    order = np.argsort(scores)
    _, starts = np.unique(scores[order], return_index=True)
    ones, zeros = (
        np.add.reduceat(weights[:, order] * (labels[order] == label), starts, axis=1)
        for label in (1, 0)
    )
    below = zeros.cumsum(axis=1) - zeros / 2
    pairs = ones.sum(axis=1) * zeros.sum(axis=1)
    right = (ones * below).sum(axis=1)
    return np.divide(right, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
