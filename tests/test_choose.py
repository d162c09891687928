"""Predicting a model's speed and choosing one: pure numbers, the measured ones among them.

The figures of the Zen 4 machine are process CPU time on one thread, 24.1 GB/s read bandwidth (docs/experiments.md).
"""

from __future__ import annotations

import pytest

from assistant.models import choose
from assistant.models.catalogue import catalogue
from assistant.models.choose import Candidate, Reference, Speed, Workload

# Bytes read for each token and weights for each prompt token, from the headers of the three files.
SMOLLM2_135M = Workload(
    "smollm2-135m", 30, 98_362_432, {"Q4_1": 66_355_200, "Q8_0": 30_081_024, "F32": 140_544}, {"Q4_1": 106_168_320.0}
)
QWEN_0_5B = Workload(
    "qwen2.5-0.5b",
    24,
    491_400_064,
    {"Q8_0": 146_105_344, "F32": 286_208, "Q6_K": 42_900_480, "Q5_0": 173_150_208, "Q4_K": 29_417_472},
    {"Q6_K": 52_297_728.0, "Q5_0": 251_854_848.0, "Q8_0": 1_376_256.0, "Q4_K": 52_297_728.0},
)
QWEN_1_5B = Workload(
    "qwen2.5-1.5b",
    28,
    1_117_320_768,
    {"Q6_K": 354_009_600, "F32": 579_584, "Q4_K": 625_508_352},
    {"Q6_K": 198_180_864.0, "Q4_K": 1_112_014_848.0},
)
ZEN4_ONE_THREAD = Reference(SMOLLM2_135M, Speed(73.0, 174.0, measured=True), 24.1)


@pytest.mark.parametrize(
    ("work", "decode_tps", "prefill_tps"),
    [(QWEN_0_5B, 32.0, 137.0), (QWEN_1_5B, 21.2, 49.0), (SMOLLM2_135M, 73.0, 174.0)],
)
def test_prediction_meets_the_measured_speeds(work: Workload, decode_tps: float, prefill_tps: float) -> None:
    predicted = choose.predict(work, ZEN4_ONE_THREAD)
    assert predicted.decode_tps == pytest.approx(decode_tps, rel=0.05)
    assert predicted.prefill_tps == pytest.approx(prefill_tps, rel=0.15)
    assert not predicted.measured


ZEN3_ONE_THREAD = Reference(SMOLLM2_135M, Speed(75.7, 140.5, measured=True), 13.5, has_vnni=False)
ZEN3_TWO_THREADS = Reference(SMOLLM2_135M, Speed(90.0, 205.0, measured=True), 25.0, has_vnni=False)


@pytest.mark.parametrize(
    ("reference", "work", "decode_tps", "prefill_tps"),
    [
        (ZEN3_ONE_THREAD, QWEN_0_5B, 24.9, 67.0),
        (ZEN3_ONE_THREAD, QWEN_1_5B, 11.1, 31.0),
        (ZEN3_TWO_THREADS, QWEN_0_5B, 32.5, 91.0),
        (ZEN3_TWO_THREADS, QWEN_1_5B, 15.5, 48.0),
    ],
)
def test_prediction_on_another_machine(
    reference: Reference, work: Workload, decode_tps: float, prefill_tps: float
) -> None:
    """Two Zen 3 cores without VNNI, wall clock on a machine that was never quite quiet."""
    predicted = choose.predict(work, reference)
    assert predicted.decode_tps == pytest.approx(decode_tps, rel=0.2)
    assert predicted.prefill_tps == pytest.approx(prefill_tps, rel=0.15)


def test_better_format_of_the_smallest_is_predicted_from_the_worse() -> None:
    """Q4_0 against Q4_1 at about the same bits: measured 114 against 73 tok/s, 453 against 174 for the prompt."""
    q4_0 = Workload("q4_0", 30, 92_000_000, {"Q4_0": 59_719_680, "Q8_0": 30_081_024}, {"Q4_0": 106_168_320.0})
    predicted = choose.predict(q4_0, ZEN4_ONE_THREAD)
    assert predicted.decode_tps == pytest.approx(114, rel=0.07)
    assert predicted.prefill_tps == pytest.approx(453, rel=0.07)


def test_large_model_is_ruled_by_bandwidth() -> None:
    narrow = Reference(SMOLLM2_135M, Speed(73.0, 174.0), 12.0)
    wide = Reference(SMOLLM2_135M, Speed(73.0, 174.0), 24.1)
    ratio = choose.predict(QWEN_1_5B, narrow).decode_tps / choose.predict(QWEN_1_5B, wide).decode_tps
    assert ratio == pytest.approx(12.0 / 24.1, rel=0.15)


