"""Settings of the whole suite."""

import os

import hypothesis
import matplotlib as mpl

mpl.use("Agg")

# Fits take milliseconds on one machine and a second on a busy one: no test fails for being slow.
hypothesis.settings.register_profile("robustreg", deadline=None, print_blob=True)
hypothesis.settings.load_profile("robustreg")


def pytest_configure(config):
    # The workers of `-n` share out the cores. They inherit this; in a worker it would be too late,
    # since pytest-randomly imports NumPy before any conftest.
    if getattr(config.option, "numprocesses", None):
        for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(variable, "1")
