"""Standard errors, tests, intervals, and the influence of single rows."""

from robustreg.inference._influence import influence
from robustreg.inference._outputs import OutputsSummary
from robustreg.inference._summarize import summarize
from robustreg.inference._summary import Summary
from robustreg.inference._wald import TestResult

__all__ = ["OutputsSummary", "Summary", "TestResult", "influence", "summarize"]
