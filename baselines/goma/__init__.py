"""GOMA (arXiv 2605.15723, a re-implementation) as a network of retrieval: a map, then :mod:`magbench.nn.goma`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from magbench.api import Embedded, PureNetwork, RetrievalNetwork, RetrievalNetworkOptions, RetrievalView, Side
from magbench.errors import MethodError
from magbench.nn.contrastive import info_nce
from magbench.nn.goma import GOMA, CoupledGraph
from magbench.nn.goma.diagnostics import return_walks, steps
from magbench.nn.goma.maps import LinearMap
from magbench.nn.goma.module import Run
from magbench.nn.goma.smoothing import Trajectory, limit_steps
from magbench.nn.memo import Memo
from magbench.specs import Training
from magbench.train.device import device_of
from magbench.train.loop import train
from magbench.train.retrieval import MOST_PAIRS, RetrievalObjective, on_device, pair_mrr

_ECHO_PAIRS = 256


class GOMAOptions(RetrievalNetworkOptions):
    """What :class:`magbench.nn.goma.GOMA` does, and what is smoothed."""

    hidden: int = Field(256, ge=1)
    """Width of the common space."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Of the features, where the map is trained."""
    map: Literal["frozen", "trained", "none"] = "frozen"
    """``frozen``: fitted by InfoNCE first, then left alone; ``trained``: together with the rest; ``none``: features."""
    auxiliary: float = Field(0.0, ge=0)
    """Weight of an InfoNCE on what is smoothed, beside that on the embeddings, where the map is trained."""
    steps: int = Field(6, ge=0)
    alpha: float = Field(0.2, gt=0, le=1)
    coupled: bool = True
    coupling: float = Field(0.5, ge=0.01, le=0.99)
    operator: Literal["uniform", "cosine", "learned"] = "uniform"
    norm: Literal["row", "sym"] = "row"
    theta: float = Field(0.2, gt=0)
    rank: int = Field(64, ge=1)
    init: float = Field(0.1, gt=0)
    degree_bias: bool = False
    readout: Literal["node", "global", "uniform", "limit", "fixed"] = "node"
    step: int = Field(1, ge=0)
    """The step that ``readout = "fixed"`` takes."""
    first_step: float = 2.0
    """Where the logit of step 1 starts, in the readouts that learn."""
    global_lr: float = Field(0.05, gt=0)
    """Learning rate of the readout ``global``, whose weights do not decay."""
    entropy: float = Field(0.0, ge=0)
    """Weight of a penalty on the readout's entropy (in [0, 1]); the source suggests about 1e-3."""
    shortcuts: bool = False
    """Whether the two halves of a *training* pair send to each other: for studies, to see what it spoils."""


class _MapAlone(PureNetwork):
    """The map as a network without a graph, to be fitted by the one loop."""

    def __init__(self, in_dims: Mapping[str, int], linear_map: LinearMap) -> None:
        super().__init__(in_dims)
        self.linear_map, self.names = linear_map, list(in_dims)

    def embed(self, modality: str, side: Side) -> tuple[Tensor, Tensor]:
        z = self.linear_map(self.names.index(modality), side.x, side.observed)
        return z, z


