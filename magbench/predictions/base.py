"""What a stored prediction is: named arrays with a kind, a full form on disk and a compact form that is kept.

A kind declares its :class:`Column` s. The full form, ``predictions.npz`` of a cell, has all of them; the packed form
that is committed with kept results has those that scoring needs, in small types.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from magbench.errors import RecordError
from magbench.predictions.arrays import Arrays, npz_bytes, read_npz

FILE = "predictions.npz"


@dataclass(frozen=True)
class Column:
    """One array of a kind.

    Attributes:
        stored: its type on disk, e.g. ``<i8``; ``U`` for names.
        packed: its type where predictions are kept; None: it is not.
        rows: whether it has one entry for each predicted item; else it is a short list of its own.
        width: number of dimensions behind the first.
        optional: whether it may be absent.
    """

    stored: str
    packed: str | None
    rows: bool = True
    width: int = 0
    optional: bool = False


@dataclass(frozen=True, eq=False)
class Slice:
    """Items that are scored together.

    Attributes:
        split: ``test``, or a part of it: ``test/<name>``.
        groups: arguments of a metric for each group of the items; the score is the mean over groups.
        n: number of items.
        pool: candidates of a query, where the kind knows them.
    """

    split: str
    groups: tuple[tuple[Any, ...], ...]
    n: int
    pool: int | None = None


class Prediction(ABC):
    """Base of the kinds: frozen dataclasses whose fields are their columns."""

    kind: ClassVar[str]
    FILES: ClassVar[tuple[str, ...]] = (FILE,)
    """What :meth:`write` writes and :meth:`read` reads."""
    COLUMNS: ClassVar[Mapping[str, Column]]

    @abstractmethod
    def slices(self) -> Iterator[Slice]:
        """What metrics take, all test items first."""

    @abstractmethod
    def items(self, score: Callable[..., NDArray[np.float64]]) -> NDArray[np.float64]:
        """One score a test item, whose mean is the metric that ``score`` belongs to."""

    @property
    def rows(self) -> int:
        """Number of predicted items."""
        return len(self.arrays()[next(name for name, column in self.COLUMNS.items() if column.rows)])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every column that is there, in its type on disk."""
        return {
            name: np.asarray(getattr(self, name), dtype=column.stored)
            for name, column in self.COLUMNS.items()
            if getattr(self, name) is not None
        }

    def pack(self) -> dict[str, NDArray[Any]]:
        """The columns that are kept, in their small types."""
        found = self.arrays()
        return {
            name: found[name].astype(column.packed)
            for name, column in self.COLUMNS.items()
            if column.packed and name in found
        }

    @classmethod
    def unpack(cls, arrays: Arrays, origin: str) -> Self:
        """From a full or packed form; ``origin`` is named in errors.

        Raises:
            RecordError: a column is missing, unknown, of another type, or does not fit the others.
        """
        return cls(**cls.checked(arrays, origin))

    @classmethod
    def checked(cls, arrays: Arrays, origin: str) -> dict[str, NDArray[Any]]:
        """The columns in their types on disk; raises as :meth:`unpack`."""
        problem = next(_problems(cls.COLUMNS, arrays), None)
        if problem:
            raise cls.refusal(origin, problem)
        return {name: array.astype(cls.COLUMNS[name].stored) for name, array in arrays.items()}

    @classmethod
    def refusal(cls, origin: str, problem: object) -> RecordError:
        """The error of what is no prediction of this kind."""
        return RecordError(f"{origin} holds no readable prediction of kind {cls.kind!r}: {problem}.")

    def write(self, folder: Path) -> tuple[str, ...]:
        """Write the full form into a cell's folder; returns the names of its files."""
        (folder / FILE).write_bytes(npz_bytes(self.arrays()))
        return (FILE,)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the full form from a cell's folder.

        Raises:
            RecordError: a file is missing or damaged, or holds another kind.
        """
        return cls.unpack(read_npz(folder / FILE), str(folder / FILE))


def _problems(columns: Mapping[str, Column], arrays: Arrays) -> Iterator[str]:
    """What is wrong with the arrays of a prediction."""
    needed = {name for name, column in columns.items() if not column.optional}
    if not needed <= set(arrays) <= set(columns):
        names = ", ".join(sorted(arrays)) or "none"
        yield f"its arrays are {names}; expected {', '.join(sorted(needed))}, allowed {', '.join(sorted(columns))}"
        return
    for name, array in arrays.items():
        column = columns[name]
        if array.dtype.kind not in ("iu" if column.stored[1] in "iu" else column.stored.lstrip("<|")[0]):
            yield f"{name} is {array.dtype}, expected {column.stored}"
        elif array.dtype.kind in "iu" and array.size:
            low, high, most = int(array.min()), int(array.max()), int(np.iinfo(column.packed or column.stored).max)
            if low < 0 or high > most:
                yield f"{name} holds {low if low < 0 else high}, expected 0 to {most}"
        if array.ndim != 1 + column.width or 0 in array.shape[1:]:
            yield f"{name} has the shape {list(array.shape)}, expected {1 + column.width} dimensions"
    lengths = {name: len(array) for name, array in arrays.items() if columns[name].rows and array.ndim}
    if len(set(lengths.values())) > 1:
        yield f"its arrays do not fit together ({', '.join(f'{name} {n}' for name, n in sorted(lengths.items()))})"
