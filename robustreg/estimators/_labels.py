"""Class labels of any sortable type, as numbers, and the weights of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from robustreg._array import Array, is_sparse
from robustreg._lazy import refuse_lazy
from robustreg.estimators._tables import table_columns

#: share of the rows up to which integers are classes without doubt; scikit-learn warns of more than half
FEW = 0.5


def plain_labels(y: Any) -> Any:
    """Return pandas' nullable labels as NumPy's of the same kind, anything else as it is.

    Raises
    ------
    ValueError
        If a label is missing.
    """
    refuse_lazy("A fit to labels with X in this process", y=y)
    columns = [column for _, column in table_columns(y)] or [y]
    if any(map(_lacks_labels, columns)):
        raise ValueError("y contains missing values: drop those rows or give them a label.")
    if not any(map(_is_nullable, columns)):
        return y
    plain = []
    for column in columns:
        if _is_nullable(column):
            column = column.to_numpy(dtype=column.dtype.numpy_dtype)
        plain.append(np.asarray(column))
    return plain[0] if len(plain) == 1 else np.column_stack(plain)


def _lacks_labels(column: Any) -> bool:
    """Whether a label is missing; that arrays of numbers are finite is checked elsewhere."""
    if _is_nullable(column):
        return bool(column.isna().any())
    if is_sparse(column) or getattr(getattr(column, "dtype", None), "kind", "O") not in "OMm":
        return False
    labels = np.asarray(column)
    return labels.ndim > 0 and bool(pd.isna(labels).any())


def _is_nullable(column: Any) -> bool:
    return hasattr(getattr(column, "dtype", None), "numpy_dtype") and hasattr(column, "isna")


def encode(y: Any) -> tuple[Array, Any]:
    """Return classes as numbers, and what the numbers stand for.

    Parameters
    ----------
    y : array of shape (n,), (n, 1) or (n, n_labels)
        Labels of any sortable type; with several columns 0 and 1.

    Returns
    -------
    codes : array of shape (n,) or (n, n_labels)
        Indices into the classes, as floating numbers.
    classes : array of shape (n_classes,) or list of arrays
        The sorted labels, one array a column where there are several.

    Raises
    ------
    ValueError
        If y does not hold classes, or columns hold anything but 0 and 1.
    """
    if is_sparse(y):
        y = y.toarray()
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if y.ndim == 1 and y.dtype.kind in "biu":
        codes, classes = _encode_integers(y)
        if len(classes) < FEW * len(y):
            return codes.astype(float), classes
    check_classification_targets(y)
    if y.ndim == 2:
        if not np.isin(y, (0, 1)).all():
            raise ValueError(
                "y with several columns must hold 0 and 1, one column a label: "
                f"{type_of_target(y)} targets are not supported."
            )
        return y.astype(float), [np.unique(column) for column in y.T]
    try:
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError as error:
        raise ValueError(f"The labels in y cannot be sorted: {error}.") from error
    return codes.astype(float), classes


def _encode_integers(y: Array) -> tuple[Array, Array]:
    """Return the places of integers among the sorted ones, and these: of a short range without sorting."""
    low, high = (int(y.min()), int(y.max())) if len(y) and y.dtype.kind == "i" else (0, -1)
    if not 0 <= high - low < len(y):
        classes, codes = np.unique(y, return_inverse=True)
        return codes, classes
    place = y.astype(np.intp) - low
    there = np.bincount(place) > 0
    classes = (there.nonzero()[0] + low).astype(y.dtype)
    if len(classes) > high - low:
        return place, classes
    return (there.cumsum() - 1)[place], classes


def class_factors(
    class_weight: Any, codes: Array, classes: Array, weight: Array | None
) -> Array | None:
    """Return the weight of each class, or None where classes have none.

    ``"balanced"`` gives each class the same sum of weights and keeps the total.

    Raises
    ------
    ValueError
        If ``class_weight`` is of another kind, names an unknown class, or holds a number that is
        no weight.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str) and class_weight == "balanced":
        mass = np.bincount(codes.astype(int), weight, minlength=len(classes))
        with np.errstate(divide="ignore"):
            return np.where(mass > 0, mass.sum() / (np.count_nonzero(mass) * mass), 0.0)
    if not isinstance(class_weight, Mapping):
        raise ValueError(  # noqa: TRY004
            f"class_weight must be None, 'balanced' or a dict. Got {class_weight!r} instead."
        )
    known = classes.tolist()
    unknown = [label for label in class_weight if label not in known]
    left = [label for label in known if label not in class_weight]
    # As scikit-learn does: a part of the rows may lack a class, but then every other one is named.
    if unknown and left:
        raise ValueError(
            f"class_weight names {', '.join(map(repr, unknown))}, which is no class of y, and does not "
            f"name {', '.join(map(repr, left))}. Classes of y: {known}. Weights of classes that y may "
            "lack are accepted where all of its own have one."
        )
    factors = np.array([class_weight.get(label, 1.0) for label in known], dtype=float)
    if not (np.isfinite(factors).all() and (factors >= 0).all()):
        raise ValueError(
            f"The weights of classes must be finite and at least 0. Got {class_weight!r}."
        )
    return factors


def require_several(classes: Array, where: str = "y") -> None:
    """Refuse targets of one class.

    Raises
    ------
    ValueError
        That names the class.
    """
    if len(classes) < 2:
        raise ValueError(
            f"{where} holds one class, {classes.tolist()[0]!r}: a classifier needs at least two classes."
        )


def require_classes(codes: Array, classes: Array, weight: Array | None, where: str) -> None:
    """Refuse targets in which fewer than two classes, or not all of them, have weight.

    Raises
    ------
    ValueError
        That names the class.
    """
    require_several(classes, where)
    mass = np.bincount(codes.astype(int), weight, minlength=len(classes))
    empty = [label for label, left in zip(classes.tolist(), mass, strict=True) if left <= 0]
    if empty:
        raise ValueError(
            f"The weights leave no row of class {', '.join(map(repr, empty))} in {where}: every class "
            "needs a row of positive weight."
        )
