"""Minimisation of an :class:`~robustreg.objective.Objective`, all of it through scipy.optimize."""

from robustreg.solvers._at_scale import (
    AboutL1,
    Given,
    IteratedMad,
    Joint,
    NoScale,
    Scale,
    Share,
    beats_zero,
    is_near,
)
from robustreg.solvers._by_passes import solve_by_passes
from robustreg.solvers._by_rows import is_few
from robustreg.solvers._classes import LOSSLESS, plan_each, plan_settled, plan_together, solve_each
from robustreg.solvers._control import Control
from robustreg.solvers._descent_by_passes import descent_of, table_of
from robustreg.solvers._directions import (
    Centred,
    discriminant_directions,
    principal_directions,
)
from robustreg.solvers._drawn_in import DrawnIn
from robustreg.solvers._embedding import Embedding, mean_square
from robustreg.solvers._far_slopes import Seen, seen_from_the_others
from robustreg.solvers._fixed_scale import solve_fixed
from robustreg.solvers._high_breakdown import (
    interpolation,
    solve_s,
)
from robustreg.solvers._kinked import rows_of
from robustreg.solvers._kinked_by_passes import solve_kinked_by_passes
from robustreg.solvers._middle import middle_by_passes, middle_intercept, with_middle
from robustreg.solvers._multiclass import solve_multiclass
from robustreg.solvers._newton import newton
from robustreg.solvers._pair_problem import PairProblem, solve_pairs
from robustreg.solvers._pairs import Pairs
from robustreg.solvers._parts import Parts
from robustreg.solvers._plan import solve_piecewise
from robustreg.solvers._preliminary import (
    Rank,
    Stage,
    absolute_stage,
    residuals_about,
    with_scale,
)
from robustreg.solvers._problem import Problem
from robustreg.solvers._program import solve_program
from robustreg.solvers._result import HIGHS_TOLERANCES, Plan, Result, linprog
from robustreg.solvers._rows import Rows
from robustreg.solvers._scale import solve_joint, solve_mad
from robustreg.solvers._search import Search
from robustreg.solvers._smooth import MAX_DENSE, solve_smooth
from robustreg.solvers._solve_rows import solve_rows
from robustreg.solvers._stage_by_passes import absolute_by_passes, mad_by_passes
from robustreg.solvers._table import Table
from robustreg.solvers._trimmed import (
    Concentration,
    finite_sample,
    solve_trimmed,
    trimmed_consistency,
)
from robustreg.solvers._trimmed_by_passes import ConcentrationByPasses

__all__ = [
    "HIGHS_TOLERANCES",
    "LOSSLESS",
    "MAX_DENSE",
    "AboutL1",
    "Centred",
    "Concentration",
    "ConcentrationByPasses",
    "Control",
    "DrawnIn",
    "Embedding",
    "Given",
    "IteratedMad",
    "Joint",
    "NoScale",
    "PairProblem",
    "Pairs",
    "Parts",
    "Plan",
    "Problem",
    "Rank",
    "Result",
    "Rows",
    "Scale",
    "Search",
    "Seen",
    "Share",
    "Stage",
    "Table",
    "absolute_by_passes",
    "absolute_stage",
    "beats_zero",
    "descent_of",
    "discriminant_directions",
    "finite_sample",
    "interpolation",
    "is_few",
    "is_near",
    "linprog",
    "mad_by_passes",
    "mean_square",
    "middle_by_passes",
    "middle_intercept",
    "newton",
    "plan_each",
    "plan_settled",
    "plan_together",
    "principal_directions",
    "residuals_about",
    "rows_of",
    "seen_from_the_others",
    "solve_by_passes",
    "solve_each",
    "solve_fixed",
    "solve_joint",
    "solve_kinked_by_passes",
    "solve_mad",
    "solve_multiclass",
    "solve_pairs",
    "solve_piecewise",
    "solve_program",
    "solve_rows",
    "solve_s",
    "solve_smooth",
    "solve_trimmed",
    "table_of",
    "trimmed_consistency",
    "with_middle",
    "with_scale",
]
