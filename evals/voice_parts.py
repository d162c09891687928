"""The parts of `evals run voice`: each measures one group of metrics and puts them into the outcome."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from assistant import paths
from assistant.config import Settings
from assistant.engines import Sampling
from assistant.engines.whisper import WhisperTranscriber
from assistant.errors import AssistantError
from assistant.history import ephemeral_history
from assistant.home.model import simulated
from assistant.models.spec import ModelSpec
from assistant.models.store import Store
from assistant.oneshot import sampling
from assistant.spoken.speakable import speakable
from assistant.tools.opening import surroundings_for
from assistant.turn import Turn
from assistant.voice import build as voice_build
from assistant.voice.events import STAGES, TurnReport
from assistant.voice.understanding import Engines
from evals import machine, voice_latency, voice_naive, voice_recognition, voice_turn_ends
from evals.product import ask
from evals.results import Metric, from_interval, from_samples
from evals.statistics import bootstrap, bootstrap_quantile
from evals.task import Options, Outcome, Progress
from evals.voice_latency import Question
from evals.voice_sounds import as_pcm, load, rows
from evals.wer import normalised

_SNRS_DB = (20, 10, 5)


@dataclass(slots=True)
class Bench:
    """What the parts share. `reports` are the turns of the first part."""

    options: Options
    outcome: Outcome
    progress: Progress
    engines: Engines
    llm: ModelSpec
    reports: list[TurnReport] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """Only asked for by parts that checked it."""
        return self.options.data or Path()

    def needs_data(self, what: str) -> bool:
        if self.options.data is None:
            self.outcome.not_measurable(what, "needs recordings: --data DIR")
        return self.options.data is not None

    def put(self, name: str, metric: Metric) -> None:
        self.outcome.metrics[name] = metric

    def model(self, name: str) -> Path:
        return Store(paths.models_folder()).resolve(name).path


# -- latency ----------------------------------------------------------------------------------------------------------


def first_sound(bench: Bench) -> None:
    """Everything at real pace; p50, p95 and stages for model answers, p50 and p95 for rules."""
    n_rounds = bench.options.choose(1, 1, 6)
    asked = 0
    for at in range(n_rounds):
        questions = _questions(bench, at)
        asked += len(questions)
        bench.reports += voice_latency.converse(questions, bench.engines, _sampling(), bench.options.seed + at)
    by_model = [r for r in bench.reports if r.handled_by != "rule" and r.end_to_first_sound_ms is not None]
    by_rule = [r for r in bench.reports if r.handled_by == "rule" and r.end_to_first_sound_ms is not None]
    _percentiles(bench, "end_to_first_sound", by_model, ("<= 600", "<= 1000"))
    _percentiles(bench, "rule_first_sound", by_rule, ("<= 400", "<= 1000"))
    for prefix, reports in (("", by_model), ("rule_", by_rule)):
        for stage in STAGES:
            known = [ms for r in reports if (ms := r.stages_ms[stage]) is not None]
            if known:
                bench.put(f"{prefix}stage_{stage}_ms", from_samples(known, "ms", better="lower"))
    heard = len(by_model) + len(by_rule)
    bench.put("answered_share", _share([1.0] * heard + [0.0] * max(0, asked - heard)))
    bench.outcome.settings["questions"] = {"asked": asked, "by_rule": len(by_rule), "by_model": len(by_model)}
    bench.outcome.settings["heard"] = [r.heard for r in bench.reports]  # in the order asked: what is missing shows
    _memory(bench)


def naive(bench: Bench) -> None:
    """The serial pipeline on the same questions, and how much sooner ours is heard."""
    pipeline = voice_naive.NaivePipeline(
        bench.llm, bench.model(voice_build.TRANSCRIBER), bench.model(voice_build.VOICE)
    )
    questions = [q for q in voice_latency.scenarios(bench.engines.voice) if q.by == "model"]
    questions = questions[: bench.options.choose(4, 8, 12)]
    turns = [pipeline.turn(q.pcm, reuse=False) for q in questions]
    reusing = [pipeline.turn(q.pcm, reuse=True) for q in questions]
    bench.put("naive_first_sound_p50_ms", from_samples([t.total for t in turns], "ms"))
    bench.put("naive_reusing_first_sound_p50_ms", from_samples([t.total for t in reusing], "ms"))
    for stage in ("hold", "asr", "first_token", "first_sentence", "tts"):
        bench.put(f"naive_stage_{stage}_ms", from_samples([getattr(t, stage) for t in turns], "ms"))
    ours = [r.end_to_first_sound_ms for r in bench.reports if r.handled_by != "rule" and r.end_to_first_sound_ms]
    if not ours:
        bench.outcome.not_measurable("speedup_over_naive", "no model answer was heard")
        return
    for name, theirs, bar in (("speedup_over_naive", turns, ">= 5"), ("speedup_over_naive_reusing", reusing, "")):
        bench.put(name, _ratio_of_medians([t.total for t in theirs], ours, bench.options.seed, bar))


def _questions(bench: Bench, at: int) -> list[Question]:
    """Commands of real people and the scenarios, in another order each round."""
    everything = voice_latency.recorded(bench.options.data) + voice_latency.scenarios(bench.engines.voice)
    order = np.random.default_rng(bench.options.seed + at).permutation(len(everything))
    limit = bench.options.choose(14, len(everything), len(everything))
    return [everything[i] for i in order[:limit]]


def _percentiles(bench: Bench, name: str, reports: list[TurnReport], bars: tuple[str, str]) -> None:
    samples = [float(r.end_to_first_sound_ms or 0.0) for r in reports]
    if not samples:
        bench.outcome.not_measurable(name, "nothing was heard")
        return
    bench.put(f"{name}_p50_ms", from_samples(samples, "ms", better="lower", bar=bars[0]))
    p95 = bootstrap_quantile(samples, 0.95)
    bench.put(f"{name}_p95_ms", from_interval(p95, "ms", better="lower", bar=bars[1]))


def _ratio_of_medians(theirs: list[float], ours: list[float], seed: int, bar: str) -> Metric:
    generator = np.random.default_rng(seed)
    drawn = [np.median(generator.choice(side, (2000, len(side))), axis=1) for side in (theirs, ours)]
    low, high = np.quantile(drawn[0] / drawn[1], [0.025, 0.975])
    value = float(np.median(theirs) / np.median(ours))
    return Metric(value, float(low), float(high), len(theirs), "ratio", better="higher", bar=bar)


def _memory(bench: Bench) -> None:
    """The most that each process has held."""
    engines = bench.engines
    pids = {
        name: getattr(getattr(engine, "process", engine), "pid", 0)
        for name, engine in (
            ("model", engines.model),
            ("asr", engines.transcriber),
            ("tts", engines.voice),
            ("judge", engines.judge),
        )
    }
    peaks = {name: machine.peak_rss_bytes(pid) / 1e6 for name, pid in pids.items() if pid}
    bench.outcome.settings["peak_memory_mb"] = {name: round(mb) for name, mb in peaks.items()}
    total = sum(peaks.values())
    bench.put("peak_memory_mb", Metric(total, total, total, 1, "MB", better="lower"))


# -- turns ------------------------------------------------------------------------------------------------------------


def turn_ends(bench: Bench) -> None:
    """Holds after whole sentences; sentences cut at a pause."""
    engines, limit = bench.engines, bench.options.choose(12, 40, 144)
    if bench.options.data is None:
        whole = cut = [q.pcm for q in voice_latency.scenarios(engines.voice)]
    else:
        names = ("home_commands_en", "coffee_commands_en")
        rows_of = [row for name in names for row in rows(bench.data, name)[:limit]]
        whole = [load(bench.data / row["audio"]) for row in rows_of]
        reading = [load(bench.data / row["audio"]) for row in rows(bench.data, "read_en")]
        cut = whole[-limit:] + reading
    holds = voice_turn_ends.hold_of_whole(whole, engines)
    bench.put("hold_p50_ms", from_samples(holds, "ms", better="lower", bar="<= 300"))
    early = voice_turn_ends.answered_too_early(cut, engines)
    bench.put("false_cut_in_rate", _share(early, better="lower", bar="<= 0.05"))


# -- recognition ------------------------------------------------------------------------------------------------------


def recognition(bench: Bench) -> None:
    """Word error rates of both models on both windows, clean and in noise; other languages."""
    if not bench.needs_data("word error rates"):
        return
    noise, seed = voice_recognition.noises(bench.data), bench.options.seed
    clean = {name: voice_recognition.clips(bench.data, name) for name in ("home_commands_en", "read_en")}
    cpu_s: dict[str, float] = {}
    for model, suffix in ((voice_build.TRANSCRIBER, ""), ("whisper-tiny.en", "_tiny")):
        for window, settings in voice_recognition.WINDOWS.items():
            if suffix and window == "short":
                continue  # it goes in circles there (docs/experiments.md)
            transcriber = WhisperTranscriber(bench.model(model), 2, settings)  # as the product
            name_of_window = "_full" if window == "full" and not suffix else ""
            for name, clips in clean.items():
                for snr in (None, *_SNRS_DB):
                    heard = clips if snr is None else voice_recognition.mixed(clips, noise, snr, seed)
                    scored = voice_recognition.score(transcriber, heard)
                    condition = "" if snr is None else f"_{snr}db"
                    bench.put(f"wer_{name}{condition}{suffix}{name_of_window}", scored.metric(seed))
                    if snr is None:
                        cpu_s[f"{window}{suffix}"] = cpu_s.get(f"{window}{suffix}", 0.0) + scored.cpu_s
                        audio_s = scored.audio_s
                        rtf = scored.cpu_s / audio_s
                        bench.put(f"asr_rtf_{name}{suffix}{name_of_window}", Metric(rtf, rtf, rtf, len(clips), "ratio"))
            n_coffee = bench.options.choose(12, 36, 144)
            shares = voice_recognition.slots_found(transcriber, bench.data, n_coffee)
            bench.put(f"coffee_slots_found{suffix}{name_of_window}", _share(shares))
            if window == "short":
                right, characters = voice_recognition.languages(
                    transcriber, bench.data, bench.options.choose(6, 20, 20)
                )
                bench.put("language_accuracy", _share(right))
                bench.put("cer_multilingual", characters.metric(seed))
            transcriber.close()
    speedup = cpu_s["full"] / cpu_s["short"]
    bench.put("short_window_speedup", Metric(speedup, speedup, speedup, 40, "ratio", better="higher"))
    _window_difference(bench, tuple(clean))


def _window_difference(bench: Bench, names: tuple[str, ...]) -> None:
    """The short window's word error rate less that of 30 s, in points; the worst set counts."""
    metrics = bench.outcome.metrics
    worst = max(metrics[f"wer_{name}"].value - metrics[f"wer_{name}_full"].value for name in names)
    bench.put(
        "short_window_wer_points", Metric(worst, worst, worst, len(names), "points", better="lower", bar="<= 0.5")
    )


