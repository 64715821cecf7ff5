"""The generated function forms read like hand-written ones."""

import inspect

import numpy as np
import pytest

from robustreg import losses as L
from robustreg.losses._functions import sections

FORMS = {kind.function: kind for kind in L.LOSSES.values()}
SHARED = "sample_weight=None, reduction='mean', return_gradient=False"
SIGNATURES = {
    "l1_loss": "y_true, y_pred",
    "l2_loss": "y_true, y_pred",
    "huber_loss": "y_true, y_pred, delta=1.0",
    "smooth_l1_loss": "y_true, y_pred, beta=1.0",
    "pinball_loss": "y_true, y_pred, quantile=0.5",
    "tukey_loss": "y_true, y_pred, c=4.685",
    "lqq_loss": "y_true, y_pred, b=1.4734, c=0.98227, s=1.5",
    "optimal_loss": "y_true, y_pred, c=1.06016",
    "binary_cross_entropy": "y_true, y_pred, from_logits=False, pos_weight=None",
    "cross_entropy": "y_true, y_pred, from_logits=False, label_smoothing=0.0",
    "multilabel_cross_entropy": "y_true, y_pred, from_logits=False",
    "kl_divergence": "y_true, y_pred, from_logits=False",
    "hinge_loss": "y_true, y_pred, margin=1.0",
    "squared_hinge_loss": "y_true, y_pred, margin=1.0",
    "multiclass_hinge_loss": "y_true, y_pred, variant='crammer_singer', margin=1.0",
    "focal_loss": "y_true, y_pred, gamma=2.0, alpha=None, from_logits=False",
    "poly_loss": "y_true, y_pred, epsilon=1.0, divided=False, from_logits=False",
    "dice_loss": "y_true, y_pred, smooth=1.0, squared=True, from_logits=False",
    "contrastive_loss": "x1, x2, similar, margin=1.0, halved=True",
    "triplet_loss": "anchor, positive, negative, margin=0.2, squared=True, swap=False",
    "margin_ranking_loss": "x1, x2, y, margin=0.0",
    "info_nce_loss": (
        "query, key, negatives=None, temperature=0.1, similarity='cosine', symmetric=False"
    ),
    "multiple_negatives_ranking_loss": (
        "anchor, positive, hard_negatives=None, scale=20.0, similarity='cosine'"
    ),
    "ge2e_loss": "embeddings, w=10.0, b=-5.0, variant='softmax', normalize=True",
    "arcface_loss": "y_true, embeddings, centers, scale=64.0, margin=0.5, variant='hard'",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    signature = inspect.signature(getattr(L, name))
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    found = str(signature.replace(parameters=bare))
    assert found == f"({SIGNATURES[name]}, *, {SHARED})"


@pytest.mark.parametrize("name", FORMS)
def test_docstrings_are_complete(name):
    function, kind = getattr(L, name), FORMS[name]
    doc = inspect.getdoc(function)
    for parameter in inspect.signature(function).parameters:
        assert f"\n{parameter} : " in doc
    for head in ("Parameters", "Returns", "Raises", "See Also", "References", "Examples"):
        assert f"\n{head}\n{'-' * len(head)}\n" in doc
    assert f">>> {name}(" in doc or f"{name}(" in doc
    assert kind.formula
    assert kind.reference
    assert sections(kind)["Examples"]
    assert (function.__name__, function.__module__) == (name, "robustreg.losses")
    assert name in L.__all__


def test_positional_and_named_inputs_are_the_same():
    y, p = np.array([1.0, 2.0]), np.array([1.5, 5.0])
    value = L.huber_loss(y, p, 0.5)
    assert value == L.huber_loss(y_pred=p, y_true=y, delta=0.5)
    assert value == L.Huber(0.5)(y_true=y, y_pred=p)


def test_registry_names_every_concrete_loss():
    for name, kind in L.LOSSES.items():
        assert kind.name == name
        assert getattr(L, kind.__name__) is kind


def test_a_new_loss_needs_only_its_class():
    from dataclasses import dataclass
    from typing import ClassVar

    @dataclass(eq=False)
    class Quartic(L.ResidualLoss):
        """Fourth power.

        Examples
        --------
        >>> pass
        """

        name: ClassVar[str] = "quartic"
        function: ClassVar[str] = "quartic_loss"

        def rho(self, r):
            return r**4

        def psi(self, r):
            return 4 * r**3

        def psi_prime(self, r):
            return 12 * r**2

    try:
        assert L.LOSSES["quartic"] is Quartic
        assert L.function_form(Quartic)([0.0], [2.0]) == 16.0
    finally:
        del L.LOSSES["quartic"]
