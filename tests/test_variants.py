"""Variants in brackets: one name for one question, and clear words for what cannot be asked."""

from __future__ import annotations

import pytest

from magbench.errors import DataError, OptionError, UnknownNameError
from magbench.registry import Registry

REGISTRY = Registry.default()


def test_a_variant_is_a_task_of_its_own() -> None:
    task = REGISTRY.task("ret/emoji")
    variant = REGISTRY.task("ret/emoji[ control = random , pool=all ]@1")
    assert variant.id == "retrieval/emoji[pool=all,control=random]" and variant.versioned_id == f"{variant.id}@1"
    assert variant.base_id == task.id and variant.digest() != task.digest()
    assert variant.variant == {"pool": "all", "control": "random"} and variant.split == task.split
    assert REGISTRY.task(variant.versioned_id) == variant == REGISTRY.task("ret/emoji[pool=all,control=random]")


def test_what_a_task_has_anyway_makes_no_variant() -> None:
    assert REGISTRY.task("ret/emoji[pool=test]") is REGISTRY.task("ret/emoji")
    assert REGISTRY.task("ret/emoji[pool=test,control=random]").name == "emoji[control=random]"


def test_single_variants_are_those_the_data_set_can_meet() -> None:
    names = [task.name for task in REGISTRY.variants(REGISTRY.task("ret/emoji"))]
    assert "emoji[pool=all]" in names and "emoji[control=node_disjoint]" in names
    assert not any("1k" in name or "pool=test" in name for name in names)
    assert "movies[pool=1k]" in [task.name for task in REGISTRY.variants(REGISTRY.task("ret/movies"))]
    names = [task.name for task in REGISTRY.variants(REGISTRY.task("nc/emoji"))]
    assert names == [f"emoji[control={name}]" for name in ("no_graph", "random", "shuffled", "rewired")]


def test_a_corruption_stands_behind_the_options_at_one_rate_in_one_form() -> None:
    task = REGISTRY.task("nc/emoji[edge_drop=.50,label_share=0.1,control=random]")
    assert task.id == "node_classification/emoji[control=random,label_share=0.1,edge_drop=0.5]"
    assert task.variant == {"control": "random", "label_share": "0.1", "edge_drop": "0.5"}
    assert REGISTRY.task("nc/emoji[edge_drop=5e-1,at=test]").id.endswith("[edge_drop=0.5,at=test]")
    assert REGISTRY.task("ret/emoji[edge_drop=0,pair_share=1]") is REGISTRY.task("ret/emoji")


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    [
        ("ret/emoji[pol=all]", UnknownNameError, "Unknown option of task retrieval/emoji 'pol'. Did you mean 'pool'?"),
        ("ret/emoji[control=randm]", UnknownNameError, "'randm'. Did you mean 'random'?"),
        ("ret/emoji[pool=1k]", DataError, "at most 381 test nodes, fewer than the 1,000 of pool=1k"),
        ("ret/emoji[pool]", OptionError, "'pool' is not of the form option=value"),
        ("ret/emoji[]", OptionError, "not of the form option=value"),
        ("ret/emoji[pool=all,pool=test]", OptionError, "'pool' is given twice"),
        ("ret/emoji[pool=all", OptionError, "the bracket is not closed"),
        ("nc/emoji[pool=all]", UnknownNameError, "Unknown option of task node_classification/emoji 'pool'."),
        ("ret/emoji[edge_drop=2]", OptionError, "edge_drop"),
        ("ret/emoji[label_share=0.5]", UnknownNameError, "Unknown option of task retrieval/emoji 'label_share'."),
        ("nc/emoji[label_share=0.5,at=test]", OptionError, "at=test says when features or graph are corrupted"),
        ("ret/emojy[pool=all]", UnknownNameError, "Did you mean 'retrieval/emoji'?"),
        ("ret/emoji[pool=all]@2", UnknownNameError, "version of retrieval/emoji '2'"),
    ],
)
def test_what_cannot_be_asked(name: str, error: type[Exception], expected: str) -> None:
    with pytest.raises(error) as found:
        REGISTRY.task(name)
    assert expected in str(found.value)
    assert REGISTRY.find_task(name) is None
