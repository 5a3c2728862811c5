"""The sample of nodes: one seed, grouped verdicts, and pictures that are pictures."""

from __future__ import annotations

import base64

import pytest

from magbench.board.nodes import cards, data_uri
from magbench.board.sample import Sample, Sampled


def ran(method: str, seed: int, nodes: list[Sample]) -> Sampled:
    return Sampled(("node_classification/emoji@1", "", "quickstart@1"), method, seed, nodes)


def test_methods_are_grouped_by_what_they_predicted() -> None:
    def seen(predicted: str) -> list[Sample]:
        return [Sample(7, "an  otter\n" + "x" * 300, None, "animals", predicted)]

    cells = [ran(m, 0, seen(p)) for m, p in (("a", "food"), ("b", "animals"), ("c", "food"))]
    seed, (card,) = cards(cells, 24)
    assert seed == 0 and card.text.startswith("an otter xxx") and len(card.text) == 160 and card.text.endswith("…")
    assert [(v.predicted, v.right, [label.full for label in v.methods]) for v in card.verdicts] == [
        ("animals", True, ["b"]),
        ("food", False, ["a", "c"]),
    ]


def test_agreement_names_no_methods() -> None:
    cells = [ran(m, 0, [Sample(7, "otter", None, "animals", "food")]) for m in "ab"]
    (verdict,) = cards(cells, 24)[1][0].verdicts
    assert verdict.methods == () and not verdict.right


def test_methods_that_did_not_see_a_node_are_not_spoken_for() -> None:
    otter, apple = Sample(7, "otter", None, "animals", "animals"), Sample(8, "apple", None, "food", "food")
    first, second = cards([ran("a", 0, [otter, apple]), ran("b", 0, [otter])], 24)[1]
    assert first.verdicts[0].methods == () and [label.full for label in second.verdicts[0].methods] == ["a"]


def test_nodes_come_from_the_lowest_seed_and_are_limited() -> None:
    cells = [ran("a", seed, [Sample(100 * seed + i, "", None, "x", "x") for i in range(50)]) for seed in (3, 1)]
    seed, found = cards(cells, 24)
    assert seed == 1 and [card.node for card in found] == list(range(100, 124))


def test_no_samples() -> None:
    assert cards([ran("a", 0, [])], 24) == (None, ())


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
    ],
)
def test_pictures(image: bytes, kind: str) -> None:
    assert data_uri(image) == f"data:{kind};base64,{base64.b64encode(image).decode()}"


@pytest.mark.parametrize("image", [None, b"", b"<svg onload='alert(1)'/>", b"RIFF....WAVE"])
def test_anything_else_is_no_picture(image: bytes | None) -> None:
    assert data_uri(image) is None
