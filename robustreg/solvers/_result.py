"""What a solver returns, and the ways into scipy.optimize."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import scipy.optimize
from scipy.optimize import OptimizeResult

from robustreg._array import Array

# Their type stubs know neither methods of one's own, whose Result is handed on as it is, nor bounds as an array.
minimize: Callable[..., Result] = cast(Any, scipy.optimize.minimize)
_linprog: Any = scipy.optimize.linprog


class Result(OptimizeResult):
    """How a minimisation ended. Estimators read it and never keep it.

    Each solver says which of the attributes it sets, and may add others.

    Attributes
    ----------
    x : array
        Where it ended.
    fun, jac : float, array
        Value and gradient there.
    nit, nhev : int
        Iterations, and Hessians made.
    status : int
        0 (converged), 1 (``max_iter``), 2 (no further progress) or 99 (stopped by callback).
    success : bool
        Whether ``status`` is 0.
    message : str
        The status in words.
    optimality : float
        What is compared with ``tol``: the largest gradient entry or the relative duality gap.
    metric : object or None
        The factored Hessian that the last steps used.
    raw : array
        Predictions of all rows at ``x``.
    fitted_values : array
        The same in the units of y, which an estimator makes of them.
    known : Evaluation
        The loss alone at ``x``, where the last pass has told it.
    slopes : array
        Each row's contribution to the gradient, the dual point.
    zero : array of bool
        Rows on their kinks.
    determined : bool
        Whether rows on their kinks are independent, and as many as coefficients.
    offsets : array
        Raw predictions less the kinks.
    shares, slack : array
        Of each row and class, the dual point and the distance to the ceiling.
    n_pairs : float
        Sum of the weights of the pairs that a ranking loss sums over.
    n_tuples : int
        How many pairs, triplets or rows in batches an embedding was fitted to.
    to_gain : float
        What another round of an embedding may lower its objective by at the most, in units of it: what this one
        did, or what is left.
    growing : bool
        Whether the coefficients still grow, as where no finite optimum exists.
    parts : list of Result
        Results of the single outputs.
    theta, sigma, residual : array, float, array
        Of a fit to the majority: coefficients of its table, scale, and residuals of all rows.
    kept : array
        Weights of the rows that count in a trimmed sum; ``first`` is ``x`` before the reweighting and ``h`` the
        number of those rows.
    hits, exhaustive : int, bool
        How many starts ended there, and whether there are no others.
    initial : array
        Where an estimate ended that this one started from and has its scale from; ``design`` is the one whose
        leverages are in a design-adaptive scale.
    stage : Stage
        The L1 fit that a scale was taken from, and that scale.
    prepared : Prepared
        The rows in the coordinates of ``x``, where an estimator has left those that it began with.
    advice : str
        What the user can do about it.
    """

    x: Array
    fun: float
    jac: Array
    nit: int
    nhev: int
    status: int
    success: bool
    message: str
    optimality: float
    metric: Any
    raw: Array
    fitted_values: Array
    known: Any
    slopes: Array
    zero: Array
    determined: bool
    offsets: Array
    shares: Array
    slack: Array
    n_pairs: float
    n_tuples: int
    to_gain: float
    growing: bool
    parts: list[Result]
    theta: Array
    sigma: float
    residual: Array
    kept: Array
    first: Array
    h: float
    hits: int
    initial: Array
    design: Array
    exhaustive: bool
    stage: Any
    prepared: Any
    advice: str

    if TYPE_CHECKING:

        def __init__(self, **entries: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...


#: options of programs that are solved as exactly as HiGHS can
HIGHS_TOLERANCES = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def linprog(c: Array, **how: Any) -> Result:
    """Call :func:`scipy.optimize.linprog`."""
    return Result(**_linprog(c, **how))


def _unchanged(found: Result) -> Result:
    return found


class Plan(NamedTuple):
    """A minimisation whose start is known: the one call that is left. Who asks for the plan makes it.

    Parameters
    ----------
    solve : callable
        Takes nothing and minimises.
    ended : callable
        Returns what becomes of its result.
    """

    solve: Callable[[], Result]
    ended: Callable[[Result], Result] = _unchanged

    def then(self, change: Callable[[Result], Result]) -> Plan:
        """Return the plan of whose result something more becomes."""
        ended = self.ended
        return Plan(
            self.solve, change if ended is _unchanged else lambda found: change(ended(found))
        )

    def viewed(self, view: Callable[[Array], Array]) -> Plan:
        """Return the plan of whose result ``x`` is seen in another way, as its control tells of it."""

        def seen(found: Result) -> Result:
            found.x = view(found.x)
            return found

        return self.then(seen)
