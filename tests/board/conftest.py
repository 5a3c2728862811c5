"""Outcomes with invented results, and a browser to look at pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from outcomes import make_cell, make_cells

from magbench.tables.outcome import Outcome


@pytest.fixture
def cell() -> Callable[..., Outcome]:
    return make_cell


@pytest.fixture
def cells() -> list[Outcome]:
    return make_cells()


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
