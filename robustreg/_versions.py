"""What is installed, for reports of bugs."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from threadpoolctl import threadpool_info

#: what robustreg needs, then what it meets where it is installed
LIBRARIES = (
    "numpy", "scipy", "scikit-learn", "pandas", "array-api-compat", "threadpoolctl",
    "matplotlib", "formulaic", "statsmodels", "skl2onnx", "torch", "jax", "pyarrow", "polars", "dask", "distributed",
)  # fmt: skip


def show_versions() -> None:
    """Print the versions of Python, robustreg and the libraries that it works with.

    Optional libraries appear where they are installed, and libraries of linear algebra with their number of
    threads.

    Examples
    --------
    >>> import robustreg
    >>> robustreg.show_versions()  # doctest: +ELLIPSIS
    python: 3...
    """
    print(f"python: {platform.python_version()}, {platform.platform()}")
    print(f"robustreg: {sys.modules['robustreg'].__version__}")
    for name in LIBRARIES:
        try:
            print(f"{name}: {version(name)}")
        except PackageNotFoundError:
            continue
    for pool in threadpool_info():
        print(f"{pool['internal_api']}: {pool['version']}, {pool['num_threads']} threads")
