"""When a Hessian is kept and when it is renewed, and what steps since then correct."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.solvers._kept_hessian import PAYS, KeptHessian
from robustreg.solvers._metrics import DenseMetric

RNG = np.random.default_rng(0)
A = RNG.normal(size=(5, 5))
A = A @ A.T + np.eye(5)
STEP = RNG.normal(size=5)


def kept(metric=None, **how):
    """Return one that was made at the present point."""
    made = KeptHessian(**how)
    made.renew(DenseMetric(np.eye(5)) if metric is None else metric)
    return made


def after(one, shrunk, length=1.0, level=False, late=False):
    one.after(STEP, A @ STEP, length, shrunk, level=level, late=late)
    return one


def test_pairs_make_it_right_along_the_steps():
    one = after(kept(pays=PAYS), shrunk=0.1)
    assert_allclose(one.solve(A @ STEP), STEP, rtol=1e-10)
    assert not np.allclose(one.metric.solve(A @ STEP), STEP)


def test_a_new_one_has_no_pairs():
    one = after(kept(pays=PAYS), shrunk=0.1)
    one.renew(DenseMetric(A))
    assert_allclose(one.solve(STEP), np.linalg.solve(A, STEP), rtol=1e-10)
    assert one.fresh and one.made == 2


@pytest.mark.parametrize(
    ("how", "step", "renewed"),
    [
        ({"pays": PAYS}, {"shrunk": 0.4}, False),
        ({"pays": PAYS}, {"shrunk": 0.6}, True),
        ({}, {"shrunk": 0.4}, True),
        ({}, {"shrunk": 1e-5}, False),
        ({"pays": PAYS}, {"shrunk": 1e-5, "length": 0.2}, True),
        ({"pays": PAYS, "worth": 5.0}, {"shrunk": 0.9}, False),
        ({"pays": PAYS, "worth": 5.0}, {"shrunk": 0.9, "late": True}, True),
        ({"pays": PAYS, "worth": 5.0}, {"shrunk": 0.9, "level": True}, True),
        # where values are level, slow steps would be taken for the end, though several outputs bear them
        ({"pays": 0.7}, {"shrunk": 0.6}, False),
        ({"pays": 0.7}, {"shrunk": 0.6, "level": True}, True),
    ],
)
def test_it_is_kept_while_it_pays(how, step, renewed):
    one = after(kept(**how), **step)
    assert (one.metric is None) == renewed
    assert not one.fresh


def test_one_that_was_kept_in_vain_is_the_last():
    one = kept(pays=PAYS, worth=2.0)
    after(after(one, shrunk=0.9), shrunk=0.9)
    assert one.metric is None
    one.renew(DenseMetric(A))
    assert after(one, shrunk=0.9).metric is None


def test_short_steps_lift_the_next_and_long_ones_do_not():
    one = after(kept(), shrunk=0.9, length=0.1)
    assert 0 < one.lift < after(one, shrunk=0.9, length=0.1).lift
    one.renew(DenseMetric(A))
    assert after(one, shrunk=0.9).lift == 0


def test_a_lift_helps_at_the_present_point_alone():
    one = kept()
    assert one.lift_more(np.eye(5)) and one.metric.lift == 1e-6
    assert one.lift_more(np.eye(5)) and one.metric.lift == pytest.approx(1e-4)
    assert not one.lift_more(None)
    one.metric.lift = 1e9
    assert not one.lift_more(np.eye(5))
    assert not after(kept(pays=PAYS), shrunk=0.1).lift_more(np.eye(5))


class Counted(DenseMetric):
    """One that counts what it solves."""

    solutions = 0

    def solve(self, gradient):
        self.solutions += 1
        return super().solve(gradient)


@pytest.mark.parametrize("asked_between", [False, True])
def test_where_many_steps_are_to_come_each_is_one_solution(asked_between):
    # as the textbook has it: two loops about the kept matrix, scaled to the curvature of the last step
    metric, pairs = Counted(np.diag([1.0, 2.0, 3.0, 4.0, 5.0])), []
    one, at = kept(metric, pays=PAYS, worth=50.0), np.ones(5)
    for count in range(1, 16):
        gradient = A @ at
        before = metric.solutions
        step = -one.solve(gradient)
        assert metric.solutions - before == 1 + (asked_between and count > 1)
        assert_allclose(step, -two_loops(metric, pairs[-12:], gradient), rtol=1e-8, atol=1e-12)
        if asked_between:  # as conjugate gradients do that it is to precondition
            one.solve(np.arange(5.0))
        moved = 0.3 * step + 0.1 * RNG.normal(size=5) * np.abs(step).max()
        at = at + moved
        turned = A @ at - gradient
        pairs.append((moved, turned))
        one.after(moved, turned, 1.0, 0.9, level=False, late=False)


def two_loops(metric, pairs, gradient):
    q, weights = gradient.copy(), []
    for s, y in reversed(pairs):
        weights.append((s @ q) / (s @ y))
        q = q - weights[-1] * y
    r = metric.solve(q)
    if pairs:
        s, y = pairs[-1]
        r = r * (s @ y) / (y @ metric.solve(y))
    for (s, y), weight in zip(pairs, reversed(weights), strict=True):
        r = r + (weight - (y @ r) / (s @ y)) * s
    return r
