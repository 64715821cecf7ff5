"""The contract of a loss: what solvers call, and the checked call that people use."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from robustreg._array import EMPTY, Array, total
from robustreg._parameters import Parameters
from robustreg.losses._evaluate import evaluate
from robustreg.losses._inputs import bind
from robustreg.losses._targets import Target

ROLES = ("target", "raw", "extra")
Reduction = Literal["mean", "sum", "none"]

LOSSES: dict[str, type[Loss]] = {}
"""Every loss by its name, filled as the classes are defined."""


class Extra(NamedTuple):
    """Start values and bounds of a loss's own parameters.

    Parameters
    ----------
    start, lower, upper : array of shape (n_parameters,)
        Empty for losses without parameters of their own.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import GE2E
    >>> GE2E().extra(None, np.ones((2, 2, 3)), None).start.tolist()
    [10.0, -5.0]
    """

    start: Array = EMPTY
    lower: Array = EMPTY
    upper: Array = EMPTY


class Kinks(NamedTuple):
    """Piecewise linear loss of each row: max(lower, upper slope times (raw - position)) + constant.

    Parameters
    ----------
    position : array or float
        Raw prediction where the slope changes. All three broadcast against the raw predictions.
    lower, upper : array or float
        Slope of the loss below and above that position.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import Pinball
    >>> Pinball(quantile=0.75).kinks(np.array([1.0, 2.0]))
    Kinks(position=array([1., 2.]), lower=-0.75, upper=0.25)
    """

    position: Any
    lower: Any
    upper: Any

    def slopes(self, s: Array) -> Array:
        """Return the slope of each row: the upper one where its offset is above zero, and else the lower one.

        Parameters
        ----------
        s : array
            Offsets: raw predictions less ``position``.

        Returns
        -------
        slopes : array
            Of the shape of ``s``.
        """
        slopes: Array = np.where(s > 0, self.upper, self.lower)
        return slopes

    def losses(self, s: Array) -> Array:
        """Return the loss of each row, without the constant.

        Parameters
        ----------
        s : array
            Offsets, as of :meth:`slopes`.

        Returns
        -------
        losses : array
            Of the shape of ``s``.
        """
        losses: Array = np.maximum(self.lower * s, self.upper * s)
        return losses


class Argument(NamedTuple):
    """One input of a loss's function form.

    ``role`` is "target", "raw" (can be differentiated) or "extra" (too, but travels as a flat
    vector of the loss's own parameters); ``doc`` is its type and its sentence in the docstring.
    """

    name: str
    role: Literal["target", "raw", "extra"]
    type: str
    doc: str
    optional: bool = False


class Loss(Parameters, ABC):
    r"""A scalar function of raw predictions, with gradient and curvature.

    A concrete loss is a dataclass whose fields are its hyper-parameters. It knows neither the data
    matrix, nor the penalty, nor the solver. Three methods serve solvers and check nothing, because
    they run thousands of times on small blocks of rows: `value_gradient`, `curvature` and `extra`.
    Calling the loss, as its function form does, checks everything.

    ``raw`` is one array, or a tuple of arrays where several can move; gradients come back in the
    same form. ``weight`` belongs to the first axes of the values, and None means ones. ``extra`` is
    the flat vector of the loss's own parameters; None or an empty vector stands for none.

    Attributes
    ----------
    name : str
        Name in `LOSSES`.
    aliases : tuple of str
        Other names of the loss, which are understood where a name is.
    function, function_defaults, function_fixed, function_names : str, dict, dict, dict
        The function form: its name, defaults other than the class's, fields it does not show, and
        what it calls a field by another name.
    target : Target
        What y must look like.
    arguments : tuple of Argument
        Inputs of the function form.
    additive, smooth, convex : bool
        Whether the value over two blocks of rows is the sum of the values, whether the gradient is
        continuous, and whether the loss is a convex function of ``raw`` (and ``extra``).
    likelihood : bool
        Whether the loss is minus the logarithm of the probability that ``raw`` gives to y.
    of_difference : bool
        Whether only the difference of targets and raw predictions counts.
    of_direction : bool
        Whether only the directions of raw predictions, which are vectors, count.
    classifies : bool
        Whether linear classifiers are fitted with it; see `of_classes`.
    against_rest : bool
        Whether each of several classes is told from all others by a fit of its own.
    endless : bool
        Whether the loss tends to its infimum without reaching it as the score of the true class grows.
    probabilities : str
        How scores of a classifier stand for probabilities: "link" by sigmoid or softmax, "conditional" as
        those under which the scores have the least expected loss; empty where they do not.
    values_shape, formula, reference : str
        For the documentation: shape of the values before reduction, the formula in LaTeX, the
        source.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    function: ClassVar[str]
    function_defaults: ClassVar[dict[str, Any]] = {}
    function_fixed: ClassVar[dict[str, Any]] = {}
    function_names: ClassVar[dict[str, str]] = {}
    target: ClassVar[Target]
    arguments: ClassVar[tuple[Argument, ...]]
    additive: ClassVar[bool] = True
    likelihood: ClassVar[bool] = False
    smooth: ClassVar[bool] = True
    convex: ClassVar[bool] = True
    of_difference: ClassVar[bool] = False
    of_direction: bool = False
    classifies: ClassVar[bool] = False
    against_rest: ClassVar[bool] = False
    endless: ClassVar[bool] = True
    probabilities: ClassVar[str] = ""
    values_shape: ClassVar[str] = "(n,)"
    formula: ClassVar[str] = ""
    reference: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            LOSSES[cls.name] = cls
            cls.aliases = cls.__dict__.get("aliases", ())  # not those of a parent

    @abstractmethod
    def values(self, y: Any, raw: Any, weight: Array | None, extra: Array | None) -> Array:
        """Weighted values before any reduction.

        Parameters
        ----------
        y, raw, weight, extra : array or None
            As in `value_gradient`.

        Returns
        -------
        values : array
            Of the shape that `shape` says.
        """

    @abstractmethod
    def value_gradient(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[float, Any, Array]:
        """Weighted sum of the values, and its gradient.

        Parameters
        ----------
        y : array or None
            Targets.
        raw : array or tuple of arrays
            Raw predictions.
        weight : array or None
            Weights of the rows; None for ones.
        extra : array or None
            The loss's own parameters.

        Returns
        -------
        value : float
        d_raw : array or tuple of arrays
            Derivative with respect to ``raw``; where there is none, a subgradient.
        d_extra : array
            Derivative with respect to ``extra``.
        """

    @abstractmethod
    def curvature(
        self,
        y: Any,
        raw: Any,
        weight: Array | None,
        extra: Array | None,
        d_raw: Any,
        d_extra: Array | None,
    ) -> tuple[Any, Array]:
        """Product of the Hessian of the weighted sum with a direction.

        Parameters
        ----------
        y, raw, weight, extra
            As in `value_gradient`.
        d_raw : array, tuple of arrays or float
            Direction in ``raw``. A number stands for a constant array where the loss is pointwise,
            so that 1.0 gives the diagonal of the Hessian.
        d_extra : array or None
            Direction in ``extra``; None for zero.

        Returns
        -------
        c_raw : array or tuple of arrays
        c_extra : array
        """

    @property
    def constant_curvature(self) -> float | None:
        """Second derivative of the loss of a row in its one raw prediction where it is the same everywhere, else None."""
        return None

    def own_curvature(self, y: Any, raw: Any, weight: Array | None, extra: Array | None) -> Array:
        """Diagonal of the Hessian of the weighted sum in ``raw``, an array; the loss is a sum over rows.

        Parameters
        ----------
        y, raw, weight, extra
            As in `value_gradient`.

        Returns
        -------
        bends : array
            Of the shape of ``raw``.
        """
        if raw.ndim == 1:
            bend: Array = self.curvature(y, raw, weight, extra, 1.0, None)[0]
            return bend
        bends = np.empty_like(raw)
        for k, unit in enumerate(np.eye(raw.shape[1])):
            bends[:, k] = self.curvature(y, raw, weight, extra, unit, None)[0][:, k]
        return bends

    def rates(self, y: Any, raw: Any, weight: Array | None) -> tuple[Array, Array] | None:
        """Rates r and a basis B where the Hessian of each row is ``B (diag(r) - r r' / sum(r)) B'``, else None.

        Parameters
        ----------
        y, raw, weight
            As in `value_gradient`.

        Returns
        -------
        rates : array of shape (n_rows, n_classes)
        basis : array of shape (n_outputs, n_classes)
        """
        return None

    def unmixed(self, n_outputs: int | None) -> tuple[Loss, Array | None]:
        """Return the loss of what its raw predictions are combinations of, and how; itself and None otherwise.

        Parameters
        ----------
        n_outputs : int or None
            Columns of the raw predictions; None for a single one.

        Returns
        -------
        loss : Loss
            Takes ``raw @ basis``.
        basis : array of shape (n_outputs, n_scores) or None
            With orthonormal rows.
        """
        return self, None

    def slope_along(
        self,
        y: Any,
        raw: Any,
        weight: Array | None,
        extra: Array | None,
        d_raw: Any,
        d_extra: Array | None,
    ) -> Array:
        """Derivative of `values` along a direction, for automatic differentiation of gradients.

        Parameters
        ----------
        y, raw, weight, extra
            As in `value_gradient`.
        d_raw : array or tuple of arrays
            Direction in ``raw``.
        d_extra : array or None
            Direction in ``extra``; None for zero.

        Returns
        -------
        slope : array
            Of the shape of the values.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how its values change.")

    def extra(self, y: Any, raw: Any, weight: Array | None) -> Extra:
        """Start values and bounds of the loss's own parameters; empty unless it has some.

        Parameters
        ----------
        y, raw, weight : array or None
            Targets, raw predictions to start from, and weights.

        Returns
        -------
        extra : Extra
        """
        return Extra()

    def kinks(self, y: Any) -> Kinks | None:
        """Position and slopes of a piecewise linear loss with two pieces for each row; otherwise None.

        Parameters
        ----------
        y : array
            Targets.

        Returns
        -------
        kinks : Kinks or None
        """
        return None

    def of_classes(self, n_classes: int, kept: Any = None) -> Loss:
        """Return the loss with which a classifier is fitted.

        Parameters
        ----------
        n_classes : int
            Number of classes.
        kept : array of bool of shape (n_classes,), optional
            Which classes there are rows of; all by default.

        Returns
        -------
        loss : Loss
            Of one score for two classes, and for each class against the rest; otherwise of a row of scores, one
            for each class that is kept.

        Raises
        ------
        ValueError
            If it serves no classifier, or none of so many classes; the message says what does.
        """
        if not self.classifies:
            raise ValueError(f"{type(self).__name__} is no loss of a linear classifier.")
        return self

    def shape(self, raw: Any) -> tuple[int, ...]:
        """Shape of the values before reduction."""
        first = raw[0] if isinstance(raw, tuple) else raw
        return tuple(first.shape[:1])

    def divisor(self, raw: Any, weight: Array | None) -> float:
        """What the mean divides the weighted sum by: the number of values, or sum of weights."""
        shape = self.shape(raw)
        if weight is None:
            return float(math.prod(shape))
        return total(weight) * math.prod(shape[weight.ndim :])

    def check(self, y: Any, raw: Any, extra: Any) -> None:
        """Refuse targets or predictions that the loss is not defined for."""
        names = {role: tuple(a.name for a in self.arguments if a.role == role) for role in ROLES}
        self.target.check(y, raw, (*names["target"], *names["raw"]))

    def weight_shape(self, raw: Any) -> tuple[int, ...]:
        """Shape whose first axes the weights must have."""
        return self.shape(raw)

    def shelter(self, raw: Any, weight: Array) -> Any:
        """Raw predictions with those of weight 0 made harmless, where they could be infinite."""
        return raw

    def __call__(
        self,
        *inputs: Any,
        sample_weight: Any = None,
        reduction: Reduction = "mean",
        return_gradient: bool = False,
        **named: Any,
    ) -> Any:
        """Evaluate the loss on checked input, as its function form does.

        Parameters
        ----------
        *inputs, **named : array-like
            The inputs of the function form, in its order or by name; ``y_true, y_pred`` for most.
        sample_weight : array-like, optional
            Non-negative weights of the rows.
        reduction : {"mean", "sum", "none"}, default="mean"
            The mean divides by the sum of the weights.
        return_gradient : bool, default=False
            Whether to add the gradient of the reduced value ("none": of the sum).

        Returns
        -------
        value : scalar or array
        gradient : array or tuple of arrays
            Only with ``return_gradient=True``.

        Raises
        ------
        ValueError
            If an input, a hyper-parameter or the reduction is illegal; the message names it.
        """
        bound = bind(self, inputs, named)
        return evaluate(self, bound, sample_weight, reduction, return_gradient)
