"""Threads in place of BLAS's own."""

import os
import threading
import warnings
from multiprocessing import get_context

import numpy as np
import pytest
from numpy.testing import assert_allclose
from threadpoolctl import threadpool_info, threadpool_limits

from robustreg import HuberRegressor, L1Regressor
from robustreg._threads import blas_aside, in_order
from robustreg.data import FEW, Block

ROWS = np.random.default_rng(0).normal(size=(30_000, 12))
TARGET = ROWS[:, 0] + np.random.default_rng(1).standard_t(2, size=len(ROWS))


@pytest.fixture(autouse=True)
def many_blocks(monkeypatch):
    """Few rows in enough blocks for a second thread."""
    monkeypatch.setattr("robustreg.data.BLOCK_BYTES", 1 << 17)
    assert ROWS.nbytes > FEW << 17


def blas_threads():
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="pytest runs without -n")
def test_workers_of_pytest_do_not_share_cores_out_once_more():
    assert max(blas_threads(), default=1) == int(os.environ["OPENBLAS_NUM_THREADS"])


def test_answers_come_in_order_and_blas_gets_its_threads_back():
    before = blas_threads()
    assert in_order(lambda i: i * i, range(100)) == [i * i for i in range(100)]
    assert blas_threads() == before


def test_few_items_stay_in_the_thread_of_the_caller():
    def name(_):
        return threading.current_thread().name

    with threadpool_limits(2, user_api="blas"):
        assert set(in_order(name, range(4), few=4)) == {threading.current_thread().name}


def test_a_fit_of_many_blocks_has_helpers(monkeypatch):
    seen = set()

    def spied(block, *args):
        seen.add(threading.current_thread().name)
        return raw(block, *args)

    raw = Block.raw
    monkeypatch.setattr(Block, "raw", spied)
    with threadpool_limits(2, user_api="blas"):
        granted = min(blas_threads(), default=1)
        HuberRegressor().fit(ROWS, TARGET)
    assert (len(seen) > 1) == (granted > 1)


def test_blas_keeps_to_one_thread_meanwhile():
    with threadpool_limits(2, user_api="blas"):
        inside = in_order(lambda _: blas_threads(), range(3))
    assert all(number == 1 for numbers in inside for number in numbers)


def test_as_many_threads_as_blas_may_use():
    def names(limit):
        barrier = threading.Barrier(limit)  # holds until so many threads are at work at once

        def name(_):
            barrier.wait(timeout=30)
            return threading.current_thread().name

        with threadpool_limits(limit, user_api="blas"):
            return set(in_order(name, range(limit)))

    assert len(names(1)) == 1
    with threadpool_limits(2, user_api="blas"):
        granted = min(blas_threads(), default=1)
    assert len(names(granted)) == granted


def test_an_error_reaches_the_caller_and_changes_nothing():
    def fails(i):
        raise ZeroDivisionError(i)

    before = blas_threads()
    with threadpool_limits(2, user_api="blas"), pytest.raises(ZeroDivisionError):
        in_order(fails, range(8))
    assert blas_threads() == before


def test_floating_point_warnings_are_the_callers():
    def overflows(_):
        return np.float64(1e200) * np.array([1e200])

    with warnings.catch_warnings(), threadpool_limits(2, user_api="blas"):
        warnings.simplefilter("error")
        with np.errstate(all="ignore"):
            in_order(overflows, range(20))
        with pytest.raises(RuntimeWarning, match="overflow"):
            in_order(overflows, range(20))


@pytest.mark.parametrize("model", [HuberRegressor(), L1Regressor()], ids=["huber", "l1"])
def test_same_bits_on_any_number_of_threads(model):
    fits = []
    for threads in (1, 2, 2):
        with threadpool_limits(threads, user_api="blas"):
            model.fit(ROWS, TARGET)
        fits.append((*model.coef_, model.intercept_))
    assert fits[0] == fits[1] == fits[2]


def test_fits_in_threads_of_the_user():
    lone = HuberRegressor().fit(ROWS, TARGET)
    before, models = blas_threads(), [HuberRegressor() for _ in range(4)]
    threads = [threading.Thread(target=model.fit, args=(ROWS, TARGET)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for model in models:
        assert_allclose(model.coef_, lone.coef_, rtol=1e-9)
    assert blas_threads() == before


def test_who_begins_first_may_end_first():
    before = blas_threads()
    inside, leave = threading.Event(), threading.Event()

    def other():
        with blas_aside():
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    with blas_aside():
        thread.start()
        inside.wait(30)
    leave.set()
    thread.join()
    assert blas_threads() == before


def test_a_fit_leaves_other_threads_their_limits():
    HuberRegressor().fit(ROWS, TARGET)
    seen = []

    def limited():
        with threadpool_limits(1, user_api="blas"):
            seen.extend(blas_threads())

    thread = threading.Thread(target=limited)
    thread.start()
    thread.join()
    assert set(seen) == {1}


def _fit(sender):
    sender.send(HuberRegressor().fit(ROWS, TARGET).coef_)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # fork beside threads
def test_a_fork_after_a_fit_can_fit():
    expected = HuberRegressor().fit(ROWS, TARGET).coef_
    receiver, sender = get_context("fork").Pipe(duplex=False)
    child = get_context("fork").Process(target=_fit, args=(sender,))
    child.start()
    assert receiver.poll(60), "the forked process hangs"
    assert np.array_equal(receiver.recv(), expected)
    child.join()
