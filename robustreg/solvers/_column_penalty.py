"""A penalty as weighted sizes of columns, or groups of them, plus squares, in the solver's units."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.penalties._applied import Applied
from robustreg.penalties._sizes import sizes
from robustreg.solvers._cholesky import cholesky, solve_factored

#: a penalty that lets coefficients be this many times as large as the data ask for says nothing of where they are
WEAK = 1e3
#: columns that are decomposed for it at the most
MANY = 500


def least_subgradient(v: Array, gradient: Array, l1: Array, positive: Any) -> Array:
    """Return the smallest sum of a gradient and a subgradient of weighted absolute values.

    Parameters
    ----------
    v, gradient, l1 : array
        Coefficients, the gradient of what is smooth and the weights, of one shape.
    positive : bool or array of bool
        Which coefficients must not be negative.
    """
    shrunk = np.sign(gradient) * np.maximum(np.abs(gradient) - l1, 0.0)
    at_zero = np.where(positive, np.minimum(gradient + l1, 0.0), shrunk)
    return np.where(v == 0, at_zero, gradient + l1 * np.sign(v))


def least_group_subgradient(v: Array, gradient: Array, l1: Array, labels: Array) -> Array:
    """Return the same beside weighted norms of groups.

    Parameters
    ----------
    v, gradient : array of shape (q,) or (q, n_outputs)
        Coefficients and the gradient of what is smooth.
    l1 : array of shape (n_groups,)
        Weights.
    labels : array of int, of shape (q,)
        The group of each row of ``v``; each group has one.
    """
    norm, force = sizes(v, labels), sizes(gradient, labels)
    live = norm > 0
    slope = np.where(live, l1 / np.where(live, norm, 1.0), 0.0)
    share = np.where(live, 1.0, np.maximum(1.0 - l1 / np.where(force > 0, force, 1.0), 0.0))
    each = labels if v.ndim == 1 else (labels[:, None] + np.zeros(v.shape[1], int))
    return np.asarray(share[each] * gradient + slope[each] * v)


class ColumnPenalty(NamedTuple):
    """The majoriser of a penalty at a point, per unit of weight, in diagonal coordinates.

    Parameters
    ----------
    l1 : array
        Weights of the absolute values, of the shape of the coefficients; or of the norms, one a group.
    l2 : array
        Weights of half the squares, of the shape of the coefficients.
    positive : bool
        Whether coefficients are at least zero.
    labels : array of int, of shape (n_columns,), optional
        The group of each column; None where each coefficient is by itself.
    removed : array of bool, of shape (n_columns,)
        Columns whose coefficients are zero.
    unit : array of shape (n_columns,) or (n_columns, 1)
        Norms of groups are of coefficients times these.
    """

    l1: Array
    l2: Array
    positive: bool
    labels: Array | None
    removed: Array
    unit: Array

    @classmethod
    def of(cls, objective: Objective, u: Array) -> ColumnPenalty:
        """Return that of an objective's penalty, which touches it at coefficients."""
        penalty, total = objective.penalty, objective.total
        applied: Any = penalty if penalty.by_column else Applied.to(penalty)
        transform = objective.data.coordinates.transform
        part, labels = applied.majoriser((transform * u.T).T), applied.labels(len(u))
        each = transform if u.ndim == 1 else transform[:, None]
        l1, l2 = part.l1 / total, part.l2 * each**2 / total
        if labels is not None and u.ndim == 1 and len(np.unique(labels)) == len(labels):
            l1, labels = l1[labels], None  # a coefficient alone is as large as its absolute value
        l1 = l1 * each if labels is None else l1
        removed = applied.removed(len(u)) | (transform == 0)
        return cls(l1, l2, applied.positive, labels, removed, each)

    @property
    def even_l1(self) -> Array:
        """Weights of the norms of groups, each of columns of one unit, in the solver's coordinates."""
        assert self.labels is not None
        unit = np.zeros(len(self.l1))
        np.maximum.at(unit, self.labels, self.unit.ravel())
        return self.l1 * unit

    def value(self, u: Array) -> float:
        """Return the sum of weighted sizes and squares."""
        t = np.abs(u) if self.labels is None else sizes(self.unit * u, self.labels)
        return float(np.sum(self.l1 * t) + 0.5 * np.sum(self.l2 * u**2))

    def least_subgradient(self, u: Array, pulled: Array) -> Array:
        """Return the smallest sum of a gradient and a subgradient of the penalty, as a gradient in ``u``."""
        gradient = pulled + self.l2 * u
        if self.labels is None:
            return least_subgradient(u, gradient, self.l1, self.positive)
        user = self.by_unit(gradient)
        return self.unit * least_group_subgradient(self.unit * u, user, self.l1, self.labels)

    def excess(self, u: Array, pulled: Array) -> Array:
        """Return by how much each column, or its group, violates the conditions of a minimum.

        Parameters
        ----------
        u : array of shape (n_columns,) or (n_columns, n_outputs)
            Coefficients.
        pulled : array of the shape of ``u``
            Gradient of the loss.

        Returns
        -------
        excess : array of shape (n_columns,)
            Of single coefficients the largest of the outputs; of a group its norm, in units of the column.
        """
        least = self.least_subgradient(u, pulled)
        if self.labels is None:
            found = np.abs(least) if u.ndim == 1 else np.abs(least).max(axis=1)
        else:
            found = sizes(self.by_unit(least), self.labels)[self.labels] * self.unit.ravel()
        return np.where(self.removed, 0.0, found)

    def by_unit(self, gradient: Array) -> Array:
        """Return a gradient in the coefficients of which norms are taken."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.unit > 0, gradient / self.unit, 0.0)

    def loose(self, u: Array, pulled: Array, primal: float) -> Array:
        """Return the columns that no penalty holds, or hardly one, and no bound.

        ``primal`` is the objective at the point, which no penalty at the minimum exceeds. A coefficient that is
        large already is no better held: with others it can be a direction of hardly any length.
        """
        if self.labels is not None:
            return np.flatnonzero((self.l1 == 0)[self.labels] & ~self.removed)
        size, far = len(u), WEAK * max(1.0, primal) + np.abs(u)
        weak = self.l1 * far <= primal
        weak &= (self.l2 * far**2 <= 2 * primal) & (self.l1 + self.l2 > 0)
        weak &= (u != 0) | (self.least_subgradient(u, pulled) != 0)
        outputs = np.size(u[:1]) or 1
        weak = weak.reshape(size, outputs).any(axis=1) & ~self.removed
        bare = ((self.l1 == 0) & (self.l2 == 0)).reshape(size, outputs).all(axis=1) & ~self.removed
        if self.positive:
            bare &= ((u != 0) | (pulled < 0)).reshape(size, outputs).any(axis=1)
        return np.flatnonzero(bare | weak if np.count_nonzero(weak) <= MANY else bare)

    def gap(
        self, u: Array, pulled: Array, primal: float, loose: Array, most: Array | None
    ) -> float:
        """Return the gap between a point and what is carried back to it.

        Columns that are ``loose`` are left out; ``most`` is how far the minimum can be, where that is known without
        the penalty.
        """
        left_out = self.removed.copy()
        left_out[loose] = True
        each = left_out if u.ndim == 1 else left_out[:, None]
        pulled = np.where(each, 0.0, pulled)
        if self.labels is not None:
            return self._grouped_gap(u, pulled, primal)
        u = np.where(each, 0.0, u)
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.minimum(
                np.where(self.l1 > 0, primal / self.l1, np.inf),
                np.where(self.l2 > 0, np.sqrt(2 * primal / self.l2), np.inf),
            )
        far = far if most is None else np.minimum(far, most)
        # at a bound with its gradient it stays there
        far = np.maximum(np.where(np.isfinite(far), far, 0.0), np.abs(u))
        own = self.l1 * np.abs(u) + 0.5 * self.l2 * u**2 + pulled * u
        sums = own + self._conjugate(-pulled, far)
        apart = float(np.maximum(sums, 0.0).sum())
        held = ~each & np.ones(u.shape, dtype=bool)
        if not np.all(self.l1[held] > 0) or np.any(self.l2[held] > 0):
            return apart
        over = -pulled[held] if self.positive else np.abs(pulled[held])
        share = float(np.max(over / self.l1[held], initial=0.0))
        together = max(float(own.sum()), 0.0) + max(share - 1, 0.0) * primal
        return min(apart, together)

    def _conjugate(self, q: Array, far: Array) -> Array:
        """Return the largest of ``q v - l1 |v| - l2 v^2 / 2`` for v no further than ``far``."""
        over = np.maximum((q if self.positive else np.abs(q)) - self.l1, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            v = np.where(self.l2 > 0, np.minimum(over / self.l2, far), far)
        return np.where(over > 0, v * (over - 0.5 * self.l2 * v), 0.0)

    def _grouped_gap(self, u: Array, pulled: Array, primal: float) -> float:
        assert self.labels is not None
        user, coef = self.by_unit(pulled), self.unit * u
        norm, force = sizes(coef, self.labels), sizes(user, self.labels)
        if np.any(self.l2):
            raise ValueError("A group penalty with a square is not certified.")
        match = np.bincount(self.labels, (user * coef).reshape(len(u), -1).sum(axis=1))
        own = np.maximum(self.l1 * norm + match, 0.0)
        held = self.l1 > 0
        share = float(np.max(force[held] / self.l1[held], initial=0.0))
        return float(own[held].sum()) + max(share - 1, 0.0) * primal


class Squares(NamedTuple):
    """A multiple of the squared norm per unit of weight, in any coordinates; see :class:`ColumnPenalty`.

    Parameters
    ----------
    bend : array of shape (n_columns,) or (n_columns, n_columns)
        Its Hessian, or the diagonal of one.
    """

    bend: Array

    @classmethod
    def of(cls, objective: Objective) -> Squares:
        """Return that of an objective's penalty."""
        coordinates = objective.data.coordinates
        if objective.penalty.empty:
            return cls(np.zeros(coordinates.size))
        bend = objective.penalty.curvature(np.zeros(len(coordinates.center))) / objective.total
        if coordinates.diagonal:
            return cls(coordinates.along_diagonal(bend))
        return cls(coordinates.quadratic(bend))

    def least_subgradient(self, u: Array, pulled: Array) -> Array:
        """Return the gradient with that of the penalty."""
        own = (self.bend * u.T).T if self.bend.ndim == 1 else self.bend @ u
        return np.asarray(pulled + own)

    def excess(self, u: Array, pulled: Array) -> Array:
        """Return the size of the gradient in each column, the largest of its outputs."""
        least = np.abs(self.least_subgradient(u, pulled))
        return least if u.ndim == 1 else np.asarray(least.max(axis=1))

    def loose(self, u: Array, pulled: Array, primal: float) -> Array:
        """Return no columns: the coordinates of such a penalty are chosen so that none is."""
        return np.arange(0)

    def gap(
        self, u: Array, pulled: Array, primal: float, loose: Array, most: Array | None
    ) -> float:
        """Return the gap between a point and what is carried back to it."""
        rest = self.least_subgradient(u, pulled)
        far = max(1.0, primal) + np.abs(u) if most is None else most
        if u.ndim == 1:
            return unbalanced(self.bend, rest, far)
        columns = zip(rest.T, far.T, strict=True)
        return sum(unbalanced(self.bend, one, reach) for one, reach in columns)


