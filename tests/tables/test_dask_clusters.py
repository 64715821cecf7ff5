"""Collections of Dask on clusters of this machine: what they send, and what they do when workers are lost."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

dask = pytest.importorskip("dask", reason="Dask is an optional dependency: extra `dask`")
distributed = pytest.importorskip("distributed", reason="comes with the extra `dask`")
import dask.array as da

from robustreg import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    LTSRegressor,
    MMRegressor,
    Rows,
    remote,
)
from robustreg.tables import _dask, add
from tests._pages import scripts
from tests.tables._collections import N, P, arrays, assert_same, rows

ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
pytestmark = [
    pytest.mark.slow,
    # Dask and its event loop warn of each other
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(autouse=True)
def little(monkeypatch):
    """Let so little be fetched that rows in doubt are chosen where they are."""
    monkeypatch.setattr(remote, "TAKE_BYTES", 200_000)


@pytest.fixture(scope="module")
def cluster():
    """Return a cluster of two worker processes, which start again where they are killed."""
    quiet = {
        "distributed.nanny.environ.PYTHONPATH": PATHS,
        "logging.distributed": "critical",
        "distributed.comm.timeouts.connect": "10s",
        # a killed worker that is not back by then is given up, with its nanny
        "distributed.deploy.lost-worker-timeout": "1h",
    }
    with (
        dask.config.set(quiet),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", processes=True
        ) as started,
    ):
        yield started


@pytest.fixture
def client(cluster):
    """Return a client of the two processes."""
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2, timeout=120)
        yield client


@contextmanager
def within(workers, threads):
    """Yield a client of so many workers in this process.

    A client that is closed within its own ``with`` remains Dask's scheduler: `closing` lets a test close it earlier.
    """
    how = {"n_workers": workers, "threads_per_worker": threads, "dashboard_address": ":0"}
    scheduler = dask.config.get("scheduler", None)
    with (
        distributed.LocalCluster(**how, processes=False) as cluster,
        closing(distributed.Client(cluster)) as client,
    ):
        yield client
    # or later tests would ask a closed client
    assert dask.config.get("scheduler", None) == scheduler


def left_on(client):
    """Return what a client still asks for, after some seconds at the most."""
    deadline = time.monotonic() + 10
    while client.futures and time.monotonic() < deadline:
        time.sleep(0.05)
    return client.futures


def many(n=40_000, p=10, parts=16):
    X = da.random.default_rng(3).normal(size=(n, p), chunks=(n // parts, p))
    y = X.sum(axis=1) + da.random.default_rng(4).normal(size=n, chunks=n // parts)
    return X, y


def test_same_bits_on_any_number_of_workers(client):
    models = [
        HuberRegressor(scale="proposal2"),
        HuberRegressor(),
        L1Regressor(),
        MMRegressor(),
        HuberRegressor(alpha=500.0, l1_ratio=0.5, penalty_weights=[1.0, 0.0, 2.0, np.inf]),
        LTSRegressor(),
    ]

    def bits():
        fitted = [clone(model).fit(*arrays(*rows())) for model in models]
        *others, trimmed = fitted
        for model in others:
            assert_same(model, clone(model).fit(*rows()))
        # its sum has minima next to each other
        assert_allclose(trimmed.raw_scale_, clone(trimmed).fit(*rows()).raw_scale_, rtol=2e-5)
        return [np.append(model.coef_, model.intercept_) for model in fitted]

    found = [bits()]
    for workers, threads in ((1, 2), (3, 1)):
        with within(workers, threads) as other, other.as_current():
            found.append(bits())
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], found[2])


class Killing:
    """A pass during which the worker that carries it out is killed, once.

    Parameters
    ----------
    function : callable
        The pass.
    mark : path-like
        A file that is there once it has happened.
    """

    def __init__(self, function, mark):
        self.function, self.mark = function, mark

    def __call__(self, part):
        try:
            os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return self.function(part)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("when", ["between passes", "within a pass"])
@pytest.mark.parametrize("count", [1, 4])
def test_worker_killed_during_a_fit_changes_no_bit(client, when, count, monkeypatch, tmp_path):
    X, y = many()
    X, y = client.persist([X, y])
    distributed.wait([X, y])
    model = HuberRegressor(tol=1e-12)
    before = model.fit(X, y).coef_
    made, reduce, killed = [], _dask.DaskTable.reduce, tmp_path / "killed"

    def deadly(table, function, combine=add):
        made.append(1)
        if len(made) == count and when == "between passes":
            (at, *_), pids = client.who_has(X).popitem()[1], client.run(os.getpid)
            os.kill(pids[at], signal.SIGKILL)
            killed.touch()
        elif len(made) == count:
            function = Killing(function, killed)
        return reduce(table, function, combine)

    monkeypatch.setattr(_dask.DaskTable, "reduce", deadly)
    start = time.monotonic()
    after = clone(model).fit(X, y).coef_
    assert time.monotonic() - start < 60
    assert killed.exists()
    assert_array_equal(after, before)


def test_rows_that_a_lost_worker_held_and_that_come_out_otherwise_are_an_error(client):

    def anew():
        return np.random.default_rng().normal(size=(20_000, 3))

    parts = [dask.delayed(anew, pure=False)() for _ in range(4)]
    X = da.concatenate([da.from_delayed(part, (20_000, 3), float) for part in parts])
    X, y = client.persist((X, X.sum(axis=1)))
    held = Rows.from_dask(X, y)
    L2Regressor().fit(held)
    (holder, *_), *_ = client.who_has(X).values()
    os.kill(client.run(os.getpid)[holder], signal.SIGKILL)
    with pytest.raises(RuntimeError, match="give random numbers a seed"):
        L2Regressor().fit(held)


def test_partitions_that_are_there_become_bundles_at_once_and_stay_the_user_s(client):
    model = HuberRegressor(scale="proposal2")
    client.wait_for_workers(2)  # one that another test has killed may not be back
    lazy = many(parts=64)
    X, y = client.persist(lazy)
    weight = client.persist(da.ones(y.shape, chunks=y.chunks))
    distributed.wait([X, y, weight])
    table = Rows.from_dask(X, y)
    names = client.run_on_scheduler(lambda dask_scheduler: list(map(str, dask_scheduler.tasks)))
    assert sum("read_bundle" in name for name in names) == 2
    assert not any("Ready" in name for name in names)  # one for each partition
    expected = clone(model).fit(*lazy).coef_
    assert_array_equal(clone(model).fit(table).coef_, expected)
    assert_array_equal(clone(model).fit(X, y).coef_, expected)
    assert_allclose(clone(model).fit(X, y, weight).coef_, expected, rtol=1e-9)
    holed = X.copy()
    holed[-1, 2] = np.inf
    holed = client.persist(holed)
    with pytest.raises(ValueError, match="infinity in partition 63, column 2"):
        clone(model).fit(holed, y)
    minus = weight.copy()
    minus[0] = -1.0  # in one partition: of several the first worker to find one is heard
    with pytest.raises(ValueError, match="Negative values in sample_weight in partition 0"):
        clone(model).fit(X, y, client.persist(minus))
    assert float(X.sum().compute() + y.sum().compute()) != 0  # nobody has called them off
    assert all(future.status == "finished" for future in distributed.futures_of([X, y, weight]))


def test_rows_that_are_lost_for_good_end_a_fit_with_an_error(client):
    X, y, _ = rows()
    halves = [client.scatter(part, broadcast=False) for part in np.split(X, 2)]
    lazy = da.concatenate([da.from_delayed(half, (N // 2, P), float) for half in halves])
    target = da.from_array(y, chunks=N // 2)
    L2Regressor().fit(lazy, target)
    for worker in client.run(os.getpid).values():
        os.kill(worker, signal.SIGKILL)
    start = time.monotonic()
    with pytest.raises((RuntimeError, ValueError), match=r"lost|scatter"):
        L2Regressor().fit(lazy, target)
    assert time.monotonic() - start < 60


def test_recipe_of_the_guide_runs(tmp_path):
    (recipe,) = scripts("large_data")
    script = tmp_path / "recipe.py"
    script.write_text(recipe, "utf-8")
    paths = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script)]
    found = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=300, env=paths
    )
    coefficients, rest = found.stdout.splitlines()
    assert coefficients == str([1.0] * 10)
    assert rest.startswith("0.91 dask.array<")


def test_fit_leaves_nothing_on_the_cluster_and_sends_little(client):
    model = L2Regressor().fit(*many())
    assert not left_on(client)
    assert len(pickle.dumps(model)) < 4000


def test_worker_with_another_version_is_refused_before_any_pass(client):

    def become(version):
        import robustreg

        robustreg.__version__ = version

    client.run(become, "0.0.1")
    with pytest.raises(RuntimeError, match=r"must be installed on every worker.*0\.0\.1"):
        L2Regressor().fit(*many())
    client.run(become, _dask.version())
    L2Regressor().fit(*many())


def test_cluster_without_workers_ends_a_fit_with_an_error(monkeypatch):
    monkeypatch.setattr("robustreg.tables._dask.LOOK", 0.5)
    X, y = many()
    with within(1, 1) as client:
        client.cluster.scale(0)
        deadline = time.monotonic() + 30
        while client.scheduler_info(-1)["workers"] and time.monotonic() < deadline:
            time.sleep(0.1)
        with pytest.raises(RuntimeError, match="No Dask worker has been there for 3 seconds"):
            L2Regressor().fit(X, y)


def test_rows_whose_futures_are_cancelled_end_a_fit_with_an_error(client):
    X = client.persist(many()[0])
    # not made of X: a client that cancels a task amid others loses its connection
    y = da.ones(len(X), chunks=X.chunks[0])
    distributed.wait(X)
    client.cancel(X)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="pass a collection that Dask can compute again"):
        L2Regressor().fit(X, y)
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("closed", ["cluster", "client"])
def test_closed_cluster_ends_a_fit_with_an_error(closed, monkeypatch):
    """Before the fit, and between two of its passes."""
    with within(1, 1) as client:
        X, y = client.persist(many())
        distributed.wait([X, y])
        held, made, reduce = Rows.from_dask(X, y), [], _dask.DaskTable.reduce

        def deadly(table, function, combine=add):
            made.append(1)
            if len(made) == 2:
                (client.cluster if closed == "cluster" else client).close()
            return reduce(table, function, combine)

        monkeypatch.setattr(_dask.DaskTable, "reduce", deadly)
        start = time.monotonic()
        for given in ((X, y), (X, y), (held,)):
            with pytest.raises(RuntimeError, match="client is closed, or its scheduler has gone"):
                L2Regressor().fit(*given)
        assert time.monotonic() - start < 60
        assert len(made) == 2  # of the first fit: the others end before any


BEGAN, OVER = threading.Event(), threading.Event()


def waiting(block):
    """Return a block, once somebody says so."""
    BEGAN.set()
    OVER.wait(60)
    return block


def test_interrupt_calls_off_what_was_asked_for():
    def interrupt():
        BEGAN.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    X, y, _ = arrays(*rows())
    X = X.map_blocks(waiting, dtype=float, meta=np.zeros((0, P)))
    # a process in the background of a shell ignores the signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Thread(target=interrupt)
    with within(1, 2) as client:
        timer.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                L2Regressor().fit(X, y)
            assert not OVER.is_set()
            assert not left_on(client)
        finally:
            OVER.set()
            signal.signal(signal.SIGINT, before)
            timer.join()


GROWTH = """
import resource, sys
import dask.array as da
from distributed import Client, wait
from robustreg import HuberRegressor

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

with Client(sys.argv[1]) as client:
    X = da.random.default_rng(0).normal(size=(1_200_000, 50), chunks=(50_000, 50))
    y = X.sum(axis=1) + da.random.default_rng(1).normal(size=1_200_000, chunks=50_000)
    X, y = client.persist([X, y])
    wait([X, y])
    HuberRegressor().fit(X[:60_000], y[:60_000])  # what is imported and allocated once
    before = peak()
    HuberRegressor().fit(X, y)
    print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems say memory in other units")
def test_memory_of_the_client_does_not_grow_with_what_the_workers_hold(client):
    """They hold half a gigabyte, and as much again while it is fitted."""
    command = [sys.executable, "-W", "ignore", "-c", GROWTH, client.scheduler.address]
    environment = {**os.environ, "PYTHONPATH": PATHS}
    found = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=300, env=environment
    )
    assert float(found.stdout) < 100
