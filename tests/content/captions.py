"""A toy family, all of it: write the text of held-out nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from magbench.data.mag import MAG
from magbench.errors import MethodError
from magbench.graph.splits import Split, random_keys
from magbench.predictions.texts import Texts
from magbench.tasks.base import Task
from magbench.tasks.shares import Shares
from magbench.tasks.views import TaskView, shared_fields


class CaptionSplit(Shares):
    """One draw of the nodes that have a text, for all seeds."""

    rule: Literal["captions"] = "captions"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class CaptionView(TaskView):
    """The texts of training nodes alone stand in ``texts``; a test node's text features are absent, too.

    Attributes:
        train, test: int64 node ids.
    """

    train: torch.Tensor
    test: torch.Tensor


@dataclass(frozen=True)
class CaptionAnswer:
    """One text for each of ``view.test``."""

    texts: Sequence[str]


class CaptionTask(Task[Split, CaptionView, CaptionAnswer]):
    """Text features and texts of test nodes are absent; pictures unless the variant shows the graph alone."""

    design = "fixed"

    def draw(self, mag: MAG, seed: int) -> Split:
        written = np.array([node for node, text in enumerate(mag.texts or ()) if text])
        order = written[np.argsort(random_keys(len(written), self.rule.seed), kind="stable")]
        held = round(self.rule.test * len(order))
        return Split(np.sort(order[held:]), order[:0], np.sort(order[:held]))

    def digest(self, drawn: Split) -> str:
        return drawn.digest()

    def views(self, mag: MAG, seed: int, drawn: Split, *, asked: bool = False) -> Iterator[CaptionView]:
        seen = self.varied(mag, seed, asked=asked, nodes=drawn.test)
        x, observed = dict(seen.x_dict), dict(seen.has_dict)
        hidden = ["text", *(["image"] if self.spec.variant.get("visible") == "graph" else [])]
        for name in hidden:
            x[name], observed[name] = x[name].clone(), observed[name].clone()
            x[name][drawn.test], observed[name][drawn.test] = 0, False
        texts = list(mag.texts or ())
        for node in drawn.test:
            texts[node] = None
        hidden_from = seen.replaced(texts=texts)
        fields = {**shared_fields(hidden_from, self.spec.versioned_id, seed), "x": x, "observed": observed}
        yield CaptionView(**fields, train=torch.from_numpy(drawn.train), test=torch.from_numpy(drawn.test))

    def check(self, answer: CaptionAnswer, view: CaptionView) -> None:
        if not isinstance(answer, CaptionAnswer) or len(answer.texts) != len(view.test):
            raise MethodError(f"predict(): expected a CaptionAnswer with {len(view.test)} texts.")

    def stored(self, answers: Sequence[CaptionAnswer], mag: MAG, seed: int, drawn: Split) -> Texts:
        (answer,) = answers
        return Texts(drawn.test, list(answer.texts), [[mag.texts[node]] for node in drawn.test])  # type: ignore[index]

    def hide(self, mag: MAG, seed: int, drawn: Split) -> MAG:
        """Other texts and noise for the text features of test nodes."""
        texts, x = list(mag.texts or ()), mag.x_dict["text"].clone()
        for node in drawn.test:
            texts[node] = f"hidden {node}"
        x[drawn.test] = x[drawn.test].flip(0)
        return mag.replaced(texts=texts, x_text=x)

    def same(self, first: CaptionAnswer, second: CaptionAnswer) -> bool:
        return list(first.texts) == list(second.texts)


class LeakyTask(CaptionTask):
    """Forgets to take the texts of test nodes out of the view: what the leak probe is for."""

    def views(self, mag: MAG, seed: int, drawn: Split, *, asked: bool = False) -> Iterator[CaptionView]:
        for view in super().views(mag, seed, drawn, asked=asked):
            view.texts[:] = list(mag.texts or ())  # type: ignore[index]
            yield view
