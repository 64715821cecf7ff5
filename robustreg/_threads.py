"""Work on several threads, in place of those that BLAS would use.

A block of rows is too little work for BLAS to divide, and a loss is none of its business: so whole
blocks are divided, and BLAS keeps to one thread meanwhile. There are as many threads as BLAS would
have had, so what limits those (``OPENBLAS_NUM_THREADS``, `threadpoolctl`, a worker of joblib) limits
these as well.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from threading import Lock, get_ident
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class _Blas:
    """The BLAS libraries of this process, and who asked them to keep to one thread."""

    def __init__(self) -> None:
        found: list[Any] = list(ThreadpoolController().select(user_api="blas").lib_controllers)
        # OpenMP keeps the number for each thread: told in one, the others would not know.
        openmp = any(getattr(library, "threading_layer", "") == "openmp" for library in found)
        self.libraries = [] if openmp else found
        self.lock, self.users, self.before = Lock(), 0, [1]
        self.owner = 0

    @contextmanager
    def aside(self) -> Iterator[int]:
        """Keep BLAS to one thread, and say how many the caller may use instead.

        Who comes second, from another thread, gets one, for the first has the others; the last to
        leave puts things back.
        """
        with self.lock:
            self.users += 1
            if self.users == 1:
                self.owner = get_ident()
                self.before = [library.get_num_threads() for library in self.libraries]
                self._set([1] * len(self.libraries))
        try:
            yield min(self.before, default=1) if self.owner == get_ident() else 1
        finally:
            with self.lock:
                self.users -= 1
                if not self.users:
                    self._set(self.before)

    def _set(self, numbers: list[int]) -> None:
        if max(self.before, default=1) > 1:
            for library, number in zip(self.libraries, numbers, strict=True):
                library.set_num_threads(number)
                # A newer threadpoolctl obeys the first thread that asks, for as long as it lives: the last to
                # leave may be another, and so may be whoever limits threads afterwards.
                if hasattr(library, "clear_controlling_thread"):
                    library.clear_controlling_thread()


@cache
def _blas() -> _Blas:
    return _Blas()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="robustreg")


def _forget() -> None:
    """After a fork there is neither a thread in the pool nor anyone who would let go of a lock."""
    _pool.cache_clear()
    _blas.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def blas_aside() -> AbstractContextManager[int]:
    """Keep BLAS to one thread for a while, as for all of a fit: `in_order` has the others.

    NumPy and SciPy each bring a BLAS. Where small calls go to both in turn, the threads of the one
    wait, busily, in the way of the other's: a Cholesky factor may take ten times as long.
    """
    return _blas().aside()


def in_order(
    function: Callable[[Item], Answer], items: Sequence[Item], *, few: int = 1
) -> list[Answer]:
    """Return what ``function`` says of each of the items, in their order.

    It runs on several threads at once, and under the caller's `numpy.errstate`; for a few items,
    which are done before a second thread has woken, on one.
    """
    with _blas().aside() as threads:
        if threads < 2 or len(items) <= few:
            return [function(item) for item in items]
        waiting = deque(range(len(items)))
        answers: dict[int, Answer] = {}
        state: Any = np.geterr()

        def work() -> None:
            with np.errstate(**state):
                while waiting:
                    try:
                        i = waiting.popleft()
                    except IndexError:  # another thread was quicker
                        return
                    answers[i] = function(items[i])

        helpers = [_pool().submit(work) for _ in range(min(threads, len(items)) - 1)]
        try:
            work()
        finally:
            waiting.clear()
            for helper in helpers:
                helper.result()
    return [answers[i] for i in range(len(items))]
