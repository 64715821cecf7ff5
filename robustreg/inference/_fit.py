"""A fit seen on its rows: what every covariance is made of."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from robustreg._array import Array, here, is_sparse
from robustreg._lazy import refuse_lazy
from robustreg._threads import blas_aside
from robustreg.coordinates import Coordinates
from robustreg.data import FEW_GRAMS, Block, Data, find_moments
from robustreg.estimators._base import LinearModel
from robustreg.estimators._classifier_base import NEVER
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._namespace import in_numpy
from robustreg.estimators._outputs import SeveralOutputs
from robustreg.estimators._validation import check_weight, level_of_user
from robustreg.losses import ResidualLoss
from robustreg.losses._contrasts import Contrasts, helmert
from robustreg.objective import Objective
from robustreg.penalties import Penalty
from robustreg.preparation import arrange, prepare

#: a coefficient whose unit vector is in the row space of X but for this share can be told apart
APART = 1e-8
#: equations missed by this many of their own standard errors were not solved on these rows
MISSED = 0.5
#: rounding of a residual, relative to y
ROUNDING = 1e-9
INTERCEPT = "intercept"


class FinalStep:
    """A model, the steps before it, and the names of the columns that it sees.

    Parameters
    ----------
    estimator : estimator
        A fitted model, or a pipeline or a search with one at its end.

    Raises
    ------
    TypeError
        If the model is none of this package.
    """

    def __init__(self, estimator: Any) -> None:
        estimator = getattr(estimator, "best_estimator_", estimator)
        self.before = None
        model = estimator
        if hasattr(estimator, "steps"):
            self.before, model = estimator[:-1], estimator.steps[-1][1]
        model = getattr(model, "best_estimator_", model)
        if not isinstance(model, LinearModel):
            raise TypeError(
                "A fitted linear model of robustreg is needed, alone or as the last step of a pipeline. "
                f"Got {type(model).__name__}."
            )
        check_is_fitted(model, "coef_")
        self.model: Any = in_numpy(model)

    @property
    def several(self) -> bool:
        """Whether the model was fitted to several outputs, each as if it were alone."""
        return isinstance(self.model, SeveralOutputs) and self.model.coef_.ndim == 2

    def output(self, j: int) -> FinalStep:
        """Return the same steps with one of several outputs."""
        one = copy(self)
        one.model = self.model.output(j)
        return one

    def transform(self, X: Any) -> Any:
        """Return X as the model sees it, with the model's own checks of names and columns."""
        refuse_lazy("Inference", X=X)
        if self.before is not None and len(self.before.steps):
            X = self.before.transform(X)
        X = here(X, "X")
        validate_data(self.model, X, reset=False, skip_check_array=True)
        return X

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        p = self.model.coef_.shape[-1]
        known = getattr(self.model, "feature_names_in_", None)
        if known is None and self.before is not None and hasattr(self.before, "steps"):
            try:
                known = self.before.get_feature_names_out()
            except (AttributeError, ValueError):
                known = None
        if known is None or len(known) != p:
            return tuple(f"x{j}" for j in range(p))
        return tuple(map(str, known))


