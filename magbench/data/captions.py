"""Features of all captions of a node, beside those of its one text: what ``text=captions`` of retrieval takes.

The published feature sets have a vector for one caption a node. Where that is of the encoder that magbench has
(:func:`magbench.data.encode.encode_texts`), the other captions are encoded here.
"""

from __future__ import annotations

import numpy as np
import torch

from magbench.data.builder import StoreBuilder
from magbench.data.encode import encode_texts
from magbench.data.mag import MAG
from magbench.data.meta import Conversion, read_meta
from magbench.data.place import dataset_folder, is_here
from magbench.data.published.fetch import ALREADY, silent, turn
from magbench.data.published.hub import Show
from magbench.data.store import array_bytes, read_store
from magbench.errors import DataError
from magbench.specs import DatasetSpec

TRIED, AGREEMENT = 64, 0.999
"""Texts that are encoded again, and the least cosine with the vectors that are there; processors differ by 1e-5."""


def add_captions(spec: DatasetSpec, *, features: str | None = None, show: Show = silent) -> Conversion:
    """Encode every caption of a stored data set and add the vectors to a feature set.

    The data set has another fingerprint afterwards.

    Args:
        spec: a data set with several captions a node.
        features: the feature set; default: the first of the store.
        show: told of progress.

    Raises:
        DataError: the data set has no captions or is not here, the set's texts come from another encoder, or the extra
            ``[encode]`` is not installed.
        UnknownNameError: the store has no such feature set.
        OutputError: the store cannot be written.
    """
    if spec.source != "store" or len(spec.columns.captions) < 2:
        raise DataError(f"Data set {spec.id} does not have several captions a node; there is nothing to encode.")
    if not is_here(spec):
        raise DataError(f"Data set {spec.id} is not here. Run `magbench data get` or `magbench data import` first.")
    with turn(spec.id, show):
        folder = dataset_folder(spec)
        mag, meta = read_store(folder, features=features), read_meta(folder)
        if mag.captions is not None:
            return Conversion(folder, meta, (ALREADY,))
        _check_encoder(mag, spec)
        captions = [(node, text) for node, texts in enumerate(mag.references or []) for text in texts or ()]
        show(f"encoding {len(captions):,} captions", 0, 0)
        x = encode_texts([text for _, text in captions]).numpy()
        nodes = np.array([node for node, _ in captions])
        with StoreBuilder(folder) as builder:
            builder.write(f"features/{mag.features}/x_captions.npy", [array_bytes(x, "<f4")])
            builder.write(f"features/{mag.features}/caption_node.npy", [array_bytes(nodes, "<i8")])
            meta = meta.model_copy(update={"files": {**meta.files, **builder.files}})
            builder.add(meta)
    return Conversion(folder, meta, (f"{len(captions):,} captions of {len(set(nodes)):,} nodes in {mag.features}.",))


def _check_encoder(mag: MAG, spec: DatasetSpec) -> None:
    """Refuse texts whose vectors are of another encoder: those of captions would lie in another space."""
    tried = [(node, text) for node, text in enumerate(mag.texts or []) if text is not None][:TRIED]
    there, found = mag.x_dict["text"][[node for node, _ in tried]], encode_texts([text for _, text in tried])
    name = f"Feature set {mag.features} of data set {spec.id}"
    if there.size(1) != found.size(1):
        raise DataError(f"{name}: its texts have {there.size(1)} dimensions, the encoder here gives {found.size(1)}.")
    agreement = torch.cosine_similarity(there, found)
    if agreement.min() < AGREEMENT:
        node, _ = tried[int(agreement.argmin())]
        raise DataError(
            f"{name}: the vector of node {node}'s text and that of the encoder here have a cosine of "
            f"{float(agreement.min()):.3f}, so it comes from another encoder; expected {AGREEMENT} or more."
        )
