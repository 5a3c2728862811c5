"""Networks of retrieval: they embed the rows of both sides, so that scores are inner products.

A network is called with both sides and the messages between them:

    embedded = network(sides, cross)    # modality → Side; modality → int64 [2, E]

and gives :class:`Embedded`. The one training loop does the rest: symmetric InfoNCE on the training pairs, regularisers
on the states ``z`` of the training pairs, selection on validation.

To plug one in, derive from :class:`RetrievalNetwork` (whose ``towers`` is ``"coupled"``) or, where a side is embedded
without the other, from :class:`PureNetwork`; derive its options from :class:`RetrievalNetworkOptions`; and name the
class in a ``method.toml`` with ``kind = "network"`` and ``families = ["retrieval"]``. Encoders need nothing of this:
:class:`Towers` makes a pure network of any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from magbench.nn.encoder import Encoder
from magbench.options import Options, parse_options
from magbench.specs import Training
from magbench.tasks.retrieval.view import RetrievalView, Side
from magbench.train.network import checked
from magbench.train.objective import Objective

Sides = Mapping[str, Side]
Cross = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Embedded:
    """What a network of retrieval gives.

    Attributes:
        z: modality → float [M, .], the states that regularisers see.
        embeddings: modality → float [M, d], rows of length 1.
        penalty: added to the loss of a training step; None: nothing.
    """

    z: dict[str, Tensor]
    embeddings: dict[str, Tensor]
    penalty: Tensor | None = None


class RetrievalNetworkOptions(Options):
    """Options every network of retrieval has. Those named ``hidden``, ``layers``, ``dropout`` or ``lr`` are given the
    protocol's constants."""

    lr: float = Field(3e-3, gt=0)
    """Learning rate of AdamW."""


class RetrievalNetwork(nn.Module, ABC):
    """Base of the networks of retrieval.

    Args:
        in_dims: modality → feature width d_m, the two sides in the view's order.
        options: values for the fields of ``Options``.

    Raises:
        OptionError: an option is unknown or out of range.
    """

    Options: ClassVar[type[RetrievalNetworkOptions]] = RetrievalNetworkOptions
    towers: ClassVar[Literal["pure", "coupled"]] = "coupled"
    fitted_before: int = 0
    """Number of parameters that :meth:`prepare` fitted and training leaves alone."""

    def __init__(self, in_dims: Mapping[str, int], **options: Any) -> None:
        super().__init__()
        self.in_dims = dict(in_dims)
        self.options: Any = parse_options(self.Options, options, type(self).__name__.lower())

    @abstractmethod
    def forward(self, sides: Sides, cross: Cross) -> Embedded:
        """Embed all rows of both sides.

        On a CPU the tensors are the view's own in every call, so what is computed from a graph can be kept for as long
        as its ``edge_index`` is the same object.
        """

    def prepare(  # nothing, by default
        self, view: RetrievalView, training: Training, seed: int, objective: Objective[RetrievalView]
    ) -> None:
        """Called once on the CPU before training, with the global generator seeded: fit what is not trained on.

        ``objective`` is what is trained for afterwards; its ``options`` have the temperature. Say in ``fitted_before``
        how many parameters were fitted.
        """

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters for the optimiser; a group may have an ``lr`` and a ``weight_decay`` of its own."""
        return [{"params": list(self.parameters())}]

    def telemetry(self) -> dict[str, float]:
        """Numbers of the trained network that are worth keeping."""
        return {}


class PureNetwork(RetrievalNetwork):
    """Base of the networks that embed one side at a time: neither the other side nor ``cross`` is handed on."""

    towers = "pure"

    @abstractmethod
    def embed(self, modality: str, side: Side) -> tuple[Tensor, Tensor]:
        """States float [M, .] and embeddings float [M, d], of any length, of one side's rows."""

    def forward(self, sides: Sides, cross: Cross) -> Embedded:
        parts = {name: self.embed(name, side) for name, side in sides.items()}
        return Embedded(
            z={name: z for name, (z, _) in parts.items()},
            embeddings={name: functional.normalize(rows, dim=1) for name, (_, rows) in parts.items()},
        )


class Towers(PureNetwork):
    """An encoder for each side, which sees that side's features and graph alone, and a linear head on its states.

    Args:
        encoder_class: made once a side, for that side's modality.
        in_dims: modality → feature width d_m.
        encoder_options: the options of both.
    """

    def __init__(self, encoder_class: type[Encoder], in_dims: Mapping[str, int], encoder_options: Options) -> None:
        super().__init__(in_dims)
        self.encoders, self.heads = nn.ModuleDict(), nn.ModuleDict()
        for name, width in in_dims.items():
            encoder = encoder_class({name: width}, **encoder_options.model_dump())
            self.encoders[name] = encoder
            self.heads[name] = nn.Linear(encoder.hidden, encoder.hidden)

    def embed(self, modality: str, side: Side) -> tuple[Tensor, Tensor]:
        encoder = cast(Encoder, self.encoders[modality])
        encoded = checked(encoder, {modality: side.x}, side.edge_index, {modality: side.observed})
        return encoded.z[modality], self.heads[modality](encoded.h)