@dataclass
class Fit:
    """A fitted model on rows of positive weight, in coordinates in which their columns are alike.

    Parameters
    ----------
    final : FinalStep
        The model.
    estimate : Estimate
        What it minimised; targets and factors are those of the kept rows.
    data : Data
        The kept rows; weights have mean one.
    mass : float
        How many repetitions a weight of one stands for.
    rank : int
        Rank of ``[1, X]``.
    kept : array of shape (n_kept,) or None
        Which rows of the user's they are; None for all.
    given : Data
        The same rows as the user gave them.
    n_given : float
        Number of rows as given, each repeated as often as its weight says.
    n_outlying : float or None
        How many of them are outliers, where the fit has left some out.
    """

    final: FinalStep
    estimate: Estimate
    data: Data
    mass: float
    rank: int
    kept: Array | None
    given: Data
    n_given: float
    n_outlying: float | None = None

    def __post_init__(self) -> None:
        estimate, data = self.estimate, self.data
        weight = _product(data.weight, estimate.factor)
        target = estimate.target
        self.objective = Objective(
            Contrasts(estimate.loss) if estimate.together else estimate.loss,
            data.with_target(target, weight), self.penalty, n_outputs=self.n_outputs,
        )  # fmt: skip
        self.theta = self.inside(self.model.coef_, self.model.intercept_)
        if not estimate.loss.additive:
            self.raw, self.gradient = self.objective.raw(self.theta), np.zeros_like(self.theta)
            return
        shape = (data.n_rows,) if self.n_outputs is None else (data.n_rows, self.n_outputs)
        self.raw = np.empty(shape)
        self.gradient = (
            self.objective.evaluate(self.theta, out=self.raw).gradient * self.objective.total
        )

    def inside(self, coef: Array, intercept: Any) -> Array:
        """Return coefficients and intercept in the coordinates of the objective."""
        coordinates = self.data.coordinates
        coef, offset = np.atleast_2d(coef), np.atleast_1d(np.asarray(intercept, dtype=float))
        if self.data.intercept:
            offset = offset + coef @ coordinates.center
        u = coordinates.solver(coef.T)
        if self.basis is not None:
            u, offset = u @ self.basis.T, self.basis @ offset
        if self.n_outputs is None:
            u, offset = u[:, 0], offset[0]
        return self.objective.join(u, offset)

    @property
    def model(self) -> LinearModel:
        model: LinearModel = self.final.model
        return model

    @property
    def penalty(self) -> Penalty:
        """The penalty beside a sum over rows whose weights have mean one."""
        penalty: Penalty = self.estimate.penalty.scaled(1 / self.mass)
        return penalty

    @property
    def n_outputs(self) -> int | None:
        """Columns of the raw predictions in the coordinates of the objective."""
        if self.estimate.scores is None:
            return None
        return len(self.estimate.scores) - int(self.estimate.together)

    @property
    def basis(self) -> Array | None:
        """Orthonormal contrasts of scores of which only differences matter."""
        return helmert(self.n_outputs + 1) if self.estimate.together else None  # type: ignore[operator]

    @property
    def weight(self) -> Array:
        """Weights of mean one."""
        return np.ones(self.data.n_rows) if self.data.weight is None else self.data.weight

    @property
    def total(self) -> float:
        """Sum of the weights of mean one."""
        return self.data.total

    @property
    def n(self) -> float:
        """Number of rows, each repeated as often as its weight says."""
        number = self.data.total * self.mass
        return float(round(number)) if abs(number - round(number)) < 1e-9 * number else number

    @cached_property
    def residual(self) -> Array:
        """Residuals in the units of y."""
        return self.estimate.target - self.raw

    @property
    def loss(self) -> ResidualLoss:
        """The loss of residuals."""
        assert isinstance(self.estimate.loss, ResidualLoss)
        return self.estimate.loss

    @property
    def penalised(self) -> bool:
        return not self.estimate.penalty.empty

    @cached_property
    def dead(self) -> Array:
        """Which coordinates are those of constant columns: no row tells anything of them."""
        dead = np.zeros(len(self.theta), dtype=bool)
        if self.data.coordinates.diagonal:
            for place in self.places:
                dead[place[: self.data.size]] = ~self.data.coordinates.varies
        return dead

    @cached_property
    def held(self) -> Array:
        """Which of the other coordinates a penalty with a kink holds at zero."""
        held = np.zeros(len(self.theta), dtype=bool)
        if self.penalised and self.estimate.penalty.kinked:
            held[: self.data.size] = self.theta[: self.data.size] == 0
        return held & ~self.dead

    @property
    def active(self) -> Array:
        """Which coordinates are free."""
        return ~(self.dead | self.held)

    @property
    def n_parameters(self) -> int:
        """Parameters of each score that the rows can tell apart."""
        return self.rank - int(np.count_nonzero(self.held))

    @property
    def df(self) -> float:
        """Degrees of freedom that are left."""
        return self.n - self.n_parameters

    # --- sums over rows, in the coordinates ---------------------------------------------------

    def gram(self, factor: Array | None = None) -> Array:
        """Sum of ``weight * factor * z z'`` over the rows, z with a one for the intercept."""
        data = self.data
        if factor is None or factor.min() == factor.max() == 1.0:  # known, or less to do
            if data.moments is not None and data.weight is None:
                return data.gram_inward(data.moments)
            if data.weight is None and data.dense:
                return data.gram_inward(find_moments(data))
            factor = None
        return gram(data, _product(data.weight, factor))

    def penalty_hessian(self) -> Array:
        """Hessian of the penalty beside the sums of :meth:`gram`."""
        q = len(self.theta)
        return self.objective.with_penalty(self.theta, np.zeros((q, q)))

    def sum_of(self, factor: Array) -> Array:
        """Sum of ``weight * factor * z``."""
        part = self.data.with_target(_product(self.data.weight, factor), None)
        (pulled,) = part.sum(lambda block: (block.pullback(block.y),))
        return np.asarray(self.data.inward(pulled))

    def along(self, directions: Array) -> Array:
        """Products of the rows z with some directions, of shape (n_rows, n_directions)."""
        at = self.data.outward(directions)
        return self.data.rowwise(lambda block: block.raw(at))

    def leverage(self, inverse: Array) -> Array:
        """The quadratic forms ``z' inverse z`` of the rows, a few directions at a time."""
        values, vectors = np.linalg.eigh(inverse)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        at = self.data.outward(root)

        def part(block: Block) -> Array:
            sizes = block.raw(at)
            return np.einsum("ij,ij->i", sizes, sizes)

        return self.data.rowwise(part)

    # --- from the coordinates to the user's columns -------------------------------------------

    @cached_property
    def jacobian(self) -> Array:
        """What the intercept (if any) and the coefficients of one score make of its coordinates."""
        coordinates, intercept = self.data.coordinates, self.data.intercept
        transform = coordinates.transform
        block = np.diag(transform) if coordinates.diagonal else transform
        if not intercept:
            return block
        first = np.append(-coordinates.center @ block, 1.0)
        return np.vstack([first, np.column_stack([block, np.zeros(len(block))])])

    @property
    def jacobians(self) -> Array:
        """The same of all scores, one after another, for the layout of the objective."""
        if self.n_outputs is None:
            return self.jacobian
        mix = np.eye(self.n_outputs) if self.basis is None else self.basis.T
        full = np.zeros((len(mix), len(self.jacobian), len(self.theta)))
        for s, row in enumerate(mix):
            for o, place in enumerate(self.places):
                full[s][:, place] += row[o] * self.jacobian
        return full.reshape(-1, len(self.theta))

    @property
    def places(self) -> list[Array]:
        """Where the coordinates of each output stand in those of the objective."""
        k, outputs = self.data.size, self.n_outputs or 1
        first = np.arange(k) * outputs
        last = [k * outputs] if self.data.intercept else []
        return [np.append(first, last).astype(int) + o for o in range(outputs)]

    @cached_property
    def estimable(self) -> Array:
        """Which of intercept and coefficients the rows can tell apart from all others."""
        coordinates, p = self.data.coordinates, len(self.data.coordinates.center)
        extra = int(self.data.intercept)
        certain = np.ones(p + extra, dtype=bool)
        if self.penalised:
            certain[extra:] = coordinates.varies
            if self.held.any():
                certain[extra:] &= ~self.held[: self.data.size]
            return certain
        if self.rank >= p + extra:
            return certain
        unit, varies = self._spreads
        basis = np.linalg.qr(self.space / unit[:, None])[0]
        certain[extra:] = varies & ((basis**2).sum(axis=1) > 1 - APART)
        if extra:
            # of the columns that depend on others: one far from zero beside them would hide what they lack
            lost = ~certain[extra:]
            basis, center = basis[lost], coordinates.center[lost] / unit[lost]
            rest = center - basis @ (basis.T @ center)
            certain[0] = np.linalg.norm(rest) <= APART * max(float(np.linalg.norm(center)), 1.0)
        return certain

    @cached_property
    def space(self) -> Array:
        """Columns that span the rows of the centred X, in the user's units; one pass where columns are combined."""
        coordinates = self.data.coordinates
        if not coordinates.diagonal:
            # Not from the transform: what it says of rows is rounding where columns are of very unlike units.
            plain = Coordinates(coordinates.center, coordinates.varies.astype(float))
            rows = replace(self.given, coordinates=plain)
            (space,) = rows.sum(
                lambda block: (block.X.T.dot(block.X.dot(coordinates.transform)),), FEW_GRAMS
            )
            return np.asarray(space) / rows.n_rows
        return np.diag(1 / coordinates.transform)

    @property
    def _spreads(self) -> tuple[Array, Array]:
        """Size of the centred columns, one for those that are constant, and which are not."""
        size = np.sqrt((self.space**2).sum(axis=1))
        return np.where(size > 0, size, 1.0), size > 0

    @property
    def labels(self) -> list[str]:
        """Names of intercept and coefficients of one score."""
        return ([INTERCEPT] if self.data.intercept else []) + list(self.final.names)

    @property
    def estimates(self) -> Array:
        """Intercept and coefficients, score after score."""
        coef = np.atleast_2d(self.model.coef_)
        if not self.data.intercept:
            return coef.ravel()
        first = np.atleast_1d(np.asarray(self.model.intercept_, dtype=float))
        return np.column_stack([first, coef]).ravel()


