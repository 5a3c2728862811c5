"""Build a shipped data set again: ``python -m magbench.data.embedded.build emoji|tabler [--out DIR] [--cache DIR]``.

The npm tarballs are pinned by sha256, so pictures, texts, labels and edges come out byte-equal under the pinned
Pillow and rasteriser; features come out within 2e-3. Needs the extra ``[encode]`` and, for the tarballs, a network.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from magbench.data.columns import ImageColumn
from magbench.data.embedded import emoji_source, tabler_source
from magbench.data.embedded.draft import Draft
from magbench.data.embedded.pictures import unpinned
from magbench.data.encode import FEATURE_SET, encode_images, encode_texts
from magbench.data.mag import MAG
from magbench.data.report.cards import card
from magbench.data.store import write_store
from magbench.errors import MagbenchError

HERE = Path(__file__).parent
DRAFTS: dict[str, Callable[[Path], Draft]] = {"emoji": emoji_source.draft, "tabler": tabler_source.draft}


def build(name: str, out: Path, cache: Path) -> MAG:
    """Build the data set `name` into the new folder `out`, with tarballs kept in `cache`.

    Raises:
        DataError: a tarball is not the pinned one, or the extra ``[encode]`` is missing.
        OutputError: `out` exists or cannot be written.
    """
    draft = DRAFTS[name](cache)
    x = {"text": encode_texts(draft.texts), "image": encode_images(ImageColumn(draft.images))}
    # Rounded before the MAG is made, so that the stored half precision is exactly what is measured.
    mag = draft.to_mag({m: values.half().float() for m, values in x.items()}, FEATURE_SET)
    write_store(
        mag,
        out,
        licence=draft.licence,
        source=draft.source,
        feature_dtype="float16",
        documents={**licence_texts(name), "card.md": card_text(mag, draft)},
    )
    return mag


def card_text(mag: MAG, draft: Draft) -> str:
    """The data card that ships with the data: figures, then what they mean."""
    figures = card(mag, {"title": draft.title, "licence": draft.licence, "source": draft.source})
    return f"{figures.to_text()}\n{draft.about}"


def licence_texts(name: str) -> dict[str, str]:
    """The licence texts that the data set `name` ships with: file name → text."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((HERE / name).glob("LICENSE-*.txt"))}


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m magbench.data.embedded.build", description=__doc__)
    parser.add_argument("name", choices=sorted(DRAFTS))
    parser.add_argument("--out", type=Path, help="new folder to write (default: ./NAME)")
    parser.add_argument("--cache", type=Path, help="folder of the tarballs (default: a temporary one)")
    options = parser.parse_args(arguments)
    for package, found in unpinned().items():
        sys.stderr.write(
            f"Note: {package} is {found or 'not installed'}, not the pinned version; pictures may differ.\n"
        )
    try:
        with tempfile.TemporaryDirectory() as temporary:
            mag = build(options.name, options.out or Path(options.name), options.cache or Path(temporary))
    except MagbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{mag.name}@{mag.version}: {mag.num_nodes} nodes, fingerprint {mag.fingerprint()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
