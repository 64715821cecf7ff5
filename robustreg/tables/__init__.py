"""Rows in numbered parts, wherever they are: what a pass is, and who carries it out."""

from robustreg.tables._base import Local, Part, Table, add, join, nodes_of, stack
from robustreg.tables._checks import one_number, refuse_not_finite
from robustreg.tables._open import lazily, open_here, open_parquet, open_table

__all__ = [
    "Local",
    "Part",
    "Table",
    "add",
    "join",
    "lazily",
    "nodes_of",
    "one_number",
    "open_here",
    "open_parquet",
    "open_table",
    "refuse_not_finite",
    "stack",
]