class GOMANetwork(RetrievalNetwork):
    """Features → map → unit vectors E → coupled smoothing → readout."""

    Options = GOMAOptions
    towers = "coupled"

    def __init__(self, in_dims: Mapping[str, int], **options: Any) -> None:
        super().__init__(in_dims, **options)
        own, widths = self.options, list(in_dims.values())
        self.map: LinearMap | None = None
        if own.map != "none":
            self.map = LinearMap(widths, own.hidden, dropout=own.dropout)
        elif widths[0] != widths[1]:
            raise MethodError(
                f"goma[map=none]: the features have the widths {widths[0]} and {widths[1]}; smoothing mixes them, so"
                " choose map=frozen or map=trained."
            )
        same = ("steps", "alpha", "operator", "norm", "coupling", "theta", "rank", "init", "degree_bias", "first_step")
        readout = f"fixed:{own.step}" if own.readout == "fixed" else own.readout
        settings = {name: getattr(own, name) for name in same}
        settings["steps"] = max(own.steps, own.step) if own.readout == "fixed" else own.steps
        self.goma = GOMA(own.hidden if self.map else widths[0], readout=readout, **settings)
        self._told: dict[str, float] = {}
        self._built: Memo[CoupledGraph] = Memo()
        self._mapped: Memo[tuple[Tensor, Tensor]] = Memo()
        self._smoothed: Memo[Run] = Memo()

    def prepare(self, view: RetrievalView, training: Training, seed: int, objective: RetrievalObjective) -> None:
        """Fit the map without the graph, unless it is trained with the rest; remember the training pairs."""
        self._view, self._train, self._objective = view, view.train, objective
        self._generator = torch.Generator().manual_seed(seed)
        if self.options.map != "frozen" or self.map is None:
            return
        with torch.random.fork_rng():  # the same map, whatever else the options say
            torch.manual_seed(seed)
            self.map.reset()
            outcome = train(_MapAlone(self.in_dims, self.map), objective, view, training, (), seed)
        self._told["map.epoch"], self._told["map.val_mrr"] = float(outcome.epoch or 0), float(outcome.value or 0)
        self.fitted_before = outcome.params or 0
        self.map.requires_grad_(False)

    def forward(self, sides: Mapping[str, Side], cross: Mapping[str, Tensor]) -> Embedded:
        e = self._vectors(sides)
        out = self.goma.read(self._run(e, self._graph(sides, cross)))
        embeddings = dict(zip(sides, out.embeddings, strict=True))
        z = dict(zip(sides, e, strict=True)) if e[0].requires_grad else embeddings
        return Embedded(z, embeddings, self._penalty(e, out.entropy))

    def parameter_groups(self) -> list[dict[str, Any]]:
        groups = self.goma.parameter_groups(global_lr=self.options.global_lr)
        if self.options.map == "trained" and self.map is not None:
            groups.append({"params": list(self.map.parameters())})
        return groups

    @torch.no_grad()
    def telemetry(self) -> dict[str, float]:
        """The map's fit, the gate, what each step does, and the echo: how much of a training pair's other half comes
        back to it."""
        told = dict(self._told)
        self.eval()
        device = device_of(self)
        sides, cross = on_device(self._view.sides, self._view.cross, device)
        graph = self._graph(sides, cross)
        run = self._run(self._vectors(sides), graph)
        out = self.goma.read(run)
        told["gate.entropy"] = float(out.entropy)
        pairs = self._train[:, :_ECHO_PAIRS].to(device)
        if out.weights is None:
            depths = [(1.0, limit_steps(self.options.alpha, run.e.dtype))]
        else:
            depths = [(float(share), k) for k, share in enumerate(out.weights.mean(0))]
            told.update({f"gate.{k}": share for share, k in depths})
        every = list(return_walks(run.values, graph, self.options.alpha, depths[-1][1], pairs))
        walks = [(share, *every[k]) for share, k in depths if share]
        told["echo.own"] = sum(share * own for share, own, _ in walks)
        told["echo.other"] = sum(share * other for share, _, other in walks)
        return told | (self._by_step(run.states) if isinstance(run.states, Trajectory) else {})

    def _by_step(self, trajectory: Trajectory) -> dict[str, float]:
        """``step.<k>.<quantity>`` of H(k) alone, on the validation pairs and along the edges of each side."""
        names, val, told = list(self._view.sides), self._view.val, {}
        found = steps(trajectory, val.to(trajectory.e.device))
        for step, (_, state) in zip(found, trajectory.up(), strict=True):
            sides = trajectory.graph.sides(functional.normalize(state, dim=1))
            values = {"val_mrr": pair_mrr(dict(zip(names, sides, strict=True)), val)}
            values |= {"paired": step.paired, "unpaired": step.unpaired}
            for name, energy, rank in zip(names, step.dirichlet, step.effective_rank, strict=True):
                values |= {f"dirichlet.{name}": energy, f"effective_rank.{name}": rank}
            told.update({f"step.{step.k}.{quantity}": value for quantity, value in values.items()})
        return told

    def _vectors(self, sides: Mapping[str, Side]) -> tuple[Tensor, Tensor]:
        """What is smoothed; made once for as long as the features and a map that does not learn are the same."""
        first, second = sides.values()
        linear = self.map

        def mapped() -> tuple[Tensor, Tensor]:
            if linear is None:
                return first.x * first.observed[:, None], second.x * second.observed[:, None]
            return linear(0, first.x, first.observed), linear(1, second.x, second.observed)

        if self.options.map == "trained":
            return mapped()
        constants = [] if linear is None else list(linear.eval().parameters())
        return self._mapped([first.x, first.observed, second.x, second.observed, *constants], mapped)

    def _run(self, e: tuple[Tensor, Tensor], graph: CoupledGraph) -> Run:
        """The smoothing of ``e``; run once for as long as nothing in it learns and it is the same."""
        if self.options.map == "trained" or self.options.operator == "learned":
            return self.goma.run(e, graph)
        return self._smoothed([*e, graph.source], lambda: self.goma.run(e, graph))

    def _graph(self, sides: Mapping[str, Side], cross: Mapping[str, Tensor]) -> CoupledGraph:
        """Built once for as long as the edges are the same."""
        within, across = [side.edge_index for side in sides.values()], [cross[name] for name in sides]
        sizes, shortcuts = [len(side) for side in sides.values()], self.options.shortcuts
        return self._built(
            [*within, *across, *(side.observed for side in sides.values())],  # which tell the sizes
            lambda: CoupledGraph.of_sides(
                sizes,
                within,
                across if self.options.coupled else None,
                pairs=self._train if shortcuts else None,
                shortcuts=shortcuts,
            ).to(within[0].device),
        )

    def _penalty(self, e: tuple[Tensor, Tensor], entropy: Tensor) -> Tensor | None:
        """Of a training step: on the readout's entropy, and the map's own InfoNCE on a draw of the training pairs."""
        if not self.training:
            return None
        own, penalty = self.options, None
        if own.entropy and entropy.requires_grad:
            penalty = own.entropy * entropy
        if own.auxiliary and e[0].requires_grad:
            pairs = self._train
            if pairs.size(1) > MOST_PAIRS:
                pairs = pairs[:, torch.randperm(pairs.size(1), generator=self._generator)[:MOST_PAIRS]]
            pairs = pairs.to(e[0].device)
            first, second = (functional.normalize(rows[part], dim=1) for rows, part in zip(e, pairs, strict=True))
            auxiliary = own.auxiliary * info_nce(first, second, self._objective.options.temperature, pairs)
            penalty = auxiliary if penalty is None else penalty + auxiliary
        return penalty
