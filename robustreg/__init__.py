"""Robust linear estimators for scikit-learn on one shared loss core."""

from robustreg import datasets, losses

__version__ = "0.1.0"

__all__ = ["datasets", "losses"]