def gram(data: Data, weight: Array | None) -> Array:
    """Sum of ``weight * z z'`` over the rows of data, whatever their own weights."""
    weight = np.ones(data.n_rows) if weight is None else weight
    part = data.with_target(weight, None)
    (inner,) = part.sum(lambda block: (block.gram(block.y),), FEW_GRAMS)
    return data.gram_inward(inner)


def _product(one: Array | None, other: Array | None) -> Array | None:
    """Product of weights, where None stands for ones."""
    if one is None or other is None:
        return other if one is None else one
    return one[:, None] * other if other.ndim == 2 and one.ndim == 1 else one * other


def look(
    final: FinalStep, X: Any, y: Any, sample_weight: Any = None, *, every: bool = False
) -> Fit:
    """Return a fitted model on its rows, as it sees them; ``every`` adds those that the fit has left out.

    Raises
    ------
    ValueError
        If there are no more rows than parameters, or y has other classes than those of the fit.
    """
    model = final.model
    reader = copy(model)  # reading stores names and classes
    rows, target = reader._read(X, y)
    _same_classes(model, reader)
    weight, mass = check_weight(sample_weight, len(target))
    total = float(len(target) if weight is None else weight.sum()) * mass
    estimate = model._estimate(target, weight, total)
    outlying = None
    if estimate.rows is not None:
        if len(estimate.rows) != len(target):
            raise ValueError(
                f"X has {len(target)} rows, but the model was fitted to {len(estimate.rows)}."
            )
        far = np.asarray(model.outliers_, dtype=float)
        outlying = float((far if weight is None else far * weight).sum()) * mass
        if not every:
            left = mass * (estimate.rows if weight is None else estimate.rows * weight)
            weight, mass = check_weight(left, len(target))
    reduce = estimate.penalty.euclidean
    with np.errstate(all="ignore"), blas_aside():
        data, rank = prepare(
            rows, estimate.target, weight, intercept=model.fit_intercept, reduce=reduce,
            penalised=not estimate.penalty.empty,
        )  # fmt: skip
        kept = None
        if weight is not None and not np.all(weight > 0):
            kept = np.flatnonzero(weight > 0)
            factor = None if estimate.factor is None else estimate.factor[kept]
            mask = None if estimate.rows is None else estimate.rows[kept]
            estimate = replace(estimate, target=data.y, factor=factor, rows=mask)
        if is_sparse(data.X) and not data.explicit:
            data = replace(data, explicit=True)
        given = Data(rows, estimate.target, None, data.coordinates, model.fit_intercept, rows=kept)
        if reduce:
            data = _varying(data, given)
        fit = Fit(final, estimate, data, mass, rank, kept, given, total, outlying)
    if fit.df < 1e-9:
        raise ValueError(
            f"There are {fit.n:g} rows and {fit.n_parameters} parameters: nothing is left to tell how "
            "sure they are."
            + (" Weights are numbers of repetitions." if sample_weight is not None else "")
        )
    return fit


