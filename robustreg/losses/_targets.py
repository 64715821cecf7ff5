"""What y may be, as data: each kind of target checks itself and makes samples for tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from robustreg._array import Array, array_namespace

Names = tuple[str, ...]
N_CLASSES, N_DIMENSIONS = 4, 3  # of samples


class Target(ABC):
    """What y and the raw predictions of a loss must look like.

    ``single`` says whether the target of a row is one number; ``formation`` how labelled rows are put
    together for a loss of embeddings, by a name in ``FORMATIONS``, empty where they are not.
    """

    single: bool = False
    formation: str = ""

    def of_labels(self, y: Any) -> Any:
        """Turn labels 0, 1, ... into the targets that stand for them; numbers are their own."""
        return y

    @abstractmethod
    def check(self, y: Any, raw: Any, names: Names) -> None:
        """Compare y and the raw predictions with what the loss can use.

        Parameters
        ----------
        y : array or None
            Targets, finite real numbers.
        raw : array or tuple of arrays
            Raw predictions, finite real numbers.
        names : tuple of str
            What the caller calls y, if there is one, and each array of ``raw``.

        Raises
        ------
        ValueError
            If shapes do not fit or a target is outside the domain; the message names it.
        """

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        """Draw targets and raw predictions of ``n`` rows, away from kinks with probability one."""

    def importance(self, y: Any, weight: Array | None) -> Array | None:
        """How much each row counts where some rows stand for all: its weight, None for equal ones.

        Of targets that are classes every class counts as much as any other.

        Parameters
        ----------
        y : array of shape (n,) or (n, n_classes)
            Targets.
        weight : array of shape (n,) or None
            Non-negative weights.

        Returns
        -------
        importance : array of shape (n,) or None
            Non-negative.
        """
        return weight

    def wanted(self, y: Any, n_classes: int) -> Array | None:
        """Which classes each row has any of; None where targets have no classes.

        Parameters
        ----------
        y : array of shape (n,) or (n, n_classes)
            Targets.
        n_classes : int
            How many classes there are; two for one raw prediction a row.

        Returns
        -------
        wanted : array of bool of shape (n, n_classes), or None
            At least one in each row.
        """
        return None


def one_of_each(codes: Array, n_classes: int) -> Array:
    """The class of each row, as :meth:`Target.wanted` says it."""
    wanted: Array = codes[:, None] == np.arange(n_classes)
    return wanted


def balanced(codes: Array, weight: Array | None) -> Array:
    """Weights of rows of classes 0, 1, ... in which each class has a sum of one."""
    codes = codes.astype(np.intp)
    mass = np.bincount(codes, weight)
    each = np.divide(1.0, mass, out=np.zeros_like(mass, dtype=float), where=mass > 0)[codes]
    return each if weight is None else each * weight


def require(condition: Any, message: str) -> None:
    """Raise ValueError with the message unless the condition holds."""
    if not bool(condition):
        raise ValueError(message)


def one_of(name: str, value: Any, options: tuple[str, ...]) -> None:
    """Refuse anything but one of a few strings."""
    words = ", ".join(repr(option) for option in options)
    legal = isinstance(value, str) and value in options
    require(legal, f"{name} must be one of {words}. Got {value!r}.")


def same_shape(a: Array, b: Array, names: Names) -> None:
    """Refuse arrays of different shapes, which would broadcast silently."""
    require(
        a.shape == b.shape,
        f"{names[0]} and {names[1]} must have the same shape. "
        f"Got {tuple(a.shape)} and {tuple(b.shape)}.",
    )


def same_rows(y: Array, raw: Array, names: Names) -> None:
    """Refuse anything but one target for each row of a matrix."""
    axes(raw, (2,), names[1])
    require(
        y.shape == raw.shape[:1],
        f"{names[0]} must have one entry for each row of {names[1]}. "
        f"Got shapes {tuple(y.shape)} and {tuple(raw.shape)}.",
    )


def axes(array: Array, allowed: tuple[int, ...], name: str) -> None:
    """Refuse arrays of other numbers of dimensions."""
    words = " or ".join(str(n) for n in allowed)
    require(
        array.ndim in allowed,
        f"{name} must have {words} dimensions. Got shape {tuple(array.shape)}.",
    )


def each_in(y: Array, allowed: tuple[int, ...], name: str) -> None:
    """Refuse targets outside a small set of numbers."""
    xp = array_namespace(y)
    inside = y == allowed[0]
    for value in allowed[1:]:
        inside = inside | (y == value)
    words = ", ".join(str(value) for value in allowed)
    require(xp.all(inside), f"{name} must hold only the values {words}.")


def between(array: Array, low: float, high: float, name: str) -> None:
    """Refuse numbers outside a closed interval."""
    xp = array_namespace(array)
    inside = bool(xp.min(array) >= low) and bool(xp.max(array) <= high)
    require(inside, f"{name} must lie in [{low:g}, {high:g}].")


def class_indices(y: Array, n_classes: int, name: str) -> None:
    """Refuse anything but the integers 0 to n_classes - 1."""
    xp = array_namespace(y)
    legal = xp.all((y >= 0) & (y < n_classes) & (xp.floor(y) == y))
    require(legal, f"{name} must hold integer class labels from 0 to {n_classes - 1}.")


def distributions(y: Array, name: str) -> None:
    """Refuse rows that are no probability distribution."""
    xp = array_namespace(y)
    between(y, 0.0, 1.0, name)
    slack = max(1e-6, float(xp.finfo(y.dtype).eps) ** 0.5)
    sums = xp.sum(y, axis=-1)
    require(xp.all(xp.abs(sums - 1.0) <= slack), f"Each row of {name} must sum to one.")


def shared(y: Array, weight: Array | None) -> Array:
    """:func:`balanced` of rows that are shared between classes as the columns of y say."""
    mass = (y if weight is None else y * weight[:, None]).sum(axis=0)
    each: Array = y @ np.divide(1.0, mass, out=np.zeros_like(mass), where=mass > 0)
    return each if weight is None else each * weight


class Real(Target):
    """Any real number, one for each raw prediction."""

    single = True

    def check(self, y: Any, raw: Any, names: Names) -> None:
        same_shape(y, raw, names)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        return rng.normal(scale=2.0, size=n), rng.normal(size=n)


class Labels(Target):
    """One of a few numbers for each raw prediction: {0, 1} or {-1, 1}."""

    single = True

    def __init__(self, *values: int) -> None:
        self.values = values

    def of_labels(self, y: Any) -> Any:
        return np.where(y == 0, self.values[0], y)

    def check(self, y: Any, raw: Any, names: Names) -> None:
        same_shape(y, raw, names)
        each_in(y, self.values, names[0])

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        return rng.choice(np.array(self.values, dtype=float), size=n), 2.0 * rng.normal(size=n)

    def importance(self, y: Any, weight: Array | None) -> Array | None:
        return balanced(y - min(self.values), weight)

    def wanted(self, y: Any, n_classes: int) -> Array | None:
        # 0 and 1, or the numbers of several classes; -1 and 1
        return one_of_each(y if min(self.values) == 0 else y > 0, n_classes)


class Probability(Target):
    """A probability for each raw prediction; 0 and 1 are labels. ``columns`` asks for a matrix."""

    def __init__(self, columns: bool = False) -> None:
        self.columns, self.single = columns, not columns

    def check(self, y: Any, raw: Any, names: Names) -> None:
        same_shape(y, raw, names)
        if self.columns:
            axes(raw, (2,), names[1])
        between(y, 0.0, 1.0, names[0])

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        shape = (n, N_CLASSES) if self.columns else (n,)
        y = rng.uniform(size=shape)
        return np.where(y < 0.5, np.round(y * 2), y), 2.0 * rng.normal(size=shape)

    def importance(self, y: Any, weight: Array | None) -> Array | None:
        return shared(np.column_stack([1.0 - y, y]), weight)

    def wanted(self, y: Any, n_classes: int) -> Array | None:
        return np.column_stack([y < 1, y > 0])


class Classes(Target):
    """A class label 0..C-1 for each row of an (n, C) matrix."""

    single = True

    def check(self, y: Any, raw: Any, names: Names) -> None:
        same_rows(y, raw, names)
        class_indices(y, raw.shape[1], names[0])

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        y = rng.integers(N_CLASSES, size=n).astype(float)
        return y, 2.0 * rng.normal(size=(n, N_CLASSES))

    def importance(self, y: Any, weight: Array | None) -> Array | None:
        return balanced(y, weight)

    def wanted(self, y: Any, n_classes: int) -> Array | None:
        return one_of_each(y, n_classes)


class Distribution(Target):
    """A probability distribution for each row of an (n, C) matrix."""

    def check(self, y: Any, raw: Any, names: Names) -> None:
        axes(raw, (2,), names[1])
        same_shape(y, raw, names)
        distributions(y, names[0])

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        y = rng.dirichlet(np.ones(N_CLASSES), size=n)
        return y, 2.0 * rng.normal(size=(n, N_CLASSES))

    def importance(self, y: Any, weight: Array | None) -> Array | None:
        return shared(y, weight)

    def wanted(self, y: Any, n_classes: int) -> Array | None:
        wanted: Array = y > 0
        return wanted


class ClassesOrDistribution(Classes):
    """A class label or a probability distribution for each row."""

    def check(self, y: Any, raw: Any, names: Names) -> None:
        kind = Distribution() if y.ndim == 2 else Classes()
        kind.check(y, raw, names)

    def importance(self, y: Any, weight: Array | None) -> Array | None:
        return shared(y, weight) if y.ndim == 2 else balanced(y, weight)

    def wanted(self, y: Any, n_classes: int) -> Array | None:
        return y > 0 if y.ndim == 2 else one_of_each(y, n_classes)


class BinaryOrClasses(Labels):
    """Labels 0 and 1 for a vector of raw predictions, class labels 0..C-1 for a matrix."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def check(self, y: Any, raw: Any, names: Names) -> None:
        axes(raw, (1, 2), names[1])
        if raw.ndim == 2:
            Classes().check(y, raw, names)
        else:
            super().check(y, raw, names)


