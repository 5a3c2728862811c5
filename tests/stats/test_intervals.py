"""The estimates of one sample: closed forms, numbers by hand, calibration under the null, and degenerate samples."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from magbench.errors import OptionError, RecordError
from magbench.stats.intervals import bootstrap_interval, corrected_t, mcnemar_exact, sign_flip


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


class TestCorrectedT:
    def test_by_hand(self) -> None:
        # d = .01 .02 .03: mean .02, s² = .0001; variance of the mean = .0001 (1/3 + 1/3); t = .02 / .0081650 = 2.4495
        # with 2 degrees of freedom, whose two-sided p is 1 - t / sqrt(t² + 2) = 1 - 2.4495 / 2.8284 = .13397;
        # the 95 % quantile is 4.3027, so the interval reaches 4.3027 * .0081650 = .035131 to either side.
        found = corrected_t(np.array([0.01, 0.02, 0.03]), test_train_ratio=1 / 3)
        assert found.mean == pytest.approx(0.02)
        assert found.p == pytest.approx(0.13397, abs=1e-5)
        assert found.detectable == pytest.approx(0.035131, abs=1e-6)
        assert (found.low, found.high) == pytest.approx((0.02 - 0.035131, 0.02 + 0.035131), abs=1e-6)

    def test_ten_seeds_are_significant_from_1_49_standard_deviations_on(self, rng: np.random.Generator) -> None:
        shape = rng.normal(size=10)
        shape = (shape - shape.mean()) / shape.std(ddof=1)
        assert corrected_t(shape, test_train_ratio=1 / 3).detectable == pytest.approx(1.49, abs=0.005)
        assert (
            corrected_t(shape + 1.48, test_train_ratio=1 / 3).p
            > 0.05
            > corrected_t(shape + 1.50, test_train_ratio=1 / 3).p
        )

    def test_ratio_zero_is_the_ordinary_t_test(self, rng: np.random.Generator) -> None:
        values = rng.normal(0.3, 1, size=12)
        found, expected = corrected_t(values, test_train_ratio=0), stats.ttest_1samp(values, 0)
        assert found.p == pytest.approx(expected.pvalue)
        assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))

    def test_interval_and_p_agree(self, rng: np.random.Generator) -> None:
        for _ in range(200):
            found = corrected_t(rng.normal(0.5, 1, size=5), test_train_ratio=1 / 3)
            assert (found.p <= 0.05) == (not found.low <= 0 <= found.high) == (abs(found.mean) >= found.detectable)

    def test_type_one_error_with_correlated_seeds(self, rng: np.random.Generator) -> None:
        # Seeds of a drawn split correlate by n_test / (n_train + n_test) = 1/4 (Nadeau & Bengio's model).
        runs = 4_000
        shared, own = rng.normal(size=(runs, 1)), rng.normal(size=(runs, 10))
        samples = np.sqrt(1 / 4) * shared + np.sqrt(3 / 4) * own
        corrected = np.mean([corrected_t(sample, test_train_ratio=1 / 3).p <= 0.05 for sample in samples])
        plain = np.mean([corrected_t(sample, test_train_ratio=0).p <= 0.05 for sample in samples])
        assert abs(corrected - 0.05) < 4 * np.sqrt(0.05 * 0.95 / runs)
        assert plain > 0.2

    def test_identical_scores(self) -> None:
        found = corrected_t(np.zeros(5), test_train_ratio=1 / 3)
        assert (found.mean, found.low, found.high, found.p, found.detectable) == (0, 0, 0, 1, 0)
        assert "identical" in found.note

    def test_equal_differences_fall_back_to_the_sign_test(self) -> None:
        found = corrected_t(np.array([0.71 - 0.70, 0.66 - 0.65, 0.81 - 0.80]), test_train_ratio=1 / 3)
        assert found.p == pytest.approx(2 * 0.5**3)
        assert found.low == found.high == found.mean and "sign test" in found.test

    def test_one_seed_has_a_mean_only(self) -> None:
        found = corrected_t(np.array([0.7]), test_train_ratio=1 / 3)
        assert found.mean == 0.7 and np.isnan([found.low, found.high, found.p, found.detectable]).all()
        assert "one seed" in found.note

    @pytest.mark.parametrize(("ratio", "confidence"), [(-1, 0.95), (np.nan, 0.95), (1 / 3, 1.0), (1 / 3, 0)])
    def test_options_out_of_range(self, ratio: float, confidence: float) -> None:
        with pytest.raises(OptionError):
            corrected_t(np.arange(3.0), test_train_ratio=ratio, confidence=confidence)


class TestSignFlip:
    def test_by_hand(self, rng: np.random.Generator) -> None:
        # All 2^8 sign patterns are taken; only all-plus and all-minus reach |mean| = 1, so p = 2 / 256.
        assert sign_flip(np.ones(8), rng=rng).p == pytest.approx(2 / 256)

    def test_type_one_error(self, rng: np.random.Generator) -> None:
        runs = 200
        rejected = np.mean([sign_flip(rng.standard_t(3, size=12), rng=rng).p <= 0.05 for _ in range(runs)])
        assert abs(rejected - 0.05) < 4 * np.sqrt(0.05 * 0.95 / runs)

    def test_agrees_with_the_normal_limit(self, rng: np.random.Generator) -> None:
        values = rng.normal(0.05, 1, size=2_000)
        found = sign_flip(values, rng=rng)
        assert found.p == pytest.approx(2 * stats.norm.sf(abs(values.mean()) * np.sqrt(2_000)), abs=0.02)
        assert found.detectable == pytest.approx(1.96 / np.sqrt(2_000), rel=0.06)

    def test_same_generator_same_answer(self) -> None:
        values = np.random.default_rng(1).normal(size=100)
        first, second = (sign_flip(values, rng=np.random.default_rng(2)) for _ in range(2))
        assert first == second

    def test_identical_scores(self, rng: np.random.Generator) -> None:
        found = sign_flip(np.zeros(50), rng=rng)
        assert (found.p, found.low, found.high) == (1, 0, 0) and "identical" in found.note

    def test_too_few_items_can_detect_nothing(self, rng: np.random.Generator) -> None:
        assert np.isnan(sign_flip(np.ones(5), rng=rng).detectable)
        # 2 of 64 patterns reach 1, which is significant; 14 of 64 reach 4/6, which is not.
        assert sign_flip(np.ones(6), rng=rng).detectable == pytest.approx(1)


class TestMcNemar:
    def test_by_hand(self, rng: np.random.Generator) -> None:
        # a alone is right on 1 item, b alone on 7: p = 2 (C(8,0) + C(8,1)) / 2^8 = 18/256; difference 6/20.
        a = np.array([1.0] * 5 + [0.0] * 7 + [1.0] + [0.0] * 7)
        b = np.array([1.0] * 5 + [1.0] * 7 + [0.0] + [0.0] * 7)
        found = mcnemar_exact(a, b, rng=rng)
        assert (found.mean, found.p) == pytest.approx((0.3, 18 / 256))
        # With 8 discordant items only 0 : 8 is significant (2/256), a margin of 8 of 20.
        assert found.detectable == pytest.approx(8 / 20)

    def test_fewer_than_six_discordant_items_cannot_be_significant(self, rng: np.random.Generator) -> None:
        a, b = np.zeros(10), np.array([1.0] * 3 + [0.0] * 7)
        found = mcnemar_exact(a, b, rng=rng)
        assert found.p == pytest.approx(0.25) and found.detectable == pytest.approx(6 / 10)

    def test_never_more_than_its_level(self, rng: np.random.Generator) -> None:
        a, b = (rng.random((400, 60)) < 0.6).astype(float), (rng.random((400, 60)) < 0.6).astype(float)
        assert np.mean([mcnemar_exact(x, y, rng=rng).p <= 0.05 for x, y in zip(a[:200], b[:200], strict=True)]) <= 0.08

    def test_identical_and_non_binary(self, rng: np.random.Generator) -> None:
        assert mcnemar_exact(np.ones(5), np.ones(5), rng=rng).p == 1
        with pytest.raises(RecordError, match="right"):
            mcnemar_exact(np.full(5, 0.5), np.ones(5), rng=rng)


def test_bootstrap_covers_and_refuses_a_single_item(rng: np.random.Generator) -> None:
    covered = [low <= 0 <= high for low, high in (bootstrap_interval(rng.normal(size=60), rng=rng) for _ in range(200))]
    assert 0.88 < np.mean(covered) < 0.99
    with pytest.raises(RecordError, match="at least 2"):
        bootstrap_interval(np.ones(1), rng=rng)
