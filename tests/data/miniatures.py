"""Miniature directories in the published layouts, and specifications that expect them.

Thirty nodes, three classes; node 7 has no text, node 11 no picture, node 29 no edge of its own but a loop.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from data.conftest import picture
from data.dgl_writer import Graph, file_bytes

from magbench import paths
from magbench.data.meta import Conversion
from magbench.data.published.convert import convert
from magbench.data.published.locate import local_sources
from magbench.specs import DatasetSpec, read_toml

NODES, CLASSES = 30, 3
NO_TEXT, NO_PICTURE, ALONE = 7, 11, 29
LABELS = np.arange(NODES) % CLASSES
RAW_IDS = [f"B0{node:04d}" for node in range(NODES)]


def edges() -> np.ndarray:
    """int [2, E]: a ring of the first 29 nodes and chords, in one direction; a pair in both; a loop on the last."""
    ring = [(node, (node + 1) % ALONE) for node in range(ALONE)]
    chords = [(node, node + 5) for node in range(0, 20, 2)]
    return np.array([*ring, *chords, (5, 0), (ALONE, ALONE)]).T


def features(dim: int, seed: int, dtype: str = "<f4") -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(NODES, dim)).astype(dtype)


def text_of(node: int) -> str:
    return "" if node == NO_TEXT else f'Node {node}, a "thing" of class {LABELS[node]}'


def toml(name: str) -> str:
    """The shipped specification of `name`, with the counts and widths of the miniature."""
    text = (paths.content("tasks") / "datasets" / f"{name}.toml").read_text(encoding="utf-8")
    text = re.sub(r"nodes = \d+", f"nodes = {NODES}", text)
    text = re.sub(r"num_classes = \d+", f"num_classes = {CLASSES}", text)
    text = re.sub(r"quoted_edges = \d+", f"quoted_edges = {2 * (edges().shape[1] - 2)}", text)
    lines = []
    for line in text.splitlines():
        if match := re.match(r"(text|image) = \{", line):
            joint, first = "columns" in line, match[1] == "text"
            line = re.sub(r"dim = \d+", f"dim = {4 if first or joint else 6}", line)
            line = re.sub(r"columns = \[.*?\]", f"columns = {[0, 4] if first else [4, 8]}", line)
        lines.append(line)
    return "\n".join(lines) + "\n"


def small(text: str) -> str:
    """The file of a data set, a task or a suite as that of its miniature, which is called ``mini-<name>``."""
    text = re.sub(r'(?m)^(name|dataset) = "', r"\g<0>mini-", text)
    return re.sub(r'"(node_classification|link_prediction)/', r"\g<0>mini-", text)


def install(tasks: Path, *names: str) -> None:
    """Give a folder laid out as ``tasks/`` the miniatures of data sets and of all tasks on them."""
    for name in names:
        (tasks / "datasets" / f"mini-{name}.toml").write_text(small(toml(name)), encoding="utf-8")
        for family in ("node_classification", "link_prediction"):
            for path in (paths.content("tasks") / family).glob("*.toml"):
                text = path.read_text(encoding="utf-8")
                if f'dataset = "{name}"' in text:
                    (tasks / family / f"mini-{path.name}").write_text(small(text), encoding="utf-8")


def spec(name: str, folder: Path) -> DatasetSpec:
    """The specification of the miniature, by way of a file in `folder`."""
    path = folder / f"{name}.toml"
    path.write_text(toml(name), encoding="utf-8")
    assert read_toml(path)
    return DatasetSpec.from_toml(path)


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


def write_pictures(path: Path, names: list[str], mode: str = "w:gz") -> None:
    """An archive with a picture for each node but one, in an order that is not the nodes'."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for node in reversed(range(NODES)):
            if node != NO_PICTURE:
                content = picture(8 * node)
                member = tarfile.TarInfo(f"images/{names[node]}.jpg")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def write_csv(path: Path, columns: dict[str, list[object]]) -> None:
    import pandas as pd

    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(path, index=False)


def neighbours(ids: list[str], extra: str = "B0FFFF") -> list[str]:
    """For each node the ids it points to, as MAGB's tables list them: with ids that are not in the data set."""
    lists: list[list[str]] = [[] for _ in range(NODES)]
    for source, target in edges().T.tolist():
        lists[source].append(ids[target])
    return [str([*row, extra]) for row in lists]


def write_magb(root: Path, folder: str = "Movies") -> Path:
    """``root/<folder>`` as in MAGB; ``also_buy`` holds the even nodes' edges, ``also_view`` the odd ones'."""
    base, short = root / folder, folder.replace("-", "")
    base.mkdir(parents=True)
    graph = Graph(NODES, edges(), {"label": LABELS})
    (base / f"{short}Graph.pt").write_bytes(file_bytes(graph))
    links = neighbours(RAW_IDS)
    columns: dict[str, list[object]] = {
        "id": list(RAW_IDS),
        "text": [text_of(node) for node in range(NODES)],
        "also_buy": [links[node] if node % 2 == 0 else "[]" for node in range(NODES)],
        "also_view": [links[node] if node % 2 else "" for node in range(NODES)],
        "second_category": [f"kind {label}" for label in LABELS],
        "label": LABELS.tolist(),
    }
    if folder.startswith("Reddit"):
        columns["caption"], columns["subreddit"] = columns.pop("text"), columns.pop("second_category")
        columns["also_posted"] = links
    write_csv(base / f"{short}.csv", columns)
    write_pictures(base / f"{short}Images.tar.gz", [str(node) for node in range(NODES)])
    save(base / "TextFeature" / f"{short}_roberta_base_512_mean.npy", features(4, 1))
    save(base / "TextFeature" / f"{short}_roberta_base_512_cls.npy", features(4, 5))
    save(base / "TextFeature" / f"{short}_Llama_3.2_1B_Instruct_512_mean.npy", features(4, 2))
    save(base / "ImageFeature" / f"{short}_openai_clip-vit-large-patch14.npy", features(6, 3))
    save(base / "MMFeature" / f"{short}_LLAMA8B_CLIP.npy", features(8, 4, "<f8"))
    return base


