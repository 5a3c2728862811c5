"""The sample of nodes: one seed, grouped verdicts, and pictures that are pictures."""

from __future__ import annotations

import base64

import pytest

from magbench.board.nodes import cards, data_uri
from magbench.board.report import Sample


def test_methods_are_grouped_by_what_they_predicted(cell) -> None:
    def seen(predicted: str) -> list[Sample]:
        return [Sample(7, "an  otter\n" + "x" * 300, None, "animals", predicted)]

    cells = [cell(m, 0, sample=seen(p)) for m, p in (("a", "food"), ("b", "animals"), ("c", "food"))]
    seed, (card,) = cards(cells, 24)
    assert seed == 0 and card.text.startswith("an otter xxx") and len(card.text) == 160 and card.text.endswith("…")
    assert [(v.predicted, v.right, [label.full for label in v.methods]) for v in card.verdicts] == [
        ("animals", True, ["b"]),
        ("food", False, ["a", "c"]),
    ]


def test_agreement_names_no_methods(cell) -> None:
    cells = [cell(m, 0, sample=[Sample(7, "otter", None, "animals", "food")]) for m in "ab"]
    (verdict,) = cards(cells, 24)[1][0].verdicts
    assert verdict.methods == () and not verdict.right


def test_methods_that_did_not_see_a_node_are_not_spoken_for(cell) -> None:
    otter, apple = Sample(7, "otter", None, "animals", "animals"), Sample(8, "apple", None, "food", "food")
    first, second = cards([cell("a", 0, sample=[otter, apple]), cell("b", 0, sample=[otter])], 24)[1]
    assert first.verdicts[0].methods == () and [label.full for label in second.verdicts[0].methods] == ["a"]


def test_nodes_come_from_the_lowest_seed_and_are_limited(cell) -> None:
    cells = [cell("a", seed, sample=[Sample(100 * seed + i, "", None, "x", "x") for i in range(50)]) for seed in (3, 1)]
    seed, found = cards(cells, 24)
    assert seed == 1 and [card.node for card in found] == list(range(100, 124))


def test_no_samples(cell) -> None:
    assert cards([cell("a", 0, sample=[])], 24) == (None, ())


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
