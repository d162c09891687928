"""The speed task: its arithmetic on made-up turns, the bare loop and a short real run on the smallest model.

No test looks at how long something took: only at counts, signs and bounds that hold on the busiest machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.errors import EngineCrashed, EngineError, UsageError
from assistant.models.store import Store
from assistant.turn import Usage
from evals import speed_decode, speed_footprint, speed_turns
from evals.bare_client import BareLoop, BareSettings
from evals.product import Reply, filler, text_of
from evals.speed import PLANNED, RATIOS, Part, Speed
from evals.speed_rivals import parse, rate
from evals.speed_turns import TimedTurn, growth, trim_ratios
from evals.task import Options


def turn(number: int, ttft_ms: float, bare_ms: float = 10.0, trimmed: bool = False) -> TimedTurn:
    return TimedTurn(number, ttft_ms, 60 * number, 60, 60 * number - 30, trimmed, bare_ms)


def test_growth_is_relative_to_what_the_bare_loop_grows_by() -> None:
    """Both sides double from turn 5 to turn 50: the product adds nothing of its own."""
    conversation = [turn(n, 12.0, 10.0) for n in range(3, 8)] + [turn(n, 24.0, 20.0) for n in range(48, 53)]
    assert growth(conversation) == pytest.approx(1.0)


def test_a_prefix_that_breaks_shows_as_growth() -> None:
    conversation = [turn(n, 2.0 * n, 10.0) for n in range(3, 8)] + [turn(n, 2.0 * n, 10.0) for n in range(48, 53)]
    assert growth(conversation) == pytest.approx(10.0)


def test_the_trimming_turn_is_compared_with_the_ordinary_turns_before_it() -> None:
    conversation = [turn(n, 10.0) for n in range(1, 60)] + [turn(60, 15.0, trimmed=True)]
    assert trim_ratios(conversation) == [pytest.approx(1.5)]
    assert trim_ratios(conversation[:-1]) == []
    filling = TimedTurn(61, 900.0, 3000, 1700, 1300, False, 0.0)
    again = [*conversation, filling, turn(62, 10.0), turn(63, 20.0, trimmed=True)]
    assert trim_ratios(again) == [pytest.approx(1.5), pytest.approx(2.0)]


def reply(n_tokens: int, ms_per_token: float, first_ms: float = 100.0) -> Reply:
    at_ms = [first_ms + ms_per_token * i for i in range(n_tokens)]
    usage = Usage(prompt_tokens=50, cached_tokens=20, reply_tokens=n_tokens, finish_reason="length")
    return Reply("x" * n_tokens, at_ms, at_ms[-1] if at_ms else first_ms, 5.0 * n_tokens, usage)


def test_the_cost_of_a_token_leaves_out_the_first() -> None:
    timed = reply(101, 8.0)
    assert timed.ttft_ms == 100.0
    assert timed.per_token.ms == pytest.approx(8.0)
    assert timed.new_tokens == 30


def test_a_reply_too_short_to_time_is_an_error() -> None:
    with pytest.raises(EngineError, match="only 3 tokens"):
        _ = reply(3, 8.0).per_token


def test_a_reply_in_few_large_pieces_cannot_be_timed_by_token() -> None:
    usage = Usage(reply_tokens=100)
    lumps = Reply("", [10.0 * i for i in range(20)], 200.0, 0.0, usage)
    with pytest.raises(EngineError, match="20 pieces for 100 tokens"):
        speed_decode._window_ms(lumps, 0, 10)


def test_tokens_of_a_reply_in_pieces_of_several_are_timed_by_its_characters() -> None:
    """Two tokens a piece and 20 ms a token at first, then one token a piece and 40 ms."""
    usage = Usage(reply_tokens=300)
    at_ms = [40.0 * i for i in range(1, 201)]
    joined = Reply("", at_ms, 8000.0, 0.0, usage, (6,) * 100 + (3,) * 100)
    assert speed_decode._window_ms(joined, 20, 120) == pytest.approx(20.0)
    assert speed_decode._window_ms(joined, 210, 290) == pytest.approx(40.0)
    assert speed_decode._last_windows_ms(joined)[-1] == pytest.approx(40.0)


def test_llama_bench_output_is_read_or_refused() -> None:
    rows = parse(b'[{"n_prompt": 512, "n_gen": 0, "samples_ts": [300.5, 301.0], "avg_ts": 300.7}]')
    assert rows[0].samples_ts == [300.5, 301.0]
    with pytest.raises(EngineError, match="something else than its JSON"):
        parse(b"usage: llama-bench [options]")


def bare_settings(path: Path, n_context: int = 256) -> BareSettings:
    return BareSettings(str(path), n_context, 1, 1, False, True, 0, 64)


@pytest.mark.models
def test_the_bare_loop_repeats_itself_after_a_rewind(smollm2_path: Path) -> None:
    """The same cache and token give the same successors: what is timed twice is the same work."""
    with BareLoop(bare_settings(smollm2_path)) as bare:
        prompt = bare.tokenize("The capital of France is")
        start = bare.prefill(prompt).tokens[0]
        first = bare.decode(start, 8)
        bare.rewind(len(prompt))
        again = bare.decode(start, 8)
        assert first.tokens == again.tokens
        assert len(set(first.tokens)) > 1
        assert first.cpu_ms > 0 and first.ms > 0
        assert bare.info()["n_threads"] == 1
        assert bare.info()["peak_rss_bytes"] > smollm2_path.stat().st_size


@pytest.mark.models
def test_filler_and_text_have_the_length_asked_for(smollm2_path: Path) -> None:
    with BareLoop(bare_settings(smollm2_path)) as bare:
        assert len(filler(bare, 100)) == 100
        text = text_of(bare, 100, "17: ")
        assert text.startswith("17: ")
        assert 90 <= len(bare.tokenize(text)) <= 100


@pytest.mark.models
def test_a_full_context_ends_the_bare_loop_with_a_message(
    smollm2_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with BareLoop(bare_settings(smollm2_path, n_context=64)) as bare:
        bare.prefill(filler(bare, 60))
        with pytest.raises(EngineCrashed, match="code 1"):
            bare.decode(1, 400)
    assert "is the context full?" in capfd.readouterr().err


def test_a_file_that_is_no_model_ends_the_bare_loop_with_a_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(EngineCrashed):
        BareLoop(bare_settings(file))
    assert "cannot load" in capfd.readouterr().err


def test_only_the_standard_library_is_loaded_before_the_environment_is_set() -> None:
    program = (
        "import sys; before = set(sys.modules); import evals.__main__; loaded = set(sys.modules) - before; "
        "print(sorted(loaded & {'numpy', 'psutil', 'msgspec', 'llama_cpp', 'textual'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Tiny(Options):
    """A run of seconds: as few repetitions and tokens as the arithmetic allows."""

    def choose(self, quick: int, default: int, full: int) -> int:
        return max(2, quick // 8)


@pytest.mark.models
@pytest.mark.timeout(900)  # half a minute on two free cores
def test_a_tiny_run_measures_the_real_product_beside_the_real_loop(
    home_with_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every part runs once on the smallest model; what it says must be possible, whatever else the machine does.

    With one thread: two that wait for each other at every barrier can take minutes on a machine with other tests.
    """
    monkeypatch.setattr(speed_turns, "EARLY", 3)
    monkeypatch.setattr(speed_turns, "LATE", 9)
    monkeypatch.setattr(speed_turns, "NEAR", 1)
    monkeypatch.setattr(speed_turns, "TRIMS", 1)
    monkeypatch.setattr(speed_decode, "QUESTIONS", speed_decode.QUESTIONS[:1])
    monkeypatch.setattr(speed_footprint, "PREFILL_TOKENS", 500)
    monkeypatch.setattr(speed_footprint, "ASKED_TOKENS", 4)
    monkeypatch.setattr(speed_footprint, "MEMORY_CONTEXT", 512)
    wanted = ("decoding", "constrained decoding", "cancelling", "time to first token over 50 turns", "memory")
    planned, ratios = (
        tuple(Part(p.name, 0.5, p.measure) for p in parts if p.name in wanted) for parts in (PLANNED, RATIOS)
    )
    outcome = Speed(planned=planned, ratios=ratios, n_context=1024, threads=1).run(Tiny("smollm2-135m"))
    assert [f for f in outcome.failures if f.kind != "not measurable here"] == []
    metrics = outcome.metrics
    assert metrics.keys() >= {
        "decode_ratio", "decode_tps", "bare_decode_tps", "cpu_ms_per_token", "constrained_ratio", "cancel_prefill_ms",
        "ttft_growth", "ttft_trim_ratio", "peak_memory_ratio", "memory_bar_fraction", "process_tree_peak_mb", "load_ms",
    }  # fmt: skip
    for name, metric in metrics.items():
        assert 0 < metric.low <= metric.value <= metric.high < 1e7, name
    assert all(outcome.settings["replies_equal_to_bare"])  # the same work was timed on both sides
    assert len(outcome.settings["replies_equal_to_bare"]) == len(speed_decode.QUESTIONS)
    assert outcome.settings["reused_share_at_turn_50"] > 0.5
    assert 1 < metrics["peak_memory_ratio"].value < 4
    assert metrics["process_tree_peak_mb"].value > 98
    assert outcome.models[0]["sha256"] == Store(home_with_model / "models").resolve("smollm2-135m").sha256


