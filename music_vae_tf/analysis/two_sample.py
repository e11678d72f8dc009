"""The classifier two-sample test: can anybody tell the player from the drummers?

A classifier learns to, from the windows of one half of the performances, and is tried
on those of the other half (Lopez-Paz and Oquab 2017, "Revisiting Classifier Two-Sample
Tests"). The figure is the area under its ROC curve there: how probable it is that of a
window of a drummer and one of the player, it takes the right one for the player's.

Unit: none, 0 to 1. Near 0.5 is best: nobody can tell. The area is small, too, where the
classifier is weak, so there are two of them: gradient-boosted trees on hand-made
features, and a small network on the matrix of hits, velocities and offsets.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from music_vae_tf.analysis import groove_features
from music_vae_tf.analysis.bootstrap import Estimate, resampled_counts, with_interval
from music_vae_tf.analysis.groove_windows import Playing, Windows

UNIT = "AUC"
FEWEST_PERFORMANCES = 4
HIDDEN_UNITS = 64


class NoClassifiers(ValueError):
    """scikit-learn is not installed."""

    for_the_user = True


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
    features: object  # Playing -> [N, F]
    classifier: object  # seed -> a classifier of scikit-learn


def _trees(seed):
    from sklearn.ensemble import HistGradientBoostingClassifier

    # By default a tenth of the windows would decide when to stop, of 10,000 on.
    return HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.1, max_leaf_nodes=15, random_state=seed % 2**32
    )


def _network(seed):
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPClassifier(
        [HIDDEN_UNITS], alpha=1.0, max_iter=60, random_state=seed % 2**32
    )
    return make_pipeline(StandardScaler(), network)


KINDS = (
    Kind("two_sample_auc_features", groove_features.hand_made, _trees),
    Kind("two_sample_auc_network", groove_features.matrix, _network),
)


def area(kind: Kind, windows: Windows, played: Playing, seed: int) -> Estimate:
    """The area under the ROC curve on the half that the classifier has not seen.

    The halves are of performances, drawn with the seed; so is what is random in the
    classifier, and the interval, which is over the performances of the second half.
    NaN with fewer than 4 performances.
    """
    if windows.num_performances < FEWEST_PERFORMANCES:
        return Estimate(*[float("nan")] * 3)
    order = np.random.default_rng(seed).permutation(windows.num_performances)
    learned_from = np.isin(windows.performances, order[: len(order) // 2])
    features = [kind.features(one) for one in (windows.drummers, played)]
    classifier = kind.classifier(seed)
    with warnings.catch_warnings():  # the network stops before it has converged
        warnings.simplefilter("ignore")
        classifier.fit(*_labelled([f[learned_from] for f in features]))
    rows, labels = _labelled([f[~learned_from] for f in features])
    scores = classifier.predict_proba(rows)[:, 1]
    performances = np.tile(windows.performances[~learned_from], 2)
    return _with_interval(scores, labels, performances, seed)


def _labelled(features):
    """Drummers' windows, which are 0, and the player's, 1."""
    labels = np.repeat([0, 1], [len(f) for f in features])
    return np.concatenate(features), labels


def _with_interval(scores, labels, performances, seed):
    _, places = np.unique(performances, return_inverse=True)
    counts = resampled_counts(places.max() + 1, seed)
    figures = [roc_auc(scores, labels, drawn[places]) for drawn in counts]
    return with_interval(roc_auc(scores, labels), np.array(figures))


def roc_auc(scores, labels, weights=None) -> float:
    """How probable it is that a 1 scores above a 0; equal scores count half.

    Args:
        scores, labels: `[N]`; labels are 0 or 1.
        weights: `[N]`, how often each counts; once by default.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    levels, places = np.unique(scores, return_inverse=True)
    ones = np.bincount(places, weights * labels, len(levels))
    zeros = np.bincount(places, weights * (1 - np.asarray(labels)), len(levels))
    below = zeros.cumsum() - zeros / 2
    total = ones.sum() * zeros.sum()
    return float(ones @ below / total) if total else float("nan")
