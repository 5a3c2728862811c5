"""The kinds of stored prediction, by the names that families and records use."""

from __future__ import annotations

from magbench.errors import UnknownNameError
from magbench.predictions.base import Prediction
from magbench.predictions.classes import Classes
from magbench.predictions.images import Images
from magbench.predictions.ranks import Ranks
from magbench.predictions.texts import Texts

KINDS: dict[str, type[Prediction]] = {kind.kind: kind for kind in (Classes, Ranks, Texts, Images)}


def kind_of(name: str) -> type[Prediction]:
    """The kind called ``name``.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in KINDS:
        raise UnknownNameError("kind of prediction", name, KINDS)
    return KINDS[name]