def run_evals(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evals", *arguments],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env={**os.environ, "ASSISTANT_HOME": str(home)},
    )


def test_a_missing_model_leaves_a_document_and_exit_code_4(assistant_home: Path, tmp_path: Path) -> None:
    done = run_evals(assistant_home, "run", "speed", "--quick", "--out", str(tmp_path / "out.jsonl"))
    assert done.returncode == 4
    document = json.loads(done.stdout.splitlines()[-1])
    assert document["metrics"] == {}
    assert document["failures"][0]["kind"] == "ModelMissingError"
    assert document["provenance"]["versions"]["llama-cpp-python"]


def test_every_promise_of_the_speed_task_is_in_its_table() -> None:
    import evals.speed

    table = evals.speed.__doc__ or ""
    for name in ("decode_ratio", "constrained_ratio", "token_4096_ratio", "ttft_growth", "cancel_prefill_ms"):
        assert f"| {name} |" in table
    names = [part.name for part in (*PLANNED, *RATIOS)]
    assert len(set(names)) == len(names)


def test_rates_are_read_from_what_ollama_says() -> None:
    said = (
        "total duration: 1.2s\nprompt eval rate:     812.40 tokens/s\n"
        "eval count: 128 token(s)\neval rate:            95.31 tokens/s\n"
    )
    assert rate(said, "eval rate") == 95.31
    assert rate(said, "prompt eval rate") == 812.40
    with pytest.raises(EngineError, match="eval rate"):
        rate("nothing", "eval rate")


def test_parts_are_chosen_by_name_and_a_smoke_run_has_few(assistant_home: Path) -> None:
    wanted = [p.name for p in (*PLANNED, *RATIOS) if Options("m", only=("^decoding$", "memory")).wants(p.name)]
    assert wanted == ["decoding", "memory"]
    with pytest.raises(UsageError, match="there are decoding, prefill"):
        Speed().run(Options("m", only=("nothing like it",)))
