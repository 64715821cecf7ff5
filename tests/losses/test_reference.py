"""Agreement with reference values from other libraries, each checked in high precision."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from robustreg import losses as L
from robustreg.losses._geometry import cross_pairs, put

DATA = Path(__file__).parents[1] / "data" / "losses.json"
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


def number(value):
    """Arrays of floats from JSON, where non-finite numbers are strings and gaps null."""
    return None if value is None else np.array(value, dtype=float)


CASES = json.loads(DATA.read_text(encoding="utf-8"))


def residual(function, *names):
    return lambda c, i: (partial(function, i["y_true"], i["y_pred"], **c), ["y_pred"])


def with_logits(function):
    return lambda c, i: (partial(function, i["y"], i["z"], from_logits=True, **c), ["z"])


def class_weighted(c, i):
    weight = dict(c)
    table = np.array(weight.pop("weight"))
    call = partial(L.cross_entropy, i["y"], i["z"], from_logits=True, **weight)
    return partial(call, sample_weight=table[i["y"].astype(int)]), ["z"]


def cross_entropy(c, i):
    return class_weighted(c, i) if "weight" in c else with_logits(L.cross_entropy)(c, i)


def poly(convention):
    def call(c, i):
        epsilon = c["epsilon"]
        return partial(
            L.poly_loss, i["y"], i["z"], epsilon, convention == "seed", from_logits=True
        ), ["z"]

    return call


def ge2e(variant):
    def call(c, i):
        w, b = float(i["w"]), float(i["b"])
        return partial(
            L.ge2e_loss, i["e"], w, b, variant=variant, normalize=c["normalize_embeddings"]
        ), ["e"]

    return call


def info_nce(c, i):
    options = {"temperature": c["temperature"], "similarity": c["similarity"]}
    names = ["q", "k"] + (["neg"] if "neg" in i else [])
    return partial(L.info_nce_loss, *(i[n] for n in names), **options), names


def all_pairs(c, i):
    """The sum over all pairs of a positive and a negative, in which small scores are good."""
    n, m = len(i["f_pos"]), len(i["f_neg"])
    first, second = cross_pairs(n, m)

    def call(reduction="mean", return_gradient=False):
        loss = partial(
            L.margin_ranking_loss,
            i["f_pos"][first],
            i["f_neg"][second],
            -np.ones(n * m),
            margin=c["gamma"],
        )
        if not return_gradient:
            value = loss(reduction=reduction)
            return value.reshape(n, m) if reduction == "none" else value
        value, (g1, g2) = loss(reduction=reduction, return_gradient=True)
        return value, (put(g1, first, n), put(g2, second, m))

    return call, ["f_pos", "f_neg"]


def of_distance(halved, label):
    def call(c, i):
        loss = L.Contrastive(c["margin"], halved=halved)

        def evaluate(reduction="mean", return_gradient=False):
            similar = i["y"] if label == "y" else 1 - i["Y"]
            value, slope = loss.of_distance(i["d"], similar)
            value = {"none": value, "sum": value.sum(), "mean": value.mean()}[reduction]
            return (value, slope) if return_gradient else value

        return evaluate, ["d"]

    return call


def dice(c, i):
    return partial(L.dice_loss, i["g"], i["p"], c["smooth"], c["squared"]), ["p"]


def triplet(c, i):
    options = {k: v for k, v in c.items() if k in ("margin", "squared", "swap")}
    return partial(L.triplet_loss, i["a"], i["p"], i["n"], **options), ["a", "p", "n"]


CALLS = {
    "l1": residual(L.l1_loss),
    "l2": residual(L.l2_loss),
    "huber": residual(L.huber_loss),
    "smooth_l1": residual(L.smooth_l1_loss),
    "bce": lambda c, i: (partial(L.binary_cross_entropy, i["y"], i["p"]), ["p"]),
    "bce_logits": with_logits(L.binary_cross_entropy),
    "logistic_pm1": lambda c, i: (partial(L.Logistic(), (i["t"] + 1) / 2, i["z"]), ["z"]),
    "ce_logits": cross_entropy,
    "ce_prob": lambda c, i: (partial(L.cross_entropy, i["y"], i["p"]), ["p"]),
    "multilabel_ce": with_logits(L.multilabel_cross_entropy),
    "kl_prob": lambda c, i: (partial(L.kl_divergence, i["p"], i["q"]), ["q"]),
    "kl_logits": lambda c, i: (partial(L.kl_divergence, i["p"], i["z"], from_logits=True), ["z"]),
    "hinge": lambda c, i: (partial(L.hinge_loss, i["t"], i["z"], **c), ["z"]),
    "multiclass_hinge_ww": lambda c, i: (
        partial(L.multiclass_hinge_loss, i["y"], i["z"], "weston_watkins", **c),
        ["z"],
    ),
    "multiclass_hinge_cs": lambda c, i: (
        partial(L.multiclass_hinge_loss, i["y"], i["z"], "crammer_singer", **c),
        ["z"],
    ),
    "focal_binary": with_logits(L.focal_loss),
    "focal_multiclass": with_logits(L.focal_loss),
    "focal_prob": lambda c, i: (
        partial(L.focal_loss, np.ones_like(i["p_t"]), i["p_t"], **c),
        ["p_t"],
    ),
    "poly1": poly("paper"),
    "poly1_binary": poly("paper"),
    "poly_n_seed": poly("seed"),
    "poly_n_paper": poly("paper"),
    "ge2e_softmax": ge2e("softmax"),
    "ge2e_contrast": ge2e("contrast"),
    "arcface": lambda c, i: (
        partial(
            L.arcface_loss,
            i["y"],
            i["x"],
            i["W"],
            scale=c["s"],
            margin=c["m"],
            variant=c["variant"],
        ),
        ["x", "W"],
    ),
    "triplet": triplet,
    "info_nce": info_nce,
    "mnr": lambda c, i: (
        partial(L.multiple_negatives_ranking_loss, i["a"], i["p"], **c),
        ["a", "p"],
    ),
    "dice": dice,
    "dice_logits": lambda c, i: (
        partial(L.dice_loss, i["g"], i["z"], c["smooth"], c["squared"], from_logits=True),
        ["z"],
    ),
    "margin_ranking": lambda c, i: (
        partial(L.margin_ranking_loss, i["x1"], i["x2"], i["y"], **c),
        ["x1", "x2"],
    ),
    "margin_ranking_all_pairs": all_pairs,
    "contrastive_hadsell": lambda c, i: (
        partial(L.contrastive_loss, i["x1"], i["x2"], 1 - i["Y"], **c),
        ["x1", "x2"],
    ),
    "contrastive_simple": lambda c, i: (
        partial(L.contrastive_loss, i["x1"], i["x2"], i["y"], halved=False, **c),
        ["x1", "x2"],
    ),
    "contrastive_hadsell_d": of_distance(halved=True, label="Y"),
    "contrastive_simple_d": of_distance(halved=False, label="y"),
}
# Hessians of pointwise losses and of rows of logits, for which the class gives products.
CURVED = {
    "l1": L.Absolute(),
    "l2": L.Squared(half=False),
    "bce": L.Logistic(from_logits=False),
    "ce_logits": L.CrossEntropy(),
    "kl_logits": L.KLDivergence(),
    "hinge": L.Hinge(),
    "logistic_pm1": L.Logistic(),
}


def ids(case):
    return case["id"]


def ready(case):
    inputs = {name: number(value) for name, value in case["inputs"].items()}
    call, names = CALLS[case["loss"]](case["params"], inputs)
    return call, names


FUNCTIONS = [case for case in CASES if case["loss"] in CALLS]
ACTIVATIONS = ("sigmoid", "log_sigmoid", "softmax", "log_softmax")


def test_every_case_is_used():
    known = {*CALLS, *ACTIVATIONS, "huber_concomitant"}
    assert {case["loss"] for case in CASES} == known


@pytest.mark.parametrize("case", FUNCTIONS, ids=ids)
def test_values(case):
    call, _ = ready(case)
    if "0/0" in case["tags"]:
        assert call() == 0.0
        return
    for reduction in ("none", "mean", "sum"):
        expected = number(case[f"value_{reduction}"])
        value = call(reduction=reduction)
        np.testing.assert_allclose(value, expected, **CLOSE)
        assert np.shape(value) == expected.shape


@pytest.mark.parametrize("case", FUNCTIONS, ids=ids)
def test_gradients(case):
    call, names = ready(case)
    value, gradient = call(reduction="sum", return_gradient=True)
    if case["grad"] is None:
        assert np.all(np.isfinite(np.concatenate([np.ravel(g) for g in np.atleast_1d(gradient)])))
        return
    gradients = gradient if isinstance(gradient, tuple) else (gradient,)
    np.testing.assert_allclose(value, number(case["value_sum"]), **CLOSE)
    for name, found in zip(names, gradients, strict=True):
        bounds = (case["subgrad"] or {}).get(name) if "subgrad" in case else None
        if bounds:
            assert np.all(found >= number(bounds["lo"]) - 1e-11)
            assert np.all(found <= number(bounds["hi"]) + 1e-11)
        elif "kink" not in case["tags"] or case["loss"] in ("triplet", "contrastive_hadsell"):
            np.testing.assert_allclose(found, number(case["grad"][name]), **CLOSE)


def test_ge2e_gradients_in_scale_and_offset():
    for case in CASES:
        if case["loss"].startswith("ge2e") and case["grad"] is not None:
            variant = case["loss"].removeprefix("ge2e_")
            i, normalize = case["inputs"], case["params"]["normalize_embeddings"]
            loss = L.GE2E(variant=variant, normalize=normalize)
            own = np.array([i["w"], i["b"]])
            _, _, d_own = loss.value_gradient(None, number(i["e"]), None, own)
            np.testing.assert_allclose(d_own, [case["grad"]["w"], case["grad"]["b"]], **CLOSE)


def loss_with_curvature(case):
    """Loss object, targets and predictions of a case with a Hessian."""
    i, kind, params = case["inputs"], case["loss"], case["params"]
    raw = number(next(i[n] for n in ("z", "p", "y_pred", "d") if n in i))
    y = number(next(i[n] for n in ("y_true", "y", "t", "p", "Y") if n in i))
    if kind == "kl_logits":
        raw, y = number(i["z"]), number(i["p"])
    if kind == "logistic_pm1":
        y = (y + 1) / 2
    loss = {
        "huber": lambda: L.Huber(params["delta"]),
        "smooth_l1": lambda: L.SmoothL1(params["beta"]),
        "bce_logits": lambda: L.Logistic(pos_weight=params["pos_weight"]),
        "focal_multiclass": lambda: L.Focal(**params),
        "poly1": lambda: L.Poly(params["epsilon"]),
        "poly1_binary": lambda: L.Poly(params["epsilon"]),
        "poly_n_paper": lambda: L.Poly(params["epsilon"]),
        "poly_n_seed": lambda: L.Poly(params["epsilon"], divided=True),
    }.get(kind, lambda: CURVED[kind])()
    return loss, y, raw


WITH_HESSIAN = [
    c for c in CASES if c.get("hess") and c["loss"] in {*CALLS} and not c["loss"].endswith("_d")
]


@pytest.mark.parametrize("case", WITH_HESSIAN, ids=ids)
def test_hessians(case):
    loss, y, raw = loss_with_curvature(case)
    expected = number(next(iter(case["hess"].values())))
    if expected.ndim > raw.ndim:  # one matrix a row
        columns = [
            loss.curvature(y, raw, None, None, np.broadcast_to(unit, raw.shape), None)[0]
            for unit in np.eye(raw.shape[1])
        ]
        found = np.stack(columns, axis=-1)
    else:
        found = loss.curvature(y, raw, None, None, 1.0, None)[0]
    defined = ~np.isnan(expected)
    np.testing.assert_allclose(found[defined], expected[defined], **CLOSE)


@pytest.mark.parametrize("case", [c for c in CASES if c["loss"] in ACTIVATIONS], ids=ids)
def test_activations(case):
    z = number(case["inputs"]["z"])
    found = getattr(L, case["loss"])(z)
    np.testing.assert_allclose(found, number(case["value_none"]), **CLOSE)
    if case["loss"] == "sigmoid":
        np.testing.assert_allclose(found * L.sigmoid(-z), number(case["grad"]["z"]), **CLOSE)
    if case["loss"] == "log_sigmoid":
        np.testing.assert_allclose(L.sigmoid(-z), number(case["grad"]["z"]), **CLOSE)
    if "jacobian" in case:
        jacobian = found[:, :, None] * (np.eye(z.shape[1]) - found[:, None, :])
        np.testing.assert_allclose(jacobian, number(case["jacobian"]), **CLOSE)


def test_concomitant_objective():
    (case,) = (c for c in CASES if c["loss"] == "huber_concomitant")
    i, epsilon, alpha = case["inputs"], case["params"]["epsilon"], case["params"]["alpha"]
    X, y, coef = number(i["X"]), number(i["y"]), number(i["coef"])
    # Twice this one's Huber loss: the scale's price is halved along.
    loss = L.Concomitant(L.Huber(epsilon), kappa=1.0)
    value, d_raw, d_sigma = loss.value_gradient(
        y, X @ coef + i["intercept"], None, np.array([i["sigma"]])
    )
    np.testing.assert_allclose(2 * value + alpha * coef @ coef, case["value_sum"], **CLOSE)
    grad = case["grad"]
    np.testing.assert_allclose(2 * X.T @ d_raw + 2 * alpha * coef, grad["coef"], **CLOSE)
    np.testing.assert_allclose(2 * d_raw.sum(), grad["intercept"], **CLOSE)
    np.testing.assert_allclose(2 * d_sigma, grad["sigma"], **CLOSE)
