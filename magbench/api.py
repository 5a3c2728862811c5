"""The stable names for method authors; everything else may move between minor versions.

Names are imported on first use, so ``import magbench.api`` is cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from magbench.registry import register

if TYPE_CHECKING:
    from magbench.data.mag import MAG as MAG
    from magbench.nn.encoder import Encoded as Encoded
    from magbench.nn.encoder import Encoder as Encoder
    from magbench.nn.encoder import EncoderOptions as EncoderOptions
    from magbench.options import Options as Options
    from magbench.regularizers.base import Context as Context
    from magbench.regularizers.base import Regularizer as Regularizer
    from magbench.tasks.link_prediction.view import LinkAnswer as LinkAnswer
    from magbench.tasks.link_prediction.view import LinkPredictionView as LinkPredictionView
    from magbench.tasks.node_classification.view import NodeAnswer as NodeAnswer
    from magbench.tasks.node_classification.view import NodeClassificationView as NodeClassificationView
    from magbench.tasks.retrieval.view import RetrievalAnswer as RetrievalAnswer
    from magbench.tasks.retrieval.view import RetrievalView as RetrievalView
    from magbench.tasks.retrieval.view import Side as Side
    from magbench.train.heuristic import LinkHeuristic as LinkHeuristic
    from magbench.train.heuristic import adjacency as adjacency
    from magbench.train.method import Method as Method
    from magbench.train.pure import PureMethod as PureMethod
    from magbench.train.towers import Embedded as Embedded
    from magbench.train.towers import PureNetwork as PureNetwork
    from magbench.train.towers import RetrievalNetwork as RetrievalNetwork
    from magbench.train.towers import RetrievalNetworkOptions as RetrievalNetworkOptions

_HOMES = {
    "MAG": "magbench.data.mag",
    "Encoded": "magbench.nn.encoder",
    "Encoder": "magbench.nn.encoder",
    "EncoderOptions": "magbench.nn.encoder",
    "Options": "magbench.options",
    "Context": "magbench.regularizers.base",
    "Regularizer": "magbench.regularizers.base",
    "LinkHeuristic": "magbench.train.heuristic",
    "LinkAnswer": "magbench.tasks.link_prediction.view",
    "LinkPredictionView": "magbench.tasks.link_prediction.view",
    "NodeClassificationView": "magbench.tasks.node_classification.view",
    "NodeAnswer": "magbench.tasks.node_classification.view",
    "RetrievalAnswer": "magbench.tasks.retrieval.view",
    "RetrievalView": "magbench.tasks.retrieval.view",
    "Side": "magbench.tasks.retrieval.view",
    "Method": "magbench.train.method",
    "PureMethod": "magbench.train.pure",
    "Embedded": "magbench.train.towers",
    "PureNetwork": "magbench.train.towers",
    "RetrievalNetwork": "magbench.train.towers",
    "RetrievalNetworkOptions": "magbench.train.towers",
    "adjacency": "magbench.train.heuristic",
}

register_encoder: Callable[..., Any] = partial(register, "encoder")
register_network: Callable[..., Any] = partial(register, "network")
register_method: Callable[..., Any] = partial(register, "method")
register_regularizer: Callable[..., Any] = partial(register, "regularizer")

__all__ = [*sorted(_HOMES), "register_encoder", "register_network", "register_method", "register_regularizer"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'magbench.api' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