def test_prediction_of_the_reference_is_the_measurement() -> None:
    for decode_tps in (3.0, 60.0, 400.0):
        reference = Reference(SMOLLM2_135M, Speed(decode_tps, 500.0), 200.0)
        predicted = choose.predict(SMOLLM2_135M, reference)
        assert predicted.decode_tps == pytest.approx(decode_tps, rel=1e-3)
        assert predicted.prefill_tps == pytest.approx(500.0)


def test_ttft_counts_question_and_template() -> None:
    assert Speed(20.0, 100.0).ttft_ms == pytest.approx(1000 * 50 / 100 + 1000 / 20)
    assert Speed(0.0, 100.0).ttft_ms == float("inf")


def test_guess_from_file_name_is_near_the_header() -> None:
    guessed = choose.predict(choose.workload_of_entry(catalogue()["qwen2.5-1.5b"]), ZEN4_ONE_THREAD)
    known = choose.predict(QWEN_1_5B, ZEN4_ONE_THREAD)
    assert guessed.decode_tps == pytest.approx(known.decode_tps, rel=0.1)
    assert guessed.prefill_tps == pytest.approx(known.prefill_tps, rel=0.2)


def test_every_language_model_of_the_catalogue_can_be_predicted() -> None:
    for entry in (e for e in catalogue().values() if e.kind == "llm"):
        work = choose.workload_of_entry(entry)
        assert 0.7 * entry.size < sum(work.decode_bytes.values()) <= entry.size
        assert 0 < choose.predict(work, ZEN4_ONE_THREAD).decode_tps < 200


def candidate(
    name: str, gb: float, decode: float, prefill: float, *, installed: bool = True, tested: bool = True, need: float = 0
) -> Candidate:
    work = Workload(name, 24, int(gb * 1e9), {"Q4_K": int(gb * 1e9)}, {"Q4_K": 1e9})
    return Candidate(work, Speed(decode, prefill, measured=True), int((need or gb) * 1e9), installed, tested)


GB8 = 8 * 10**9
SMALL = candidate("small", 0.1, 90, 300)
MIDDLE = candidate("middle", 0.5, 40, 200)


def test_largest_comfortable_installed_is_taken() -> None:
    choice = choose.choose([SMALL, candidate("large", 1.1, 21, 130), MIDDLE], GB8)
    assert choice.name == "large"
    assert [r.split(":")[0] for r in choice.reasons] == ["large", "middle", "small"]


@pytest.mark.parametrize(
    ("decode", "prefill", "why"),
    [(14.9, 500, "slower than 15 tok/s"), (21, 60, "more than 0.5 s to the first word")],
)
def test_uncomfortable_one_is_passed_over_and_the_reason_said(decode: float, prefill: float, why: str) -> None:
    choice = choose.choose([SMALL, MIDDLE, candidate("large", 1.1, decode, prefill)], GB8)
    assert choice.name == "middle"
    assert choice.reasons[0].startswith(f"large: {why}")


def test_one_that_does_not_fit_the_memory_is_passed_over() -> None:
    choice = choose.choose([SMALL, candidate("large", 4.0, 21, 130, need=4.5)], 4 * 10**9)
    assert choice.name == "small"
    assert "needs 4.5 GB of memory and 4.0 GB are available" in choice.reasons[0]


def test_nothing_comfortable_takes_the_fastest() -> None:
    choice = choose.choose([candidate("a", 0.1, 9, 20), candidate("b", 0.5, 4, 10)], GB8)
    assert choice.name == "a"
    assert "fastest" in choice.reasons[-1]


def test_nothing_comfortable_prefers_what_fits() -> None:
    choice = choose.choose([candidate("a", 0.1, 9, 20, need=9), candidate("b", 0.5, 4, 10)], GB8)
    assert choice.name == "b"


def test_better_one_is_named_with_size_and_speed_and_not_taken() -> None:
    choice = choose.choose([SMALL, candidate("qwen2.5-1.5b", 1.12, 21, 130, installed=False)], GB8)
    assert choice.name == "small"
    assert choice.pull == "qwen2.5-1.5b"
    assert choice.pull_bytes == 1_120_000_000
    assert choice.pull_reason == "`assistant models pull qwen2.5-1.5b` (1.1 GB) should run at about 21 tok/s here"


def test_slow_or_smaller_ones_are_not_advised() -> None:
    slow = candidate("slow", 3.0, 8, 60, installed=False)
    smaller = candidate("smaller", 0.3, 60, 300, installed=False)
    assert choose.choose([MIDDLE, slow, smaller], GB8).pull == ""


def test_untested_model_must_be_half_as_large_again() -> None:
    tested = candidate("tested", 1.12, 21, 130, installed=False)
    near = candidate("near", 1.2, 21, 130, installed=False, tested=False)
    assert choose.choose([SMALL, tested, near], GB8).pull == "tested"
    far = candidate("far", 2.0, 21, 130, installed=False, tested=False)
    choice = choose.choose([SMALL, tested, far], GB8)
    assert choice.pull == "far"
    assert "not tested by the authors" in choice.pull_reason
