"""The page of a conflict report: complete, escaped, self-contained, the same bytes, and readable in a browser."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from outline import EVIL, Outline
from PIL import Image

from magbench.board.conflict import render_conflict, write_conflict
from magbench.board.histograms import degree_bars, steps
from magbench.data.columns import ImageColumn
from magbench.data.mag import MAG
from magbench.data.parts import Parts
from magbench.data.report.cards import card
from magbench.data.report.conflict import conflict_report
from magbench.data.report.figures import Histogram
from magbench.data.synthetic import generate
from magbench.errors import OutputError

META = {"title": "Trial", "licence": "CC0-1.0", "source": "invented"}
PARTS = {"node_classification/trial@1": Parts(np.arange(50), np.arange(50, 80))}


def large_picture(node: int) -> bytes:
    """A plain picture of 500 × 300, the same for every third node."""
    buffer = io.BytesIO()
    Image.new("RGB", (500, 300), (40 * (node % 3), 90, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def trial(text: str = "item", **changes: object) -> MAG:
    """Eighty nodes with planted conflicts, texts and pictures; keyword arguments replace those of ``MAG.build``."""
    mag, _ = generate(num_nodes=80, conflict={"image": 0.3})
    settings: dict[str, object] = {
        "name": "trial",
        "version": 1,
        "features": "synthetic",
        "edge_index": mag.edge_index,
        "x": mag.x_dict,
        "labels": {"y": mag.y},
        "texts": [f"{text} {node // 2}" for node in range(80)],
        "images": ImageColumn(large_picture(node) if node % 5 else None for node in range(80)),
    }
    return MAG.build(**{**settings, **changes})


def page_of(mag: MAG, **meta: object) -> str:
    return render_conflict(conflict_report(mag, PARTS), mag, card(mag, {**META, **meta}))


def test_the_page_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    mag = trial()
    page = page_of(mag)
    outline = Outline(page)
    assert outline.open == []
    ids = [found["id"] for _, found in outline.tags if "id" in found]
    targets = [found["href"] for _, found in outline.tags if (found.get("href") or "").startswith("#")]
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in targets} <= set(ids)
    target = write_conflict(conflict_report(mag, PARTS), mag, card(mag, META), tmp_path / "a" / "page.html")
    assert target.read_text(encoding="utf-8") == page


def test_it_shows_the_figures_of_the_report() -> None:
    mag = trial()
    report = conflict_report(mag, PARTS)
    text = " ".join(Outline(page_of(mag)).text.split())
    for modality in report.modalities:
        assert modality.agreement is not None
        assert f"{modality.name}: the ends of an edge are more alike than a random pair" in text
        assert f"{modality.agreement.auc:.3f}; {100 * modality.agreement.conflict_rate:.1f} % of the edges" in text
        assert text.count(f"Edges in conflict: {modality.name}") == 1
    assert f"mean {report.cross_modal[0].mean:.3f} over 80 nodes" in text
    assert "Exact duplicates: texts" in text and "Exact duplicates: pictures" in text
    assert [seen.exact > 0 for seen in report.seen] == [False, True]
    assert all(f"{seen.task}{seen.modality}{seen.exact} of 30" in text for seen in report.seen)


def test_nothing_points_outside() -> None:
    page = page_of(trial(), citation=["Somebody. https://example.org"])
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources and all(source.startswith(("data:", "#")) for source in sources)
    assert "url(" not in page and "@import" not in page and "default-src 'none'" in page


def test_pictures_are_small_and_drawn_anew() -> None:
    assert len(large_picture(0)) > 1000
    page = page_of(trial())
    assert page.count("data:image/webp;base64,") > 20
    assert "data:image/png" not in page
    assert max(map(len, re.findall(r'src="([^"]*)"', page))) < 1500


def test_everything_from_outside_is_escaped() -> None:
    mag = trial(EVIL, name=EVIL, features=EVIL, classes={"y": [EVIL] * 8})
    parts = {EVIL: PARTS["node_classification/trial@1"]}
    facts = card(mag, dict.fromkeys(META, EVIL) | {"citation": [EVIL]})
    page = render_conflict(conflict_report(mag, parts), mag, facts)
    outline = Outline(page)
    assert outline.count("script") == 1 and EVIL not in page
    assert outline.text.count("alert(1)") > 20
    assert outline.open == []


@pytest.mark.parametrize("lacking", ["images", "texts", "labels"])
def test_what_a_data_set_lacks_is_left_out(lacking: str) -> None:
    page = page_of(trial(**{lacking: None}))
    assert Outline(page).open == []
    assert ("no picture" in page) == (lacking != "images")
    assert ("Homophily</h3>" in page) == (lacking != "labels")


def test_nothing_but_nodes() -> None:
    mag = trial(edge_index=torch.empty(2, 0, dtype=torch.int64), images=ImageColumn([b"no picture"] * 80))
    text = Outline(page_of(mag)).text
    assert "no edge has it at both ends" in text and "no picture" in text


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    mag = trial()
    with pytest.raises(OutputError, match=r"page\.html cannot be written"):
        write_conflict(conflict_report(mag), mag, card(mag, META), tmp_path / "file" / "page.html")


def test_steps_by_hand() -> None:
    # The range −1 … 1 lies on 38 … 332, its middle on 185; the tallest bin stands 1/1.05 of the way from 128 to 8.
    found = steps(Histogram((-1.0, 0.0, 1.0), {"nodes": (0.25, 0.75)}))
    top, middle = 128 - 120 / 1.05, 128 - 120 / 3.15
    assert found.series == (("nodes", f"38,128 38,{middle:.1f} 185,{middle:.1f} 185,{top:.1f} 332,{top:.1f} 332,128"),)
    assert found.zero == 185


def test_degree_bars_name_their_range() -> None:
    bars = degree_bars((5, 0, 10, 1))
    assert [(bar.label, bar.count) for bar in bars] == [("0", 5), ("1", 0), ("2–3", 10), ("4–7", 1)]
    assert [bar.y + bar.height for bar in bars] == pytest.approx([128] * 4)
    assert bars[0].height == pytest.approx(bars[2].height / 2, abs=0.1)


@pytest.mark.parametrize("width", [320, 768, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows(silent, tmp_path: Path, width: int, scheme: str) -> None:
    mag = trial("a text that goes on and on with averyveryveryverylongwordindeedthatcannotbebroken")
    target = write_conflict(conflict_report(mag, PARTS), mag, card(mag, META), tmp_path / "page.html")
    page = silent(target, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.locator(".plate img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert sizes and set(sizes) == {96}
