"""The CSV tables of MAGB and MMAG: one row a node, in the order of the nodes; which column holds what differs.

A column is found by alternatives that the data set's specification gives, never by guessing.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from magbench.data.formats.published import Ints, clean
from magbench.errors import DataError
from magbench.specs import Columns

ITEM = re.compile(r"[^\s,'\"\[\]]+")


class Table:
    """A CSV file, every cell a string.

    Raises:
        DataError: the file cannot be read as CSV in UTF-8.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False)
        except (OSError, ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise DataError(f"{path} cannot be read as a CSV table: {error}. Fetch the file again.") from error
        if not isinstance(self.frame.index, pd.RangeIndex):  # pandas took the first column for an index
            raise DataError(
                f"{path}: found rows with more fields than the {len(self.frame.columns)} names of the columns, e.g. an "
                "unquoted comma, expected as many. Fetch the file again."
            )

    def __len__(self) -> int:
        return len(self.frame)

    def has(self, *names: str) -> bool:
        return all(name in self.frame.columns for name in names)

    def column(self, name: str) -> list[str]:
        return [str(value) for value in self.frame[name]]

    def texts(self, columns: Columns) -> list[str | None]:
        """The text of each row from the first alternative whose columns are all there, joined by a space.

        Raises:
            DataError: no alternative fits; names those tried and the columns found.
        """
        for names in columns.text:
            if self.has(*names):
                rows = zip(*(self.column(name) for name in names), strict=True)
                return [clean(" ".join(part for part in map(str.strip, row) if part)) for row in rows]
        tried = " or ".join(" + ".join(names) for names in columns.text)
        raise DataError(
            f"{self.path}: found the columns {list(self.frame.columns)}, expected {tried} for the text. "
            "Name the right columns in the data set's TOML file."
        )

    def captions(self, columns: Columns) -> list[list[str] | None] | None:
        """All captions of each row, or None when the data set has none.

        Raises:
            DataError: a caption column is missing.
        """
        if not columns.captions:
            return None
        if not self.has(*columns.captions):
            raise DataError(
                f"{self.path}: found the columns {list(self.frame.columns)}, expected the captions {columns.captions}."
            )
        rows = zip(*(self.column(name) for name in columns.captions), strict=True)
        kept = ([caption.strip() for caption in row if caption.strip()] for row in rows)
        return [captions or None for captions in kept]

    def labels(self, name: str = "label") -> Ints | None:
        """The class numbers, or None when the table has no such column. Raises DataError for what is no number."""
        if not self.has(name):
            return None
        try:
            numbers = np.array([float(value) for value in self.column(name)])
        except ValueError as error:
            raise DataError(f"{self.path}: column {name!r} holds what is no class number: {error}.") from error
        odd = np.flatnonzero(~(np.abs(numbers) < 2**53) | (numbers != np.round(numbers)))
        if len(odd):
            raise DataError(f"{self.path}: column {name!r} holds {numbers[odd[0]]:g}, which is no class number.")
        return numbers.astype(np.int64)

    def class_names(self, labels: Ints, name: str | None) -> tuple[str, ...]:
        """For each class the one name that all its rows carry in column `name`; nothing where that does not hold.

        Rows without a class (-1) do not count; nor do class numbers that are no classes, above the number of rows.
        """
        if name is None or not self.has(name) or not len(labels) or labels.max() >= len(labels):
            return ()
        names: dict[int, str] = {}
        for label, value in zip(labels.tolist(), self.column(name), strict=True):
            if label >= 0 and names.setdefault(label, value.strip()) != value.strip():
                return ()
        return tuple(names.get(label) or str(label) for label in range(int(labels.max()) + 1))

    def row_of(self) -> dict[str, int]:
        """The row of each id; without a column ``id`` ids are row numbers. Raises DataError for an id that recurs."""
        ids = self._ids()
        rows = {value: row for row, value in enumerate(ids)}
        if len(rows) < len(ids):
            repeated = next(value for row, value in enumerate(ids) if rows[value] != row)
            raise DataError(f"{self.path}: found the id {repeated!r} more than once, expected one row a node.")
        return rows

    def _ids(self) -> list[str]:
        return [value.strip() for value in self.column("id")] if self.has("id") else list(map(str, range(len(self))))

    def links(self, columns: Columns) -> Ints | None:
        """The graph that the link columns describe: row → each listed id that is in the table, every pair once.

        MAGB makes its product graphs from ``also_buy`` and ``also_view``, its Reddit graphs from ``also_posted`` (all
        posts of the same author, this one included). None when the table has no such columns.

        Returns:
            int64 [2, E'], sorted by (source, target).
        """
        if not columns.links or not self.has(*columns.links):
            return None
        rows = {value: row for row, value in enumerate(self._ids())}
        pairs = {
            (source, rows[item])
            for name in columns.links
            for source, cell in enumerate(self.column(name))
            for item in ITEM.findall(cell)
            if item in rows
        }
        return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T
