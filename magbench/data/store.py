"""The on-disk form of a MAG: a folder of plain files that is whole or absent, read without pickle and checked by hash.

::

    meta.json                    counts, class names, feature sets, licence, source; size and sha256 of every file below
    edge_index.npy               int64 [2, E]
    <label>.npy                  int64 [N] for each label column
    has_<m>.npy                  bool [N] for each modality m
    features/<set>/x_<m>.npy     float16 or float32 [N, d_m]; memory-mapped when float32, always handed out as float32
    features/<set>/has_<m>.npy   bool [N], where this feature set lacks rows that others have
    features/<set>/x_captions.npy, caption_node.npy
                                 float16 or float32 [C, d], int64 [C]: several captions a node, where the set has them
    images_has.npy               bool [N]: which nodes of a published data set have a picture, once these were added
    official/<name>.npy          int64; a published split (``train``, ``val``, ``test``), edges or negatives
    texts.parquet                ``text`` and, where there are captions, ``references``
    images.parquet               ``image``: encoded pictures

Feature files of a published data set hold the rows as published; where a node lacks the modality they read as zero.
Writing goes through :mod:`magbench.data.builder`. Reading checks sizes; :func:`verify_store` checks hashes.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

import magbench
from magbench.data.builder import StoreBuilder
from magbench.data.columns import ImageColumn, read_parquet_column
from magbench.data.mag import MAG, Captions
from magbench.data.meta import PICTURE_MASK, FileEntry, GraphCounts, Meta, check_sizes, read_meta
from magbench.errors import DataError, OutputError, UnknownNameError


def write_store(
    mag: MAG,
    folder: Path,
    *,
    licence: str,
    source: str,
    image_bytes: list[bytes | None] | None = None,
    feature_dtype: str = "float32",
    documents: Mapping[str, str] | None = None,
) -> None:
    """Write `mag` as the new folder `folder`, wholly or not at all.

    Args:
        mag: a valid MAG.
        folder: must not exist; its parents are made.
        licence: SPDX expression of the content.
        source: where the content comes from, one line.
        image_bytes: encoded pictures; default: those of ``mag.images``.
        feature_dtype: ``"float32"`` or ``"float16"`` (half the size, rounds).
        documents: further text files (licence texts, a data card), name → text; they carry no data and no hash.

    Raises:
        DataError: `mag` breaks the contract.
        OutputError: the folder exists or cannot be written.
    """
    mag.validate()
    if folder.exists():
        raise OutputError(f"{folder} exists already. Remove it, or name another folder.")
    with StoreBuilder(folder) as builder:
        for name, content in _payload(mag, image_bytes, feature_dtype):
            builder.write(name, [content])
        for name, text in (documents or {}).items():
            builder.write_document(name, text)
        builder.publish(_describe(mag, licence, source, builder.files))


def read_store(folder: Path, *, features: str | None = None, mmap: bool = True) -> MAG:
    """Read the MAG in `folder`; sizes and the MAG contract are checked, hashes are not (:func:`verify_store`).

    Args:
        folder: a folder that :func:`write_store` made.
        features: the feature set's name; default: the first.
        mmap: map float32 features instead of reading them (copy on write).

    Raises:
        DataError: a file is missing, truncated, damaged or breaks the contract.
        UnknownNameError: the data set has no such feature set.
    """
    meta = read_meta(folder)
    chosen = features if features is not None else next(iter(meta.features))
    if chosen not in meta.features:
        raise UnknownNameError("feature set", chosen, meta.features, f"Data set: {meta.full_name}.")
    check_sizes(folder, meta)
    has = {m: _read_has(folder, meta, chosen, m) for m in meta.modalities}
    mag = MAG.build(
        name=meta.name,
        version=meta.version,
        edge_index=_read_array(folder, "edge_index.npy"),
        x={m: _read_features(folder, meta, chosen, m, has[m], mmap) for m in meta.modalities},
        has=has,
        labels={column: _read_array(folder, f"{column}.npy") for column in meta.labels},
        classes=meta.labels,
        texts=_read_texts(folder, meta, "text"),
        references=_read_texts(folder, meta, "references"),
        images=_read_images(folder, meta),
        features=chosen,
        official=_read_official(folder, meta),
        captions=_read_captions(folder, meta, chosen, mmap),
    )
    mag.validate()
    return mag


def verify_store(folder: Path) -> None:
    """Compare the sha256 of every file with meta.json. Raises DataError naming the file, expected and found."""
    meta = read_meta(folder)
    check_sizes(folder, meta)
    for name, expected in meta.files.items():
        found = file_sha256(folder / name)
        if found != expected.sha256:
            raise DataError(
                f"{folder / name}: found sha256 {found}, expected {expected.sha256}. "
                f"The file was changed or damaged; fetch or build {meta.full_name} again."
            )


def file_sha256(path: Path) -> str:
    """sha256 (hex) of a file's bytes. Raises DataError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def _describe(mag: MAG, licence: str, source: str, files: dict[str, FileEntry]) -> Meta:
    return Meta(
        name=mag.name,
        version=mag.version,
        builder=f"magbench {magbench.__version__}",
        licence=licence,
        source=source,
        counts=GraphCounts(**mag.counts()._asdict()),
        modalities=list(mag.modalities),
        features={mag.features: {m: int(values.shape[1]) for m, values in mag.x_dict.items()}},
        labels={column: list(names) for column, names in mag.classes.items()},
        files=files,
    )


