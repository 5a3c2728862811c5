"""Pictures as the shipped data sets store them: 64 × 64, opaque on white, WebP of quality 90.

Their bytes depend on Pillow's WebP coder and on the SVG rasteriser, so a byte-equal rebuild needs the pinned versions
below; with others the pictures are alike but not equal.
"""

from __future__ import annotations

import io
from importlib.metadata import PackageNotFoundError, version

from PIL import Image

from magbench.errors import DataError
from magbench.paths import install_extra

SIZE = 64
QUALITY = 90
PINNED = {"pillow": "13.0.0", "resvg-py": "0.5.0"}


def unpinned() -> dict[str, str | None]:
    """The packages whose installed version is not the pinned one: name → version found, None when missing."""
    return {name: found for name, wanted in PINNED.items() if (found := _installed(name)) != wanted}


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def to_webp(encoded: bytes) -> bytes:
    """An encoded picture of 64 × 64, laid on white, as WebP bytes. Raises DataError for another size."""
    with Image.open(io.BytesIO(encoded)) as picture:
        if picture.size != (SIZE, SIZE):
            raise DataError(f"A picture has size {picture.size}, expected {(SIZE, SIZE)}.")
        layer = picture.convert("RGBA")
    canvas = Image.new("RGBA", layer.size, "white")
    canvas.alpha_composite(layer)
    buffer = io.BytesIO()
    canvas.convert("RGB").save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def rasterise(svg: str) -> bytes:
    """An SVG drawing, ``currentColor`` taken as black, as a PNG of 64 × 64 on white."""
    try:
        import resvg_py
    except ImportError as error:
        raise DataError(f"Rendering SVG needs resvg-py; install it with `{install_extra('encode')}`.") from error
    drawing = svg.replace("currentColor", "#000000")
    return bytes(
        resvg_py.svg_to_bytes(svg_string=drawing, width=SIZE, height=SIZE, background="#ffffff", skip_system_fonts=True)
    )
