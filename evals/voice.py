"""`evals run voice [--data DIR]`: how soon, how well and how steadily a spoken conversation goes.

| metric | what it is | promise |
|---|---|---|
| end_to_first_sound_p50_ms, _p95_ms | acoustic end of a question -> first audible sample; model | <= 600, 1000 |
| rule_first_sound_p50_ms, _p95_ms | the same for what a rule answers | <= 400 |
| stage_NAME_ms | where the time goes: hold, turn_model, asr, first_token, first_clause, tts, output; they overlap | |
| speedup_over_naive | the serial pipeline of voice_naive.py, same model files, same questions / ours | >= 5 |
| hold_p50_ms, false_cut_in_rate | decision after whole sentences; cut sentences answered early | <= 300, 0.05 |
| wer_SET, wer_SET_SNRdb | words wrong in percent, base on the short window; _full is 30 s, _tiny is tiny.en | |
| short_window_speedup | CPU time on 30 s / on the short window | |
| barge_in_p95_ms, barge_in_decided_p95_ms | onset of the user's speech -> silent; -> stop or resume | <= 200, 800 |
| pulse_barge_in_ | the same through the devices of a PulseAudio server, if one is installed | <= 200, 800 |
| self_interruptions, noise_stop_rate, backchannel_ | own voice at -10, -20, -30 dB; ends of an answer | <= 0, 0.1 |
| wake_miss_rate, wake_false_per_hour | "alexa" by real people; all words on speech and noise without them | |
| noise_turns_per_hour | sounds that are no speech and got a transcript | |

Latency is measured at real pace with files as devices. Without --data everything is spoken by the product's own voice,
and what needs recordings is left out. --full asks every question six times instead of once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assistant.build import open_model
from assistant.config import Settings
from assistant.errors import AssistantError, ModelMissingError, UsageError
from assistant.voice import build as voice_build
from evals import machine, voice_interruptions, voice_parts
from evals.product import resolve
from evals.results import Failure
from evals.task import Effort, NoSuchPart, Options, Outcome, Progress
from evals.voice_parts import Bench


@dataclass(frozen=True, slots=True)
class Part:
    """A group of metrics taken together; `expected_s` is for the default effort on two cores."""

    name: str
    expected_s: float
    measure: Callable[[Bench], None]


PARTS = (
    Part("first sound", 300, voice_parts.first_sound),
    Part("the naive pipeline", 120, voice_parts.naive),
    Part("ends of turns", 180, voice_parts.turn_ends),
    Part("recognition", 420, voice_parts.recognition),
    Part("recognition under load", 60, voice_parts.under_load),
    Part("noise", 60, voice_parts.noise),
    Part("spoken forms", 5, voice_parts.spoken_forms),
    Part("interruptions", 240, voice_interruptions.interruptions),
    Part("interruptions through PulseAudio", 80, voice_interruptions.through_pulse),
    Part("wake words", 180, voice_interruptions.wake_words),
)
SMOKE = ("first sound", "spoken forms")


@dataclass(frozen=True, slots=True)
class Voice:
    """The task; a smoke test can have fewer parts."""

    name: str = "voice"
    summary: str = "end of speech to first sound, ends of turns, word errors, interruptions, beside a naive pipeline"
    needs: str = "a pulled language model, whisper-base, whisper-tiny.en, voice-en-us-joe, smart-turn; --data for most"
    reads: tuple[str, ...] = ("speech/*.jsonl", "text/spoken_form_en.jsonl")
    parts: tuple[Part, ...] = PARTS

    def run(self, options: Options) -> Outcome:
        """Raises UsageError, ModelMissingError, ModelRefusedError, NotEnoughMemoryError, EngineError."""
        parts = [part for part in self.parts if self._wants(part, options)]
        if not parts:
            raise NoSuchPart(f"there is no such part; there are {', '.join(part.name for part in self.parts)}")
        try:
            voice_build.require_installed()
        except ModelMissingError as error:
            raise UsageError(str(error)) from error  # not asked for by name, it is only left out
        outcome = Outcome()
        progress = Progress({part.name: part.expected_s for part in parts})
        for name in (options.model, voice_build.TRANSCRIBER, voice_build.VOICE, voice_build.TURN_JUDGE):
            spec = resolve(name)
            outcome.models.append(
                {"name": spec.name, "file": spec.file_name, "sha256": spec.sha256, "size_bytes": spec.size_bytes}
            )
        model = open_model(options.model, Settings())
        try:
            with voice_build.opened(model) as engines:
                bench = Bench(options, outcome, progress, engines, resolve(options.model))
                for part in parts:
                    _measure(bench, part)
        finally:
            model.close()
        return outcome

    def _wants(self, part: Part, options: Options) -> bool:
        if options.effort is Effort.SMOKE and part.name not in SMOKE:
            return False
        return options.wants(part.name)


def _measure(bench: Bench, part: Part) -> None:
    """One part; when it fails it leaves a failure and the others go on."""
    bench.progress.start(part.name)
    before = machine.cpu_times()
    try:
        part.measure(bench)
    except AssistantError as error:
        bench.outcome.failures.append(Failure(part.name, type(error).__name__, str(error)))
        bench.progress.say(f"  failed: {error}")
    share = machine.foreign_share(before, machine.cpu_times())
    bench.outcome.settings[f"foreign_cpu_share {part.name}"] = round(share, 3)
    bench.outcome.contended |= share > machine.CALM_SHARE
    bench.progress.finish(part.name)
