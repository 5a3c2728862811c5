"""Images: what a method drew for each test node, as encoded pictures (PNG or WebP), decoded only when asked for.

A picture of a stranger is decoded only once its header says one of the two formats and a size that is allowed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from magbench.errors import RecordError
from magbench.predictions.arrays import Arrays
from magbench.predictions.base import Column, Prediction, Slice

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "WEBP")
LONGEST_SIDE = 2048


@dataclass(frozen=True, eq=False)
class Images(Prediction):
    """A picture for each test node.

    Attributes:
        nodes: int64 [M], node ids.
        pictures: M encoded pictures.
    """

    kind: ClassVar = "images"
    COLUMNS: ClassVar = {
        "nodes": Column("<i8", "<i4"),
        "ends": Column("<i8", "<i8"),
        "encoded": Column("|u1", "|u1", rows=False),
    }

    nodes: NDArray[np.int64]
    pictures: Sequence[bytes]

    def slices(self) -> Iterator[Slice]:
        yield Slice("test", ((self.nodes, self.pictures),), len(self.nodes))

    def items(self, score: Callable[..., NDArray[Any]]) -> NDArray[np.float64]:
        return score(self.nodes, self.pictures)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "nodes": np.asarray(self.nodes, dtype="<i8"),
            "ends": np.array([*accumulate(map(len, self.pictures))], dtype="<i8"),
            "encoded": np.frombuffer(b"".join(self.pictures), dtype="|u1"),
        }

    @classmethod
    def unpack(cls, arrays: Arrays, origin: str) -> Self:
        found = cls.checked(arrays, origin)
        ends, content = [0, *found["ends"].tolist()], found["encoded"].tobytes()
        if ends != sorted(ends) or ends[-1] != len(content):
            raise cls.refusal(origin, "its pictures do not end where it says")
        return cls(found["nodes"], [content[start:end] for start, end in pairwise(ends)])


def decode(picture: bytes, origin: str) -> Image.Image:
    """One picture as RGB.

    Raises:
        RecordError: it is damaged, neither PNG nor WebP, or larger than :data:`LONGEST_SIDE`; ``origin`` is named.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture), formats=FORMATS) as found:
            if max(found.size) > LONGEST_SIDE:
                raise RecordError(f"{origin}: a picture of {found.size} pixels, allowed {LONGEST_SIDE} a side.")
            return found.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RecordError(f"{origin}: no readable PNG or WebP picture: {error}.") from None