def write_mmag(root: Path, folder: str = "Flickr30k", *, masks: bool = False, archive: bool = True) -> Path:
    """``root/<folder>`` as in MMAG: five captions a node, both directions and self-loops in the graph."""
    base = root / folder
    base.mkdir(parents=True)
    both = np.concatenate([edges()[:, :-1], edges()[::-1, :-2], np.tile(np.arange(NODES), (2, 1))], axis=1)
    parts = {f"{part}_mask": (np.arange(NODES) % 5 == k).astype("u1") for k, part in enumerate(("val", "test"))}
    parts["train_mask"] = 1 - parts["val_mask"] - parts["test_mask"]
    ndata = parts if masks else {}
    (base / f"{folder}Graph.pt").write_bytes(file_bytes(Graph(NODES, both, ndata, {"w": np.ones(both.shape[1])})))
    captions = {f"description{k}": [f"{text_of(node)} {k}".strip() for node in range(NODES)] for k in range(1, 6)}
    for values in captions.values():
        values[NO_TEXT] = ""
    names = [str(1000 + node) for node in range(NODES)]
    write_csv(base / f"{folder}.csv", {"id": list(names), **captions})  # type: ignore[dict-item]
    if archive:
        write_pictures(base / f"{folder}Images.tar.gz", names)
    else:
        extracted = base / f"{folder}Images_extracted" / f"{folder}Images"
        extracted.mkdir(parents=True)
        for node in range(NODES):
            if node != NO_PICTURE:
                suffix = "png" if node % 2 else "jpg"
                (extracted / f"{names[node]}.{suffix}").write_bytes(picture(8 * node))
    save(base / "text_features" / f"{folder}_text_CLIP-ViT_768d.npy", features(4, 1, "<f2"))
    save(base / "image_features" / f"{folder}_image_CLIP-ViT_768d.npy", features(6, 2))
    return base


def write_mmgraph(root: Path, name: str) -> Path:
    """``root/ele-fashion`` (node classification) or ``root/sports-copurchase`` (links), and ``root/raw-data``."""
    base = root / {"ele-fashion": "ele-fashion", "sports": "sports-copurchase"}[name]
    base.mkdir(parents=True)
    stored = torch.from_numpy(edges())
    if name == "ele-fashion":
        labels = LABELS.copy()
        labels[[3, 4]] = -1
        torch.save(stored.T.tolist(), base / "nc_edges-nodeid.pt")
        torch.save(labels.tolist(), base / "labels-w-missing.pt")
        order = torch.from_numpy(np.random.default_rng(0).permutation(NODES))
        parts = {"train_idx": order[:18], "val_idx": order[18:21], "test_idx": order[21:]}
        torch.save(parts, base / "split.pt")
        torch.save(dict(enumerate(RAW_IDS)), base / "node_mapping.pt")
    else:
        parts = {"train": stored[:, :30], "valid": stored[:, 30:34], "test": stored[:, 34:]}
        split = {part: {"source_node": ends[0].clone(), "target_node": ends[1].clone()} for part, ends in parts.items()}
        for part in ("valid", "test"):
            count = parts[part].shape[1]
            split[part]["target_node_neg"] = torch.arange(count * 7).reshape(count, 7) % NODES
        torch.save(split, base / "lp-edge-split.pt")
        torch.save({raw: node for node, raw in enumerate(RAW_IDS)}, base / "node_mapping.pt")
    for seed, encoder in enumerate(("clip", "imagebind", "t5vit", "t5dino")):
        torch.save(torch.from_numpy(features(8, 10 + seed)), base / f"{encoder}_feat.pt")
    raw = root / "raw-data"
    raw.mkdir(exist_ok=True)
    records = [
        {"asin": RAW_IDS[n], "raw_text": text_of(n)} if n % 2 else {"id": RAW_IDS[n], "text": text_of(n)}
        for n in range(NODES)
    ]
    lines = [json.dumps(record) + "\n" for record in reversed(records)]
    (raw / f"{name}-raw-text.jsonl").write_text("".join(lines), encoding="utf-8")
    write_pictures(raw / f"{name}-images.tar", RAW_IDS, "w")
    return base


WRITERS = {
    "movies": lambda root: write_magb(root, "Movies"),
    "reddit-s": lambda root: write_magb(root, "Reddit-S"),
    "flickr30k": lambda root: write_mmag(root, "Flickr30k"),
    "ele-fashion": lambda root: write_mmgraph(root, "ele-fashion"),
    "sports": lambda root: write_mmgraph(root, "sports"),
}


def convert_folder(spec: DatasetSpec, folder: Path, *sets: str) -> Conversion:
    """The folder as a store in ``MAGBENCH_HOME``."""
    mirror, sources = local_sources(spec, folder, sets)
    return convert(spec, mirror, sources, paths.home() / "datasets" / spec.id)


def edit_csv(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(frame).to_csv(path, index=False)


def graph(num_nodes: int, **ndata: np.ndarray) -> bytes:
    """A DGL file of the miniatures' edges."""
    return file_bytes(Graph(num_nodes, edges(), ndata))
