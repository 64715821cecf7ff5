"""Which solver minimises a piecewise linear loss: one table, read from its top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.penalties import Penalty
from robustreg.penalties._applied import Applied
from robustreg.solvers._by_column import solve_by_column
from robustreg.solvers._columns import has_many_in_use, is_sparse_in_columns, solve_columns
from robustreg.solvers._continued import continue_kinked
from robustreg.solvers._control import Control
from robustreg.solvers._gap import certify
from robustreg.solvers._kinked import affordable, look, solve_kinked
from robustreg.solvers._program import solve_program
from robustreg.solvers._result import Result
from robustreg.solvers._small_table import solve_small

#: rows for each column from which it pays to fold rows: below, to leave out columns
ROWS_A_COLUMN = 5
#: with more columns that depends on how many are in the fit, of which the slopes at zero give an idea: at
#: 5,000 x 500 with 240 of them columns are nine times as quick, with 460 rows are ten times
NARROW_ENOUGH, MOSTLY = 250, 0.6


class Task(NamedTuple):
    """What is minimised, and what is asked of the way; see :func:`solve_piecewise`."""

    objective: Objective
    theta: Array
    control: Control
    method: str = "exact"
    options: dict[str, Any] | None = None
    warm: bool = False
    shared: dict[Any, Any] | None = None


class Way(NamedTuple):
    """A solver in a table that is read from its top, and the tasks for which it is taken.

    Parameters
    ----------
    solve : callable
        The solver. None says that it has found nothing.
    serves : callable, optional
        Whether it is taken for a task, of whatever kind its table is for, where none above is; without it is taken
        for any.
    tried : bool
        Whether the next that serves goes on where it ends above the tolerance.
    takes : tuple of str
        Fields of a :class:`Task` that it takes beside objective, start and control.
    """

    solve: Callable[..., Result | None]
    serves: Callable[[Any], bool] | None = None
    tried: bool = False
    takes: tuple[str, ...] = ()


def solve_piecewise(objective: Objective, theta: Array, control: Control, **how: Any) -> Result:
    """Minimise a loss with one kink a row plus a penalty, by the first of the table's ways that serves.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`.
    theta : array
        Start.
    control : Control
        Relative duality gap that counts as solved, and iterations that are left.
    method : {"exact", "auto", "highs", "highs-ds", "highs-ipm"}, default="exact"
        "exact" takes no program of all rows, "auto" one where rows cannot be dense, the others one for any penalty
        that is not ``by_column``.
    options : dict, optional
        Of :func:`~robustreg.solvers.solve_program`.
    warm : bool, default=False
        Whether ``theta`` is so close that no sample is needed.
    shared : dict, optional
        Keeps what fits to other targets of the same rows and penalty share.

    Returns
    -------
    Result
        ``x``, ``fun``, ``success``, ``status``, ``optimality`` (the relative gap), ``slopes`` (each row's
        contribution to the gradient, the dual point), ``zero`` (the rows on their kinks) and ``offsets`` (how
        far the raw predictions are beyond them).
    """
    task, found = Task(objective, theta, control, **how), None
    for way in WAYS[_kind(objective.penalty)]:
        if way.serves is not None and not way.serves(task):
            continue
        how = {name: getattr(task, name) for name in way.takes} if way.takes else {}
        ended = way.solve(task.objective, task.theta, control, **how)
        if ended is None:
            continue
        found = ended
        if not way.tried or found.optimality <= control.tol or not control.left:
            break
        task = task._replace(theta=found.x)
    assert found is not None
    return found


def _kind(penalty: Penalty) -> str:
    if penalty.by_column:
        return "by column"
    if penalty.empty:
        return "none"
    return "squares" if penalty.euclidean else "absolute values"


def _folds_rows(task: Task) -> bool:
    """Whether the penalty is one of single coefficients, and folding rows is sooner done than leaving out columns."""
    objective = task.objective
    data, penalty = objective.data, cast(Any, objective.penalty)
    if not penalty.convex or penalty.labels(data.size) is not None:
        return False
    if data.n_rows < ROWS_A_COLUMN * data.size or not affordable(objective):
        return False
    if data.size <= NARROW_ENOUGH:
        return True
    # one pass where columns are many
    pull = look(objective, np.zeros(objective.size))[1][: data.size]
    least = penalty.majoriser(np.zeros(data.size)).l1 * data.coordinates.transform / objective.total
    return bool(np.count_nonzero(np.abs(pull) > least) > MOSTLY * data.size)


def _beside_sides(objective: Objective, theta: Array, control: Control, *, warm: bool) -> Result:
    """Take a small table at once or fold rows, the penalty being some more; the certificate knows nothing of that."""
    penalty = cast(Any, objective.penalty)
    found = continue_kinked(objective, theta, control) or solve_small(objective, theta, control)
    if found is None:
        found = solve_kinked(objective, theta, control, warm=warm)
    found.x = penalty.allowed(found.x, objective.data.size)
    proof = certify(objective, found.x, found.slopes)
    found.fun, found.optimality = proof.objective, proof.value
    found.status = control.status(proof.value <= control.tol)
    found.success = found.status == 0
    return found


def _uses_many_columns(task: Task) -> bool:
    objective = task.objective
    return task.method == "auto" and is_sparse_in_columns(objective) and has_many_in_use(objective)


def _with_multipliers(objective: Objective, theta: Array, control: Control) -> Result:
    single = cast(Any, Applied.to(objective.penalty))
    return solve_by_column(replace(objective, penalty=single), theta, control)


def _is_program(task: Task) -> bool:
    """Whether one program of all rows is asked for, or its sparse rows cannot be dense."""
    if task.method == "auto":
        return not affordable(task.objective)
    return task.method != "exact"


def _uses_few_columns(task: Task) -> bool:
    return task.method in ("auto", "exact") and is_sparse_in_columns(task.objective)


_PROGRAM, _ROWS = ("method", "options"), ("warm", "shared")
#: ways by the kind of the penalty
WAYS: dict[str, tuple[Way, ...]] = {
    "none": (
        Way(solve_program, _is_program, takes=_PROGRAM),
        Way(continue_kinked),
        Way(solve_small),
        Way(solve_kinked, takes=_ROWS),
    ),
    "squares": (Way(continue_kinked), Way(solve_small), Way(solve_kinked, takes=_ROWS)),
    "absolute values": (
        Way(_with_multipliers, _uses_many_columns, tried=True),
        Way(solve_program, _is_program, tried=True, takes=_PROGRAM),
        Way(solve_columns, _uses_few_columns, takes=("warm",)),
        Way(continue_kinked, lambda task: not _is_program(task)),
        Way(solve_small, lambda task: not _is_program(task)),
        Way(solve_kinked, lambda task: not _is_program(task), takes=_ROWS),
    ),
    "by column": (
        Way(_beside_sides, _folds_rows, tried=True, takes=("warm",)),
        Way(solve_by_column),
    ),
}
