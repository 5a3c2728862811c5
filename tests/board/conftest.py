"""A small factory of report cells with invented results, made here, never shipped; and a browser to look at pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from magbench.board.report import ReportCell, Sample

CLASSES = ("animals-nature", "food-drink", "objects", "travel-places")
TEXTS = ("red apple", "hot air balloon", "otter", "screwdriver", "bento box", "suspension railway", "maple leaf")
LEVELS = {
    "mlp": 0.69,
    "mlp+optimag": 0.70,
    "sage": 0.75,
    "sage+optimag[lam=10,loss_norm=mass2]": 0.755,
    "sage+dagr": 0.79,
}


@cache
def picture(node: int) -> bytes:
    """A coloured shape as WebP bytes."""
    image = Image.new("RGBA", (48, 48), (0, 0, 0, 0))
    colour = tuple(int(c) for c in np.random.default_rng(node).integers(40, 220, size=3))
    ImageDraw.Draw(image).regular_polygon((24, 24, 20), 3 + node % 6, fill=(*colour, 255))
    buffer = BytesIO()
    image.save(buffer, "WEBP")
    return buffer.getvalue()


def make_cell(method: str, seed: int, **changed: object) -> ReportCell:
    """A finished cell; keyword arguments replace its fields."""
    rng = np.random.default_rng([seed, sum(map(ord, method))])
    level = LEVELS.get(method, 0.7) + 0.01 * np.sin(3 * seed) + rng.normal(0, 0.003)
    history = [
        {
            "epoch": epoch,
            "train_loss": 2 / (1 + epoch),
            "val_accuracy": level * (1 - np.exp(-epoch / 12)) + rng.normal(0, 0.006),
        }
        for epoch in range(5, 100 + 10 * seed, 5)
    ]
    sample = [
        Sample(
            node,
            TEXTS[node % len(TEXTS)],
            picture(node) if node % 7 != 6 else None,
            CLASSES[node % 4],
            CLASSES[node % 4] if rng.random() < level else CLASSES[(node + 1) % 4],
        )
        for node in range(24)
    ]
    values: dict[str, object] = {
        "task": "node_classification/emoji@1",
        "dataset": "emoji@1",
        "method": method,
        "seed": seed,
        "status": "ok",
        "error": None,
        "scores": {"accuracy": level, "macro_f1": level - 0.05},
        "n_test": 363,
        "history": history,
        "telemetry": {"mass": 0.9 + rng.normal(0, 0.01), "diag_share": 0.41} if "optimag" in method else {},
        "cost": {"fit_s": 3.2 + seed},
        "params": 234_567,
        "protocol": "quickstart@1",
        "env": {"python": "3.11.9", "cores": 2, "packages": {"torch": "2.13.0"}},
        "sample": sample if seed == 0 else [],
        "keys": {"dataset": "0123456789abcdef0123", "source": "fedcba9876543210"},
    }
    return ReportCell(**(values | changed))


@pytest.fixture
def cell() -> Callable[..., ReportCell]:
    return make_cell


@pytest.fixture
def cells() -> list[ReportCell]:
    """Five methods with five seeds each, and one failure."""
    done = [make_cell(method, seed) for method in LEVELS for seed in range(5)]
    failure = make_cell(
        "sage+dagr", 5, status="oom", error="MemoryError: 1.5 GB were asked for", scores={}, history=[], sample=[]
    )
    return [*done, failure]


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """A running Chromium."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no chromium on the path; install Debian's `chromium` to run these")
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed; it is part of the [test] extra"
    )
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def silent(browser):
    """Opens a file and, when the test is done, checks that the page complained of nothing and asked for nothing."""
    complaints: list[str] = []
    requests: list[str] = []
    contexts, pages = [], []

    def opened(target: Path, **options: object):
        context = browser.new_context(**options)
        contexts.append(context)
        pages.append(target.parent.as_uri())
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(target.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("data:", *pages))] == []