class Sets(Labels):
    """Membership, 0 or 1, of each element of one set, or of each row's set."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def check(self, y: Any, raw: Any, names: Names) -> None:
        super().check(y, raw, names)
        axes(raw, (1, 2), names[1])


class Vectors(Target):
    """Rows of several matrices that belong together, with or without a label for each row.

    ``labels`` are the values y may have. Of ``count`` matrices all have the same shape.
    """

    def __init__(self, count: int, labels: tuple[int, ...] = ()) -> None:
        self.count, self.labels = count, labels
        formations = {2: "pairs" if labels else "pair_batches", 3: "triplets"}
        self.formation = formations[count]

    def check(self, y: Any, raw: Any, names: Names) -> None:
        raw_names = names[-len(raw) :] if y is None else names[1:]
        axes(raw[0], (2,), raw_names[0])
        for other, name in zip(raw[1 : self.count], raw_names[1:], strict=False):
            same_shape(raw[0], other, (raw_names[0], name))
        if self.labels:
            same_rows(y, raw[0], (names[0], raw_names[0]))
            each_in(y, self.labels, names[0])

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        raw = tuple(rng.normal(size=(n, N_DIMENSIONS)) for _ in range(self.count))
        y = rng.choice(np.array(self.labels, dtype=float), size=n) if self.labels else None
        return y, raw


class Orders(Target):
    """Which of two scores should be the larger: 1 for the first, -1 for the second."""

    def check(self, y: Any, raw: Any, names: Names) -> None:
        same_shape(raw[0], raw[1], names[1:])
        same_shape(y, raw[0], names)
        each_in(y, (-1, 1), names[0])

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        return rng.choice([-1.0, 1.0], size=n), (rng.normal(size=n), rng.normal(size=n))


class Groups(Target):
    """No labels: an array of (groups, members, dimensions)."""

    formation = "group_batches"

    def check(self, y: Any, raw: Any, names: Names) -> None:
        axes(raw, (3,), names[0])
        require(
            raw.shape[1] > 1,
            f"{names[0]} must have two members or more in each group. Got shape {raw.shape}.",
        )

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        return None, rng.normal(size=(n, 3, N_DIMENSIONS))


class ClassesOfVectors(Target):
    """A class label for each row of a matrix of embeddings."""

    formation = "all_rows"

    def check(self, y: Any, raw: Any, names: Names) -> None:
        same_rows(y, raw, names)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        # Every class occurs, so that their number can be read off.
        return np.arange(n) % N_CLASSES * 1.0, rng.normal(size=(n, N_DIMENSIONS))
