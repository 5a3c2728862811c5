"""emoji@1: the Unicode emoji that have a Noto picture and an English CLDR name.

Nodes are emoji; text is the CLDR name; the picture is Google's Noto drawing; labels are the Unicode subgroup (``y``)
and group (``y_coarse``). Edges join emoji with overlapping informative keywords (:mod:`.keywords`) and each joined
(ZWJ) sequence with its parts: man juggling = person juggling + man. The order of CLDR never makes an edge.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

from magbench.data.embedded.draft import Draft, scrambled
from magbench.data.embedded.keywords import informative, keyword_edges, words
from magbench.data.embedded.npm import Package, Tarball
from magbench.data.embedded.pictures import to_webp

PICTURES = Tarball(
    "emoji-datasource-google", "16.0.0", "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438"
)
NAMES = Tarball("emojibase-data", "17.0.0", "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a")

THRESHOLD = Fraction(1, 5)
VENDORS = ("emojibase", "github", "iamcal", "joypixels")
JOINER = "200D"
# In a sequence the signs ♀ and ♂ stand for a woman and a man.
SIGNS = {"2640": "1F469", "2642": "1F468"}
SKIN_TONES = "component"

ABOUT = """The Unicode emoji that have a Noto picture and an English CLDR name, without the five skin-tone swatches.

* **Text**: the CLDR name. **References** for captions: the name and the distinct short names of GitHub, Slack,
  JoyPixels and Emojibase.
* **Picture**: Noto Emoji, 64 × 64, on white, WebP of quality 90.
* **Labels**: `y`, the Unicode subgroup; `y_coarse`, the Unicode group. The country flags are the majority class of `y`:
  read macro-F1 beside accuracy.
* **Edges**: Jaccard ≥ 1/5 over the CLDR keywords that share no word stem with the emoji's own name and that at most
  30 emoji carry; and each ZWJ sequence with its parts (man juggling with man and with person juggling).
  The name makes no edge, because it is the text and the caption; nor does the order of CLDR, because it is the label.
* **Order**: nodes stand in the order of the sha256 of their code points, which tells nothing about the class.
* **Features** `minilm+efflite0`: all-MiniLM-L6-v2 of the name, EfficientNet-Lite0 pooled at 128 px of the picture.
* **Sanity** (accuracy on `y` of logistic regression, C = .05, standardised features, stratified 60/20/20, mean of three
  seeds): text and image .75, text .75, image .62, image averaged twice over the graph .71, majority .14.
"""


def draft(cache: Path) -> Draft:
    """Read the two tarballs (fetched into `cache` when they are not there) and lay out the data set."""
    names, pictures = NAMES.fetch(cache), PICTURES.fetch(cache)
    entries, drawings = _named(names), _drawn(pictures)
    codes = scrambled([code for code in entries if code in drawings])
    groups = names.json("meta/groups.json")
    return Draft(
        name="emoji",
        version=1,
        title="Emoji",
        licence="Apache-2.0 AND MIT AND Unicode-3.0",
        source=f"npm {PICTURES.name}@{PICTURES.version} (Noto pictures) and {NAMES.name}@{NAMES.version} (CLDR names)",
        about=ABOUT,
        texts=[entries[code]["label"] for code in codes],
        references=_references(codes, entries, names),
        images=[to_webp(pictures.read(f"img/google/64/{drawings[code]}")) for code in codes],
        labels={
            "y": [groups["subgroups"][str(entries[code]["subgroup"])] for code in codes],
            "y_coarse": [groups["groups"][str(entries[code]["group"])] for code in codes],
        },
        edges=overlap_edges(codes, entries) | composition_edges(codes),
    )


def _bare(code: str) -> str:
    """A code-point sequence without the variation selector, which the two sources place differently."""
    return code.upper().replace("-FE0F", "")


def _named(names: Package) -> dict[str, dict[str, Any]]:
    hidden = {int(number) for number, key in names.json("meta/groups.json")["groups"].items() if key == SKIN_TONES}
    entries = names.json("en/data.json")
    return {_bare(e["hexcode"]): e for e in entries if "group" in e and e["group"] not in hidden}


def _drawn(pictures: Package) -> dict[str, str]:
    entries = pictures.json("emoji.json")
    return {_bare(e["unified"]): e["image"] for e in entries if e["has_img_google"]}


def overlap_edges(codes: list[str], entries: dict[str, dict[str, Any]]) -> set[tuple[int, int]]:
    """Pairs with overlapping informative keywords."""
    keywords = [informative(entries[code]["label"], entries[code].get("tags", [])) for code in codes]
    return keyword_edges(keywords, THRESHOLD)


def composition_edges(codes: list[str]) -> set[tuple[int, int]]:
    """Pairs of a ZWJ sequence and one of its parts."""
    number = {code: i for i, code in enumerate(codes)}
    parts = {code: [SIGNS.get(part, part) for part in code.split(f"-{JOINER}-")] for code in codes if JOINER in code}
    pairs = {(number[code], number[part]) for code in parts for part in parts[code] if part in number}
    return {(min(pair), max(pair)) for pair in pairs}


def _references(codes: list[str], entries: dict[str, dict[str, Any]], names: Package) -> list[list[str]]:
    short: dict[str, list[str]] = {code: [] for code in codes}
    for vendor in VENDORS:
        for code, given in names.json(f"en/shortcodes/{vendor}.json").items():
            short.get(_bare(code), []).extend([given] if isinstance(given, str) else given)
    return [_distinct([entries[code]["label"], *map(_spaced, short[code])]) for code in codes]


def _spaced(short_name: str) -> str:
    return re.sub(r"(?<=\w)[-_]+(?=\w)", " ", short_name)


def _distinct(captions: list[str]) -> list[str]:
    """The captions without those that repeat the words of an earlier one."""
    first: dict[tuple[str, ...], str] = {}
    for caption in captions:
        first.setdefault(tuple(words(caption)) or (caption,), caption)
    return list(first.values())
