"""Constants of losses at the normal distribution: published values."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.losses import LQQ, Hampel, Optimal, Tukey, Welsch
from robustreg.losses._normal import (
    design_adaptive,
    normal_efficiency,
    normal_share,
    with_breakdown,
    with_efficiency,
)


@pytest.mark.parametrize(
    ("breakdown_point", "c", "efficiency"),
    [
        (0.5, 1.547645, 0.2868), (0.45, 1.756059, 0.370), (0.4, 1.987965, 0.462),
        (0.35, 2.251831, 0.560), (0.3, 2.560843, 0.661), (0.25, 2.937015, 0.7590),
        (0.2, 3.420681, 0.847), (0.15, 4.096255, 0.917), (0.1, 5.182361, 0.966),
    ],
)  # fmt: skip
def test_rousseeuw_and_leroy(breakdown_point, c, efficiency):
    loss = with_breakdown(Tukey(), breakdown_point)
    assert loss.c == pytest.approx(c, abs=1e-6)
    assert normal_efficiency(loss) == pytest.approx(efficiency, abs=6e-4)
    assert normal_share(loss) == pytest.approx(breakdown_point, rel=1e-12)


@pytest.mark.parametrize(
    ("loss", "efficiency", "expected"),
    [
        (Tukey(), 0.85, [3.443690]),
        (Tukey(), 0.99, [7.041392]),
        (Welsch(), 0.95, [2.984637]),
        (Hampel(1.5, 3.5, 8.0), 0.95, np.multiply([1.5, 3.5, 8.0], 0.901444)),
        (Hampel(2.0, 4.0, 8.0), 0.9, np.multiply([2.0, 4.0, 8.0], 0.552617)),
        (LQQ(1.5, 1.0, 1.5), 0.95, [1.473436, 0.982294]),
        (Optimal(), 0.95, [1.060187]),
    ],
)
def test_efficiency(loss, efficiency, expected):
    found = with_efficiency(loss, efficiency)
    assert_allclose([getattr(found, name) for name in loss.threshold], expected, atol=2e-5)
    assert normal_efficiency(found) == pytest.approx(efficiency, rel=1e-12)


def test_lqq_at_half():
    found = with_breakdown(LQQ(), 0.5)
    assert_allclose([found.b, found.c], [0.4015457, 0.2676971], rtol=2e-4)  # R's, at 0.50004


def test_out_of_reach():
    with pytest.raises(ValueError, match="range"):
        with_efficiency(Tukey(), 1.0)


# (kappa, the two constants of tau), which robustbase has computed with ten Gauss-Hermite points
@pytest.mark.parametrize(
    ("loss", "kappa", "tau"),
    [
        (Tukey(4.685061), 0.8280907, (0.9473684, -0.0900833)),
        (LQQ(1.4734061, 0.9822707, 1.5), 0.8618074, (0.94736359, -0.08594805)),
        (Welsch(2.11 * np.sqrt(2)), 0.8165683, (0.94732953, -0.07569506)),
        (Hampel(1.35241275, 3.15562975, 7.212868), 0.8504151, (0.94739770, -0.04103958)),
        (Optimal(1.060158), 0.9361829, (0.94735878, -0.09444537)),
    ],
)
def test_design_adaptive_constants(loss, kappa, tau):
    found = design_adaptive(loss)
    assert found[0] == pytest.approx(kappa, abs=1e-6)
    assert_allclose(found[1:], tau, atol=5e-4)
