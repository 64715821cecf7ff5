"""Penalties of the coefficients: classes as losses are, with a formula and a source each.

A penalty is a function of the size of each coefficient, or of the norm of each group of them. It knows
neither the data nor the loss, and combines with every loss. A new one is one class with two or
three short methods: see :class:`Penalty`.
"""

from robustreg.penalties._base import PENALTIES, Penalty
from robustreg.penalties._convex import L1, L2, ElasticNet, GroupLasso
from robustreg.penalties._nonconvex import MCP, SCAD

__all__ = [
    "L1",
    "L2",
    "MCP",
    "PENALTIES",
    "SCAD",
    "ElasticNet",
    "GroupLasso",
    "Penalty",
]
