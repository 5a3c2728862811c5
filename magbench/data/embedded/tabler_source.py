"""tabler@1: the Tabler icons, without those that show trademarks.

Nodes are icons; text is the icon's name; the picture is its outline drawing in black; the label is its category.
Edges join icons with overlapping informative tags (:mod:`.keywords`).
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from magbench.data.embedded.draft import Draft, scrambled
from magbench.data.embedded.keywords import informative, keyword_edges
from magbench.data.embedded.npm import Tarball
from magbench.data.embedded.pictures import rasterise, to_webp

ICONS = Tarball("@tabler/icons", "3.51.0", "b30108713d3fa60aee862c2a133225da8e0f309be0708fe2925763ff810c766c")
THRESHOLD = Fraction(1, 4)
TRADEMARKS = "Brand"

ABOUT = """The Tabler icons in outline style; the category "Brand" (378 trademarks) is left out.

* **Text**: the icon's name, hyphens as spaces.
* **Picture**: the SVG drawing, black on white, 64 × 64, WebP of quality 90.
* **Labels**: `y`, the icon's category.
* **Edges**: Jaccard ≥ 1/4 over the tags that share no word stem with the icon's own name and that at most 30
  icons carry.
* **Order**: nodes stand in the order of the sha256 of their name, which tells nothing about the class.
* **Features** `minilm+efflite0`: all-MiniLM-L6-v2 of the name, EfficientNet-Lite0 pooled at 128 px of the picture.
* **Sanity** (accuracy of logistic regression, C = .05, standardised features, stratified 60/20/20, one seed): text and
  image .79, text .82, image .55, image averaged twice over the graph .74, majority .17.
"""


def draft(cache: Path) -> Draft:
    """Read the tarball (fetched into `cache` when it is not there), render the icons and lay out the data set."""
    package = ICONS.fetch(cache)
    icons = {name: icon for name, icon in package.json("icons.json").items() if icon["category"] != TRADEMARKS}
    names = scrambled(list(icons))
    # JSON gives tags such as 360 as numbers.
    tags = [informative(name, map(str, icons[name]["tags"])) for name in names]
    return Draft(
        name="tabler",
        version=1,
        title="Tabler icons",
        licence="MIT",
        source=f"npm {ICONS.name}@{ICONS.version}",
        about=ABOUT,
        texts=[name.replace("-", " ") for name in names],
        images=[to_webp(rasterise(package.text(f"icons/outline/{name}.svg"))) for name in names],
        labels={"y": [icons[name]["category"] for name in names]},
        edges=keyword_edges(tags, THRESHOLD),
    )
