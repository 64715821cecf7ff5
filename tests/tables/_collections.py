"""A table as collections of Dask: in uneven, empty and one-row partitions."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

N, P = 9000, 4
SIZES = (1, 0, 5000, 999, 3000)


def rows(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, P)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 5.0, 1.0, 100.0]
    y = X @ np.arange(1.0, P + 1) + 0.5 * rng.standard_t(2, size=N) + 3
    return X, y, rng.uniform(0.0, 2.0, size=N)


def arrays(X, y, *more):
    return (
        da.from_array(X, chunks=(SIZES, X.shape[1])),
        *(da.from_array(column, chunks=(SIZES,)) for column in (y, *more)),
    )


def frame(X, y, weight):
    table = pd.DataFrame(X, columns=list("abcd")).assign(y=y, w=weight)
    return dd.from_pandas(table, npartitions=5)


def assert_same(model, local, rtol=1e-7):
    size = np.abs(local.coef_).max()
    assert_allclose(model.coef_, local.coef_, atol=rtol * size)
    assert_allclose(model.intercept_, local.intercept_, atol=100 * rtol * size)
    assert model.optimality_ <= model.tol