def _payload(mag: MAG, image_bytes: list[bytes | None] | None, feature_dtype: str) -> Iterator[tuple[str, bytes]]:
    """The name and bytes of every data file, one at a time so that only one is held in memory."""
    dtype = np.dtype(feature_dtype).newbyteorder("<").str
    yield "edge_index.npy", array_bytes(mag.edge_index.numpy(), "<i8")
    for column in mag.classes:
        yield f"{column}.npy", array_bytes(mag[column].numpy(), "<i8")
    for modality in mag.modalities:
        yield f"has_{modality}.npy", array_bytes(mag[f"has_{modality}"].numpy(), "|b1")
        yield f"features/{mag.features}/x_{modality}.npy", array_bytes(mag[f"x_{modality}"].numpy(), dtype)
    if mag.captions is not None:
        yield f"features/{mag.features}/x_captions.npy", array_bytes(mag.captions.x.numpy(), dtype)
        yield f"features/{mag.features}/caption_node.npy", array_bytes(mag.captions.node.numpy(), "<i8")
    for name, values in mag.official.items():
        yield f"official/{name}.npy", array_bytes(values.numpy(), "<i8")
    if mag.texts is not None:
        columns: dict[str, pa.Array] = {"text": pa.array(list(mag.texts), pa.string())}
        if mag.references is not None:
            columns["references"] = pa.array(list(mag.references), pa.list_(pa.string()))
        yield "texts.parquet", _table_bytes(columns, "zstd")
    if image_bytes is None and mag.images is not None:
        image_bytes = [mag.images.bytes(i) for i in range(len(mag.images))]
    if image_bytes is not None:
        # The pictures are compressed already.
        yield "images.parquet", _table_bytes({"image": pa.array(image_bytes, pa.binary())}, "none")


def array_bytes(values: np.ndarray[Any, Any], dtype: str) -> bytes:
    """`values` cast to `dtype`, as the bytes of an ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, values.astype(dtype), allow_pickle=False)
    return buffer.getvalue()


def _table_bytes(columns: dict[str, pa.Array], compression: str) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression=compression, use_dictionary=False, write_statistics=False)
    return buffer.getvalue()


def _read_array(folder: Path, name: str, *, mmap: bool = False) -> Tensor:
    path = folder / name
    try:
        # Mode "c" gives writable memory without touching the file, as torch wants it.
        values = np.load(path, mmap_mode="c" if mmap else None, allow_pickle=False)
        return torch.from_numpy(values)
    except (
        Exception
    ) as error:  # numpy's header parser lets tokenizer, syntax and memory errors of a damaged file through
        raise DataError(f"{path} is no readable array ({error}). Fetch or build the data set again.") from error


def _read_has(folder: Path, meta: Meta, features: str, modality: str) -> Tensor:
    has = _read_array(folder, f"has_{modality}.npy")
    for name in (f"features/{features}/has_{modality}.npy", *([PICTURE_MASK] if modality == "image" else [])):
        if name not in meta.files:
            continue
        here = _read_array(folder, name)
        if (here.dtype, here.shape) != (torch.bool, has.shape):
            raise DataError(
                f"{folder / name}: found {here.dtype} {list(here.shape)}, expected torch.bool {list(has.shape)}. "
                "Fetch or build the data set again."
            )
        has = has & here
    return has


def _read_features(folder: Path, meta: Meta, features: str, modality: str, has: Tensor, mmap: bool) -> Tensor:
    values = _read_array(folder, f"features/{features}/x_{modality}.npy", mmap=mmap).float()
    if meta.published and len(has) == len(values):  # the rows are as published
        values[~has] = 0
    return values


def _read_captions(folder: Path, meta: Meta, features: str, mmap: bool) -> Captions | None:
    names = [f"features/{features}/{name}.npy" for name in ("x_captions", "caption_node")]
    if not set(names) <= set(meta.files):
        return None
    return Captions(_read_array(folder, names[0], mmap=mmap).float(), _read_array(folder, names[1]))


def _read_official(folder: Path, meta: Meta) -> dict[str, Tensor]:
    names = [name for name in meta.files if name.startswith("official/")]
    return {Path(name).stem: _read_array(folder, name, mmap=True) for name in names}


def _read_texts(folder: Path, meta: Meta, column: str) -> list[Any] | None:
    path = folder / "texts.parquet"
    if "texts.parquet" not in meta.files:
        return None
    if column == "references" and column not in _column_names(path):
        return None
    return read_parquet_column(path, column)


def _column_names(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is no readable table ({error}). Fetch or build the data set again.") from error


def _read_images(folder: Path, meta: Meta) -> ImageColumn | None:
    if "images.parquet" not in meta.files:
        return None
    return ImageColumn.from_parquet(folder / "images.parquet", meta.counts.nodes)
