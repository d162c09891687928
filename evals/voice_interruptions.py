"""The parts of `evals run voice` about our own voice: interrupted by the user, by itself, by noises; and wake words."""

from __future__ import annotations

import numpy as np

from assistant.audio.messages import Change
from assistant.engines.wake_word import WakeWord
from evals import pulse_server, voice_pulse, voice_wake
from evals.results import Metric, from_interval
from evals.statistics import bootstrap, bootstrap_quantile
from evals.voice_barge_in import Interruption, backchannels, from_second, interrupt, noises, self_interruptions
from evals.voice_parts import Bench
from evals.voice_sounds import Floats, Remark, Spoken, echo_path, own_voice, remarks, rooms

_ATTENUATIONS_DB = (10.0, 20.0, 30.0)  # of our own voice on its way back into the microphone
_PEOPLE = ("not_wake_words_en", "read_en", "coffee_commands_en")
_USER_DB = -22.0  # loud parts of the user's voice at the microphone
_TEXTS = (
    "The whale is the largest animal that has ever lived, and it sings to others over hundreds of kilometres.",
    "Bees make honey from the nectar of flowers, and they keep it for the winter in cells of wax.",
    "A glacier is a river of ice, which flows so slowly that nobody can see it move.",
)


def interruptions(bench: Bench) -> None:
    """Real people, noises, and nobody at all, while we speak into a measured room."""
    if not bench.needs_data("interruptions"):
        return
    rate_hz = bench.engines.voice.rate_hz
    own = own_voice(bench.engines.voice, _TEXTS, 60.0)
    measured = rooms(bench.data)
    _people(bench, own, rate_hz, [echo_path(room, 20.0) for room in measured])
    _sounds(bench, own, rate_hz, [echo_path(room, 20.0) for room in measured])
    seconds, n_rooms = bench.options.choose(20, 58, 58), bench.options.choose(1, 1, 4)
    stopped = 0
    for number, attenuation_db in enumerate(_ATTENUATIONS_DB):
        told = {"seconds": seconds * n_rooms, "stopped": 0, "ducked": 0}
        for at in range(number, number + n_rooms):
            room = echo_path(measured[at % len(measured)], attenuation_db)
            n_stopped, n_ducked = self_interruptions(own, rate_hz, room, seconds)
            told["stopped"] += n_stopped
            told["ducked"] += n_ducked
        stopped += told["stopped"]
        bench.outcome.settings[f"own voice at -{attenuation_db:.0f} dB"] = told
    count = float(stopped)
    metric = Metric(count, count, count, len(_ATTENUATIONS_DB), "count", better="lower", bar="<= 0")
    bench.put("self_interruptions", metric)


def through_pulse(bench: Bench) -> None:
    """Real people again, through the devices of a PulseAudio server: every buffer is in the figures."""
    what = "interruptions through PulseAudio"
    if not bench.needs_data(what):
        return
    if pulse_server.MISSING:
        bench.outcome.not_measurable(what, pulse_server.MISSING)
        return
    own = own_voice(bench.engines.voice, _TEXTS, 60.0)
    found = remarks(bench.data, _PEOPLE, _USER_DB)[: bench.options.choose(6, 20, 100)]
    trials = voice_pulse.interruptions(found, own, bench.engines.voice.rate_hz)
    _barge_in(bench, trials, "pulse_")
    ducked = [float(t.ducked_ms is not None and t.ducked_ms <= 200) for t in trials]
    bench.put("pulse_barge_in_within_200_ms", _share(ducked, better="higher", bar=">= 1"))


def wake_words(bench: Bench) -> None:
    """Misses of "alexa" on recordings, of the others on synthetic speech; false alarms an hour."""
    if not bench.needs_data("wake words"):
        return
    for word in WakeWord:
        real = word is WakeWord.ALEXA
        if not real and bench.options.choose(0, 1, 1) == 0:
            continue
        misses = (
            voice_wake.real_misses(bench.data, word) if real else voice_wake.synthetic_misses(bench.engines.voice, word)
        )
        samples = [1.0] * misses.n_missed + [0.0] * (misses.n - misses.n_missed)
        name = "wake_miss_rate" if real else f"wake_miss_rate_synthetic_{word.value}"
        bench.put(name, from_interval(bootstrap(samples, np.mean), "share", better="lower"))
    names = voice_wake.WITHOUT if bench.options.choose(0, 1, 1) else voice_wake.WITHOUT[:1]
    alarms = voice_wake.false_alarms(bench.data, list(WakeWord), names)
    metric = Metric(alarms.per_hour, 0.0, alarms.upper_per_hour, alarms.n, "1/h", better="lower")
    bench.put("wake_false_per_hour", metric)
    bench.outcome.settings["wake_false_hours"] = round(alarms.hours, 3)


def _people(bench: Bench, own: list[Spoken], rate_hz: int, paths: list[Floats]) -> None:
    found = remarks(bench.data, _PEOPLE, _USER_DB)[: bench.options.choose(12, 50, 100)]
    trials = [_trial(remark, number, own, rate_hz, paths) for number, remark in enumerate(found)]
    _barge_in(bench, trials, "")


def _barge_in(bench: Bench, trials: list[Interruption], prefix: str) -> None:
    ducked = [t.ducked_ms for t in trials if t.ducked_ms is not None]
    decided = [t.decided_ms for t in trials if t.decided_ms is not None]
    bench.put(f"{prefix}barge_in_heard_rate", _share([float(t.ducked_ms is not None) for t in trials], better="higher"))
    if not ducked:
        return
    bench.put(f"{prefix}barge_in_p95_ms", _p95(ducked, "<= 200"))
    most = max(ducked)
    bench.put(f"{prefix}barge_in_max_ms", Metric(most, most, most, len(ducked), "ms", better="lower"))
    bench.put(f"{prefix}barge_in_decided_p95_ms", _p95(decided, "<= 800"))


def _sounds(bench: Bench, own: list[Spoken], rate_hz: int, paths: list[Floats]) -> None:
    """Noises and signs of listening: they may duck us, but not end the answer."""
    limit = bench.options.choose(8, 24, 100)
    for name, bar, found in (
        ("noise", "<= 0.1", noises(bench.data, _USER_DB)),
        ("backchannel", "<= 0.1", backchannels(bench.engines.voice, _USER_DB)),
    ):
        trials = [_trial(remark, number, own, rate_hz, paths) for number, remark in enumerate(found[:limit])]
        stopped = [float(t.change is Change.STOPPED) for t in trials]
        bench.put(f"{name}_stop_rate", _share(stopped, better="lower", bar=bar))
        if resumed := [float(t.at_word_boundary) for t in trials if t.change is Change.RESUMED]:
            bench.put(f"{name}_resumed_at_word_boundary", _share(resumed, better="higher"))


def _trial(remark: Remark, number: int, own: list[Spoken], rate_hz: int, paths: list[Floats]) -> Interruption:
    return interrupt(
        remark, from_second(own, rate_hz, 2.0 * (number % 15)), rate_hz, paths[number % len(paths)], number
    )


def _p95(samples: list[float], bar: str) -> Metric:
    return from_interval(bootstrap_quantile(samples, 0.95), "ms", better="lower", bar=bar)


def _share(samples: list[float], **judged: str) -> Metric:
    return from_interval(bootstrap(samples, np.mean), "share", **judged)