def _varying(data: Data, given: Data) -> Data:
    """Leave out the coordinates of constant columns, with which no matrix of sums over rows has an inverse."""
    if not data.coordinates.diagonal or data.coordinates.varies.all():
        return data
    few = data.coordinates.varying()
    return arrange(replace(given, weight=data.weight, coordinates=few, explicit=True))


def _same_classes(model: Any, reader: Any) -> None:
    """Refuse labels that are not those of the fit."""
    known = getattr(model, "classes_", None)
    if known is None:
        return
    found = reader.classes_
    if not np.array_equal(known, found):
        raise ValueError(f"y holds the classes {found}, but the model was fitted to {known}.")
    if np.any(np.abs(model.intercept_) >= abs(NEVER)):
        raise ValueError(
            "A class had no row of positive weight in the fit: nothing tells how sure it is."
        )


def check_rows(fit: Fit, variance: Array) -> None:
    """Warn where what defines the coefficients, or the rows that they leave, does not hold on these rows.

    Parameters
    ----------
    fit : Fit
        The fit.
    variance : array
        Variances of the sums of the rows' contributions, one for each coordinate.
    """
    cut = fit.estimate.cut
    if cut is None:
        slack = np.abs(fit.gradient[: len(variance)])
        missed = np.any(slack[fit.active] > MISSED * np.sqrt(variance[fit.active]))
    else:
        missed = np.any(np.abs(fit.residual) > cut + ROUNDING * np.abs(fit.estimate.target))
    if missed:
        warnings.warn(
            "The model was not fitted to these data: its coefficients do not solve the equations for this "
            "X, y and sample_weight.",
            UserWarning,
            stacklevel=level_of_user(),
        )
