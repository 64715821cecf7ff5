"""Class probabilities that scores of a loss stand for."""

from __future__ import annotations

import numpy as np

from robustreg._array import Array
from robustreg.losses import Loss, softmax


def conditional(loss: Loss, scores: Array) -> Array:
    """Return the class probabilities under which the given scores have the least expected loss.

    At the best scores the derivatives of the expected loss are zero; this solves them for the
    probabilities instead. For cross-entropy that gives sigmoid and softmax; for losses that bend
    cross-entropy the sigmoid of a score is no probability, though this is, and of the same order
    as the score.

    Parameters
    ----------
    loss : Loss
        A function of the probability that the softmax (sigmoid) of the scores gives the true class.
    scores : array of shape (n,) or (n, n_classes)
        Raw predictions.

    Returns
    -------
    probability : array of the shape of ``scores``
        Of the second class, or of each class.

    References
    ----------
    Charoenphakdee, N., Vongkulbhisal, J., Chairatanakul, N. and Sugiyama, M. (2021). On focal loss
    for class-posterior probability estimation. Conference on Computer Vision and Pattern
    Recognition, 5202-5211.
    """
    if scores.ndim == 1:
        down = _slope(loss, 0, scores)
        return down / (down - _slope(loss, 1, scores))
    # The derivative for true class k is pull_k * (p - e_k), so probability_k pull_k goes as p_k.
    p, pull = softmax(scores), np.empty_like(scores)
    for k in range(scores.shape[1]):
        others = np.delete(_slope(loss, k, scores), k, axis=1).sum(axis=1)
        rest = np.delete(p, k, axis=1).sum(axis=1)
        pull[:, k] = np.divide(others, rest, out=np.zeros_like(rest), where=rest > 0)
    # Relative to the leading class, whose pull alone can vanish.
    lead = np.take_along_axis(pull, scores.argmax(axis=1)[:, None], axis=1)
    share = p * np.divide(lead, pull, out=np.ones_like(p), where=pull > 0)
    return share / share.sum(axis=1, keepdims=True)


def _slope(loss: Loss, label: int, scores: Array) -> Array:
    """Derivative of the loss in the scores where all rows have one label."""
    y = np.full(len(scores), float(label))
    slope: Array = loss.value_gradient(y, scores, None, None)[1]
    return slope