def majoriser(objective: Objective, u: Array) -> ColumnPenalty | Squares:
    """Return the majoriser of a penalty at a point, in the form that fits it."""
    return Squares.of(objective) if objective.penalty.euclidean else ColumnPenalty.of(objective, u)


def unbalanced(quadratic: Array, rest: Array, far: Array) -> float:
    """Bound how much lower an objective with a quadratic term can be because ``rest`` is not zero.

    Along each axis of the term, in units in which its diagonal is one: ``rest**2 / 2`` over the
    curvature there, or ``|rest|`` times ``far``, how far the minimum is at the most, if that is
    less. A penalty that hardly bends an axis says nothing of it, so no axis is left out.

    Parameters
    ----------
    quadratic : array of shape (q,) or (q, q)
        Its Hessian, or the diagonal of one.
    rest, far : array of shape (q,)
        The gradient, and distances.
    """
    if not quadratic.any():
        return float(np.abs(rest) @ far)
    diagonal = quadratic if quadratic.ndim == 1 else np.diag(quadratic)
    unit = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    rest, far = rest / unit, unit * far
    bend = diagonal / unit**2
    if quadratic.ndim > 1 and np.count_nonzero(quadratic) > np.count_nonzero(diagonal):
        even = quadratic / np.outer(unit, unit)
        factor = cholesky(even, 0.0)
        if factor is not None:
            whole = 0.5 * float(rest @ solve_factored(factor, rest))
            if whole <= np.finfo(float).eps:  # too little for axes to matter
                return max(whole, 0.0)
        bend, axes = np.linalg.eigh(even)
        rest, far = axes.T @ rest, np.abs(axes).T @ far
    # an eigenvalue of rounding is none
    bend = np.where(bend > len(bend) * np.finfo(float).eps, bend, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        square = np.where(bend > 0, 0.5 * rest**2 / bend, np.inf)
    return float(np.minimum(square, np.abs(rest) * far).sum())
