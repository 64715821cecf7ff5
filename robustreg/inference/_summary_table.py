"""What summaries of one output and of several have in common: a table, and ways to print it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd


class SummaryTable:
    """A table of coefficients, and how it came about.

    Attributes
    ----------
    table, covariance : pandas.DataFrame
        The coefficients, and their covariance.
    confidence : float
        Of the intervals.
    n_samples, n_groups : float, int or None
        Rows, by their weights, and groups of them.
    notes : tuple of str
        What else there is to know.
    """

    table: pd.DataFrame
    covariance: pd.DataFrame
    confidence: float
    n_samples: float
    n_groups: int | None
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return str(self)

    def to_latex(self, **how: Any) -> str:
        """Return the table as LaTeX.

        Parameters
        ----------
        **how : dict
            Passed to :meth:`pandas.DataFrame.to_latex`, which needs Jinja2.

        Returns
        -------
        str

        Raises
        ------
        ImportError
            If Jinja2 is not installed.
        """
        with warnings.catch_warnings(), _needing("to_latex", "jinja2"):
            warnings.simplefilter("ignore", FutureWarning)  # pandas 1.5 speaks of pandas 2
            return str(self.table.to_latex(**{"float_format": "%.4g", **how}))

    def to_markdown(self, **how: Any) -> str:
        """Return the table as Markdown.

        Parameters
        ----------
        **how : dict
            Passed to :meth:`pandas.DataFrame.to_markdown`, which needs tabulate.

        Returns
        -------
        str

        Raises
        ------
        ImportError
            If tabulate is not installed.
        """
        with _needing("to_markdown", "tabulate"):
            return str(self.table.to_markdown(**{"floatfmt": ".4g", **how}))


@contextmanager
def _needing(method: str, package: str) -> Iterator[None]:
    """Name the package that pandas needs for a method where it is not installed."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{method} needs the package {package}, which is not installed: pip install {package}."
        ) from error
