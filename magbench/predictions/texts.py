"""Texts: what a method wrote for each test node, beside the references that it is compared with.

Stored as ``predictions.jsonl``, one line a node; kept as UTF-8 bytes and the place where each text ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from magbench.predictions.arrays import Arrays
from magbench.predictions.base import Column, Prediction, Slice

FILE = "predictions.jsonl"
MOST_BYTES = 1 << 28
"""Of a file of texts."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    node: int = Field(ge=0, lt=1 << 31)
    text: str
    references: list[str] = Field(min_length=1)


@dataclass(frozen=True, eq=False)
class Texts(Prediction):
    """A text for each test node.

    Attributes:
        nodes: int64 [M], node ids.
        texts: M texts.
        references: for each node, the texts it is compared with, at least one.
    """

    kind: ClassVar = "texts"
    FILES: ClassVar = (FILE,)
    COLUMNS: ClassVar = {
        "nodes": Column("<i8", "<i4"),
        "text_ends": Column("<i8", "<i4"),
        "reference_counts": Column("<i8", "<i4"),
        "reference_ends": Column("<i8", "<i4", rows=False),
        "utf8": Column("|u1", "|u1", rows=False),
    }

    nodes: NDArray[np.int64]
    texts: Sequence[str]
    references: Sequence[Sequence[str]]

    def slices(self) -> Iterator[Slice]:
        yield Slice("test", ((self.references, self.texts),), len(self.nodes))

    def items(self, score: Callable[..., NDArray[Any]]) -> NDArray[np.float64]:
        return score(self.references, self.texts)

    def arrays(self) -> dict[str, NDArray[Any]]:
        texts = [text.encode() for text in self.texts]
        references = [text.encode() for own in self.references for text in own]
        return {
            "nodes": np.asarray(self.nodes, dtype="<i8"),
            "text_ends": np.array([*accumulate(map(len, texts))], dtype="<i8"),
            "reference_counts": np.array([len(own) for own in self.references], dtype="<i8"),
            "reference_ends": np.array([*accumulate(map(len, references))], dtype="<i8"),
            "utf8": np.frombuffer(b"".join([*texts, *references]), dtype="|u1"),
        }

    @classmethod
    def unpack(cls, arrays: Arrays, origin: str) -> Self:
        found = cls.checked(arrays, origin)
        counts, content = found["reference_counts"].tolist(), found["utf8"].tobytes()
        ends = [0, *found["text_ends"].tolist()]
        ends += [ends[-1] + end for end in found["reference_ends"].tolist()]
        if ends != sorted(ends) or ends[-1] != len(content):
            raise cls.refusal(origin, "its texts do not end where it says")
        if min(counts, default=1) < 1 or sum(counts) != len(found["reference_ends"]):
            raise cls.refusal(origin, "its references are not as many as it says")
        try:
            texts = [content[start:end].decode() for start, end in pairwise(ends)]
        except UnicodeDecodeError as error:
            raise cls.refusal(origin, error) from None
        own = iter(texts[len(counts) :])
        return cls(found["nodes"], texts[: len(counts)], [list(islice(own, count)) for count in counts])

    def write(self, folder: Path) -> tuple[str, ...]:
        rows = zip(self.nodes.tolist(), self.texts, self.references, strict=True)
        lines = (
            json.dumps({"node": node, "text": text, "references": list(own)}, ensure_ascii=False) + "\n"
            for node, text, own in rows
        )
        (folder / FILE).write_bytes("".join(lines).encode())
        return (FILE,)

    @classmethod
    def read(cls, folder: Path) -> Self:
        path = folder / FILE
        try:
            if (size := path.stat().st_size) > MOST_BYTES:
                raise cls.refusal(str(path), f"{size:,} bytes are more than {MOST_BYTES:,}")
            lines = [_Line.model_validate_json(line) for line in path.read_bytes().splitlines()]
        except OSError as error:
            raise cls.refusal(str(path), error) from None
        except ValidationError as error:
            raise cls.refusal(str(path), error.errors()[0]["msg"]) from None
        nodes = np.array([line.node for line in lines], dtype=np.int64)
        return cls(nodes, [line.text for line in lines], [line.references for line in lines])
