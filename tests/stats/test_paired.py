"""Comparisons within a task: which test is made, what it returns, families and refusals."""

from __future__ import annotations

from itertools import product
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from magbench.errors import OptionError, RecordError, UnknownNameError
from magbench.stats.intervals import corrected_t
from magbench.stats.paired import COMPARISON, against_hosts, contrasts, paired, summarise

pytestmark = pytest.mark.filterwarnings("error")

RNG_SEED = 3


def items_of(hits: dict[str, np.ndarray], task: str = "nc/toy") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Item and results frames of item scores [n_seeds, n_items] a method."""
    rows = [
        (task, "toy", method, seed, "accuracy", item, float(value))
        for method, table in hits.items()
        for seed, row in enumerate(table)
        for item, value in enumerate(row)
    ]
    items = pd.DataFrame(rows, columns=["task", "dataset", "method", "seed", "metric", "item", "value"])
    frame = items.groupby(["task", "dataset", "method", "seed", "metric"], as_index=False)["value"].mean()
    return items, frame


class TestSummarise:
    def test_by_hand(self, results) -> None:
        # .70 .72 .74: mean .72, std .02; reach = 4.3027 * .02 * sqrt(1/3 + 1/3) = .070262.
        row = summarise(results({"mlp": [0.70, 0.72, 0.74]})).iloc[0]
        assert (row["n_seeds"], row["mean"], row["std"]) == pytest.approx((3, 0.72, 0.02))
        assert (row["low"], row["high"]) == pytest.approx((0.72 - 0.070262, 0.72 + 0.070262), abs=1e-5)
        assert row["interval"] == "corrected t"

    def test_fixed_split_uses_the_plain_t(self, results) -> None:
        row = summarise(results({"mlp": [0.70, 0.72, 0.74]}), design="fixed").iloc[0]
        assert row["high"] - row["mean"] == pytest.approx(4.3027 * 0.02 / np.sqrt(3), abs=1e-5)

    def test_one_seed(self, results) -> None:
        row = summarise(results({"mlp": [0.7]})).iloc[0]
        assert row["mean"] == 0.7 and np.isnan(row["std"]) and row["note"] == "one seed"

    def test_a_method_that_does_not_vary(self, results) -> None:
        row = summarise(results({"mlp": [0.7, 0.7, 0.7]})).iloc[0]
        assert (row["std"], row["low"], row["high"]) == pytest.approx((0, 0.7, 0.7))


class TestDrawn:
    def test_row(self, results) -> None:
        a, b = np.array([0.70, 0.71, 0.69, 0.72]), np.array([0.72, 0.72, 0.73, 0.73])
        row = paired(results({"mlp": a, "gcn": b}), "mlp", "gcn", metric="accuracy").iloc[0]
        expected = corrected_t(b - a, test_train_ratio=1 / 3)
        assert list(row.index) == COMPARISON
        assert (row["difference"], row["p"], row["detectable"]) == (expected.mean, expected.p, expected.detectable)
        assert (row["mean_a"], row["mean_b"], row["std"]) == pytest.approx((0.705, 0.725, (b - a).std(ddof=1)))
        swapped = paired(results({"mlp": a, "gcn": b}), "gcn", "mlp", metric="accuracy").iloc[0]
        assert (swapped["difference"], swapped["p"]) == (-row["difference"], row["p"])

    def test_one_row_a_task(self, results) -> None:
        frame = pd.concat([results({"a": [0.1, 0.2], "b": [0.2, 0.4]}, task=task) for task in ("nc/x", "nc/y")])
        assert list(paired(frame, "a", "b", metric="accuracy")["task"]) == ["nc/x", "nc/y"]

    def test_identical_methods(self, results) -> None:
        row = paired(results({"a": [0.7, 0.8], "b": [0.7, 0.8]}), "a", "b", metric="accuracy").iloc[0]
        assert row["p"] == 1 and "identical" in row["note"]

    def test_missing_cells_are_refused_or_left_out(self, results) -> None:
        frame = results({"a": [0.1, 0.2, 0.3], "b": [0.2, 0.5]})
        with pytest.raises(RecordError, match="method=b seed=2"):
            paired(frame, "a", "b", metric="accuracy")
        row = paired(frame, "a", "b", metric="accuracy", missing="drop").iloc[0]
        assert row["n_seeds"] == 2 and "1 seeds left out" in row["note"]

    def test_no_seed_in_common(self, results) -> None:
        frame = results({"a": [0.1], "b": [0.2]})
        frame.loc[frame["method"] == "b", "seed"] = 7
        row = paired(frame, "a", "b", metric="accuracy", missing="drop").iloc[0]
        assert row["n_seeds"] == 0 and np.isnan(row["p"]) and "no seed" in row["note"]

    def test_one_seed_without_items_has_no_p(self, results) -> None:
        row = paired(results({"a": [0.7], "b": [0.8]}), "a", "b", metric="accuracy").iloc[0]
        assert row["difference"] == pytest.approx(0.1) and np.isnan(row["p"]) and "one seed" in row["note"]


class TestOverItems:
    def test_one_seed_is_mcnemar(self) -> None:
        hits = {"a": np.zeros((1, 12)), "b": np.array([[1] * 8 + [0] * 4])}
        items, frame = items_of(hits)
        row = paired(frame, "a", "b", metric="accuracy", items=items, rng=np.random.default_rng(RNG_SEED)).iloc[0]
        assert row["test"] == "exact McNemar over items" and row["p"] == pytest.approx(2 / 2**8)

    def test_fixed_split_flips_signs_of_items_averaged_over_seeds(self) -> None:
        # Averaged over two seeds b leads by 1/2 on each of 8 items: 2 of the 256 sign patterns are as extreme.
        hits = {"a": np.zeros((2, 8)), "b": np.array([[1] * 8, [0] * 8])}
        items, frame = items_of(hits)
        row = paired(
            frame, "a", "b", metric="accuracy", design="fixed", items=items, rng=np.random.default_rng(RNG_SEED)
        ).iloc[0]
        assert row["test"] == "sign-flip permutation over items"
        assert (row["difference"], row["p"]) == pytest.approx((0.5, 2 / 256))
        assert row["std"] == pytest.approx(np.std([1, 0], ddof=1))

    def test_a_metric_that_is_no_mean_over_items_has_no_test(self, results) -> None:
        items, _ = items_of({})
        frame = results({"a": [0.5, 0.6], "b": [0.7, 0.7]})
        over_items = {"metric": "accuracy", "design": "fixed", "items": items, "rng": np.random.default_rng(0)}
        row = paired(frame, "a", "b", **over_items).iloc[0]
        # .2 and .1: mean .15, deviation .1 / sqrt(2).
        assert (row["difference"], row["std"]) == pytest.approx((0.15, 0.0707107))
        assert row[["low", "high", "p", "detectable"]].isna().all()
        assert row["test"] == "no test" and "accuracy is no mean over test items" in row["note"]
        families = against_hosts(frame.replace({"b": "a+b"}), **over_items)
        assert families["family"].tolist() == [0] and not families["significant"].any()

    def test_items_of_another_run_are_refused(self) -> None:
        items, frame = items_of({"a": np.zeros((2, 8)), "b": np.ones((2, 8))})
        frame["value"] = frame["value"] * 0.9
        with pytest.raises(RecordError, match="do not average"):
            paired(frame, "a", "b", metric="accuracy", design="fixed", items=items, rng=np.random.default_rng(RNG_SEED))

    def test_incomplete_items_are_refused(self) -> None:
        items, frame = items_of({"a": np.zeros((2, 8)), "b": np.ones((2, 8))})
        with pytest.raises(RecordError, match="lack 1 cells"):
            paired(
                frame, "a", "b", metric="accuracy", design="fixed", items=items.iloc[1:], rng=np.random.default_rng(0)
            )


class TestOptions:
    @pytest.mark.parametrize(
        "options",
        [
            {"design": "random"},
            {"design": "fixed"},
            {"test_train_ratio": 0},
            {"missing": "ignore"},
            {"items": pd.DataFrame()},
            {"confidence": 2},
        ],
    )
    def test_out_of_range(self, results, options: dict) -> None:
        with pytest.raises(OptionError):
            paired(results({"a": [0.1, 0.2], "b": [0.2, 0.5]}), "a", "b", metric="accuracy", **options)

    def test_unknown_names_have_a_suggestion(self, results) -> None:
        frame = results({"mlp": [0.1, 0.2], "mlp+optimag": [0.2, 0.5]})
        with pytest.raises(UnknownNameError, match=r"Did you mean 'mlp\+optimag'"):
            paired(frame, "mlp", "mlp+optimg", metric="accuracy")
        with pytest.raises(UnknownNameError, match="metric"):
            against_hosts(frame, metric="recall")

    def test_nan_is_refused(self, results) -> None:
        with pytest.raises(RecordError, match="NaN"):
            paired(results({"a": [0.1, np.nan], "b": [0.2, 0.5]}), "a", "b", metric="accuracy")


class TestAgainstHosts:
    def test_family_is_every_regularised_method_against_its_own_host_within_a_task(self, results) -> None:
        rng = np.random.default_rng(RNG_SEED)
        base = {name: rng.normal(0.7, 0.01, size=10) for name in ("mlp", "mlp[hidden=64]", "sage")}
        scores = base | {
            "mlp+optimag": base["mlp"] + rng.normal(0.02, 0.004, size=10),
            "mlp[hidden=64]+dagr": base["mlp[hidden=64]"] + rng.normal(0, 0.004, size=10),
            "sage+optimag[lam=1e+1]": base["sage"] + rng.normal(0.004, 0.004, size=10),
        }
        other = {"gcn": [0.1, 0.2, 0.3], "gcn+dagr": [0.2, 0.2, 0.4]}
        found = against_hosts(pd.concat([results(scores), results(other, task="nc/other")]), metric="accuracy")
        assert dict(zip(found["b"], found["a"], strict=True)) == {
            "mlp+optimag": "mlp",
            "mlp[hidden=64]+dagr": "mlp[hidden=64]",
            "sage+optimag[lam=1e+1]": "sage",
            "gcn+dagr": "gcn",
        }
        toy = found[found["task"] == "nc/toy"]
        assert toy["p_holm"].to_numpy() == pytest.approx(multipletests(toy["p"], method="holm")[1])
        assert (toy["p_holm"] >= toy["p"]).all() and set(toy["family"]) == {3}
        assert dict(zip(toy["b"], toy["significant"], strict=True))["mlp+optimag"]
        alone = found[found["task"] == "nc/other"].iloc[0]
        assert alone["family"] == 1 and alone["p_holm"] == alone["p"]

    def test_by_hand(self, results) -> None:
        # Two comparisons: Holm doubles the smaller p and leaves the larger one, never below the first.
        scores = {"a": [0.0, 0.0, 0.0], "a+x": [0.01, 0.02, 0.03], "a+y": [0.0, 0.0, 0.0]}
        found = against_hosts(results(scores), metric="accuracy").set_index("b")
        assert found.loc["a+x", "p_holm"] == pytest.approx(2 * 0.13397, abs=1e-4)
        assert found.loc["a+y", "p_holm"] == 1

    def test_a_label_is_split_outside_its_quotes(self, results) -> None:
        host = 'mlp[s="]+"]'
        table = against_hosts(results({host: [0.70, 0.72], f"{host}+dagr": [0.71, 0.74]}), metric="accuracy")
        assert list(zip(table["a"], table["b"], strict=True)) == [(host, f"{host}+dagr")]

    def test_a_missing_host_is_said_and_not_counted(self, results) -> None:
        found = against_hosts(results({"a": [0.1, 0.2], "a+x": [0.2, 0.4], "b+x": [0.1, 0.3]}), metric="accuracy")
        orphan = found.set_index("b").loc["b+x"]
        assert orphan["note"] == "no results of b" and np.isnan(orphan["p_holm"]) and orphan["family"] == 1

    def test_plain_methods_alone_give_an_empty_frame_with_columns(self, results) -> None:
        found = against_hosts(results({"a": [0.1, 0.2], "b": [0.2, 0.4]}), metric="accuracy")
        assert found.empty and list(found.columns) == [*COMPARISON, "p_holm", "significant", "family"]

    def test_one_seed(self, results) -> None:
        found = against_hosts(results({"a": [0.1], "a+x": [0.2]}), metric="accuracy").iloc[0]
        assert np.isnan(found["p_holm"]) and not found["significant"] and found["family"] == 0

    def test_family_wise_error_under_the_null(self, results, monkeypatch: pytest.MonkeyPatch) -> None:
        # statsmodels collects garbage in every call, which costs half a second once torch is loaded.
        monkeypatch.setattr("gc.collect", lambda *_: 0)
        rng, runs, frames = np.random.default_rng(RNG_SEED), 150, []
        for run in range(runs):
            shared = rng.normal(size=(3, 1)) * np.sqrt(1 / 4)
            a, b, c = shared + rng.normal(size=(3, 10)) * np.sqrt(3 / 4)
            frames.append(results({"m": np.zeros(10), "m+a": a, "m+b": b, "m+c": c}, task=f"nc/{run}"))
        found = against_hosts(pd.concat(frames), metric="accuracy")
        assert found.groupby("task")["significant"].any().mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


class TestContrasts:
    SCORES: ClassVar = {
        "mlp": [0.70, 0.72, 0.71, 0.73],
        "mlp+a": [0.74, 0.77, 0.75, 0.78],
        "mlp+b": [0.74, 0.76, 0.76, 0.77],
    }

    def test_equals_paired_with_holm_over_the_declared_pairs(self, results) -> None:
        frame = results(self.SCORES)
        pairs = [("mlp", "mlp+a"), ("mlp+b", "mlp+a")]
        found = contrasts(frame, pairs, metric="accuracy", rng=np.random.default_rng(RNG_SEED))
        for (a, b), row in zip(pairs, found.to_dict("records"), strict=True):
            one = paired(frame, a, b, metric="accuracy").iloc[0]
            assert {key: row[key] for key in ("a", "b", "difference", "p", "low", "high")} == pytest.approx(
                {key: one[key] for key in ("a", "b", "difference", "p", "low", "high")}
            )
        assert list(found["p_holm"]) == pytest.approx(list(multipletests(found["p"], method="holm")[1]))
        assert set(found["family"]) == {2}

    def test_the_bootstrap_interval_lies_within_the_values(self, results) -> None:
        """Differences .04 .05 .04 .05: resampled means lie between .04 and .05 around .045."""
        row = contrasts(
            results(self.SCORES), [("mlp", "mlp+a")], metric="accuracy", rng=np.random.default_rng(RNG_SEED)
        ).iloc[0]
        assert 0.04 - 1e-9 <= row["boot_low"] < 0.045 < row["boot_high"] <= 0.05 + 1e-9

    def test_a_fixed_split_flips_signs_of_items(self) -> None:
        """Against every sign pattern of the items' differences averaged over seeds, and Holm's correction by hand."""
        rng = np.random.default_rng(RNG_SEED)
        hits = {m: (rng.random((3, 11)) < p).astype(float) for m, p in (("mlp", 0.3), ("mlp+a", 0.9), ("mlp+b", 0.7))}
        items, frame = items_of(hits)
        pairs = [("mlp", "mlp+a"), ("mlp+b", "mlp+a")]
        options = {"metric": "accuracy", "design": "fixed", "items": items}
        found = contrasts(frame, pairs, rng=np.random.default_rng(RNG_SEED), **options)
        p = []
        for (a, b), row in zip(pairs, found.to_dict("records"), strict=True):
            difference = (hits[b] - hits[a]).mean(axis=0)
            flipped = np.array(list(product((-1, 1), repeat=11))) @ difference / 11
            p.append(np.mean(np.abs(flipped) >= abs(difference.mean()) - 1e-12))
            assert (row["difference"], row["p"], row["n_seeds"]) == pytest.approx((difference.mean(), p[-1], 3))
            assert row["low"] < difference.mean() < row["high"]
            assert row["test"] == "sign-flip permutation over items"
            assert np.isnan([row["boot_low"], row["boot_high"]]).all()
        assert p[0] < p[1]
        assert list(found["p_holm"]) == pytest.approx([2 * p[0], max(2 * p[0], p[1])])
        alone = contrasts(frame, pairs[1:], rng=np.random.default_rng(RNG_SEED), **options)
        assert (alone["low"][0], alone["p"][0]) == (found["low"][1], found["p"][1])

    def test_what_is_not_there(self, results) -> None:
        frame = results({"mlp": [0.7, 0.71], "mlp+a": [0.75]})
        found = contrasts(
            frame, [("mlp", "mlp+a"), ("mlp", "gone")], metric="accuracy", rng=np.random.default_rng(RNG_SEED)
        )
        assert list(found["family"]) == [0, 0]
        assert np.isnan(found["boot_low"]).all()
        assert "no results of gone" in found["note"][1]
        assert "1 seeds left out" in found["note"][0]
        with pytest.raises(UnknownNameError, match="metric"):
            contrasts(frame, [], metric="f2", rng=np.random.default_rng(RNG_SEED))