def under_load(bench: Bench) -> None:
    """Recognition in its process, alone and while the model writes: how much longer it takes."""
    clips = [q.pcm for q in voice_latency.scenarios(bench.engines.voice)][: bench.options.choose(6, 12, 22)]
    pcm = [as_pcm(clip) for clip in clips]

    def times() -> list[float]:
        taken = []
        for clip in pcm:
            started_s = time.perf_counter()
            bench.engines.transcriber.transcribe(clip, "en")
            taken.append((time.perf_counter() - started_s) * 1000)
        return taken

    alone = times()
    turn = Turn()

    def write() -> None:
        while not turn.cancelled:
            try:
                for _ in bench.engines.model.stream(ask("Tell me a very long story about the sea.", 400), turn):
                    pass
            except AssistantError:
                return

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    time.sleep(1.0)
    loaded = times()
    turn.cancel()
    writer.join()
    bench.put("asr_alone_ms", from_samples(alone, "ms", better="lower"))
    bench.put("asr_under_load_ms", from_samples(loaded, "ms", better="lower"))


def noise(bench: Bench) -> None:
    """Noises, as somebody leaves the microphone open: what is taken for words."""
    if not bench.needs_data("noise"):
        return
    sounds = voice_recognition.noises(bench.data)[: bench.options.choose(8, 24, 24)]
    names = voice_build.hot_words(surroundings_for(ephemeral_history(), home=simulated()))
    n_utterances, n_texts, seconds = voice_recognition.turns_in_noise(bench.engines.transcriber, sounds, names)
    per_hour = 3600 / seconds
    high = (n_texts + 3.0) * per_hour  # about the upper 95 % bound of a Poisson count that small
    value = n_texts * per_hour
    bench.put("noise_turns_per_hour", Metric(value, 0.0, high, len(sounds), "1/h", better="lower"))
    bench.outcome.settings["noise"] = {"utterances": n_utterances, "texts": n_texts, "seconds": round(seconds)}


def spoken_forms(bench: Bench) -> None:
    """Numbers, years, money as they are read aloud: the share of rows whose words are all those of the reader."""
    if not bench.needs_data("spoken forms"):
        return
    lines = (bench.data / "text" / "spoken_form_en.jsonl").read_text().splitlines()
    pairs = [(json.loads(line)["raw"], json.loads(line)["spoken"]) for line in lines if line.strip()]
    right = [float(_words(speakable(raw, "en")) == _words(spoken)) for raw, spoken in pairs]
    bench.put("spoken_form_accuracy", _share(right, better="higher"))


def _words(text: str) -> list[str]:
    return normalised(text.replace("-", " "))


def _share(samples: list[float], **judged: str) -> Metric:
    return from_interval(bootstrap(samples, np.mean), "share", samples=samples, paired=True, **judged)


def _sampling() -> Sampling:
    return sampling(Settings())
