"""Digests of a data set: one for each part, so that a result depends on the parts that its family reads and no other.

A digest is the sha256 of content, not of files: the same on every machine, whatever wrote the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from torch import Tensor

from magbench.data.mag import MAG, row_blocks
from magbench.errors import UnknownNameError

PARTS = ("graph", "features", "labels", "splits", "captions", "texts", "references", "pictures")
"""``features`` of nodes and who has them, ``splits`` that authors publish, ``captions`` as features, raw content."""


def part_digests(mag: MAG, parts: Iterable[str] = PARTS) -> dict[str, str]:
    """Part → sha256 (hex), for those that the data set has.

    Raises:
        UnknownNameError: there is no such part.
    """
    found = {}
    for part in parts:
        if part not in PARTS:
            raise UnknownNameError("part of a data set", part, PARTS)
        digest, empty = hashlib.sha256(), True
        for piece in _pieces(mag, part):
            digest.update(piece)
            empty = False
        if not empty:
            found[part] = digest.hexdigest()
    return found


def _pieces(mag: MAG, part: str) -> Iterator[bytes]:
    if part == "texts":
        yield from _content(None if text is None else text.encode() for text in mag.texts or ())
    elif part == "references":
        for own in mag.references or ():
            yield f"{len(own or ())} texts\n".encode()
            yield from _content(text.encode() for text in own or ())
    elif part == "pictures":
        images = mag.images
        yield from _content(() if images is None else (images.bytes(node) for node in range(len(images))))
    else:
        for name, (values, dtype) in _arrays(mag, part).items():
            yield f"{name} {dtype} {tuple(values.shape)}\n".encode()
            for block in row_blocks(values.detach()):
                yield np.ascontiguousarray(block.cpu().numpy().astype(dtype)).tobytes()


def _arrays(mag: MAG, part: str) -> Mapping[str, tuple[Tensor, str]]:
    """The arrays of a part by name, each with its type."""
    captions = mag.captions
    if part == "graph":
        return {"edge_index": (mag.edge_index, "<i8")}
    if part == "features":
        return {
            name: (mag[name], dtype)
            for modality in mag.modalities
            for name, dtype in ((f"x_{modality}", "<f4"), (f"has_{modality}", "|u1"))
        }
    if part == "labels":
        return {column: (mag[column], "<i8") for column in sorted(mag.classes)}
    if part == "splits":
        return {name: (mag.official[name], "<i8") for name in sorted(mag.official)}
    return {} if captions is None else {"x": (captions.x, "<f4"), "node": (captions.node, "<i8")}


def _content(items: Iterable[bytes | None]) -> Iterator[bytes]:
    """Each item after its length; -1 where there is none."""
    for item in items:
        yield f"{-1 if item is None else len(item)}\n".encode()
        yield item or b""
