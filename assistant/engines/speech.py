"""Speech engines in supervised child processes, used like those in this process (engines/hearing.py).

One process each for recognition, the voice, and the judgement of turns: native code that aborts or hangs on strange
input takes down its own process only. A request to one that died raises EngineCrashed; the next request starts a new
one, the third crash within a minute leaves it stopped.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from assistant.engines import speech_wire, wire
from assistant.engines.child import cause_of_death, start_worker
from assistant.engines.hearing import Pcm, Sound, Transcript
from assistant.errors import EngineCrashed, EngineError, EngineTimeout
from assistant.models.spec import ModelSpec
from assistant.spoken.clauses import Clause
from assistant.turn import Turn

_LOAD_S = 180.0
_ANSWER_S = 60.0
_POLL_S = 0.1
_CRASHES, _WITHIN_S = 3, 60.0


class SpeechProcess:
    """One worker with its engine loaded. `request()` may be called from any thread; one is served at a time."""

    def __init__(self, kind: str, spec: ModelSpec, n_threads: int) -> None:
        self._kind, self._spec, self._n_threads = kind, spec, n_threads
        self._lock = threading.Lock()
        self._number = 0
        self._crashes_s: deque[float] = deque(maxlen=_CRASHES)
        self._closed = False
        self.rate_hz = 0
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def request(self, message: Callable[[int], Any], turn: Turn | None = None) -> Iterator[Any]:
        """Send `message(id)` and yield its answers, the last of which is no SoundPiece.

        Ends early when the turn is cancelled. Raises EngineCrashed, EngineTimeout, and what the worker raised.
        """
        with self._lock:
            self._revive()
            self._number += 1
            number = self._number
            if turn is not None:
                turn.on_cancel(lambda: self._cancel(number))
            finished = False
            try:
                self._sender.send(message(number))
                for answer in self._answers(number):
                    finished = not isinstance(answer, speech_wire.SoundPiece)
                    yield answer
            except (EOFError, OSError, wire.WireError):
                finished = True
                raise self._crashed() from None
            finally:
                if not finished:
                    self._drain(number)

    def ask(self, message: Callable[[int], Any]) -> Any:
        """The one answer to a request."""
        (answer,) = self.request(message)
        return answer

    def close(self) -> None:
        self._closed = True
        self._process.kill()

    # -- parts --------------------------------------------------------------------------------------------------------

    def _answers(self, number: int) -> Iterator[Any]:
        deadline_s = time.monotonic() + _ANSWER_S
        while True:
            try:
                answer = self._receiver.receive(max(0.0, deadline_s - time.monotonic()))
            except TimeoutError:
                self._process.kill()
                raise EngineTimeout(
                    f"{self._spec.name} did not answer within {_ANSWER_S:.0f} s; its process was ended and starts again"
                ) from None
            if answer.id != number:
                continue
            if isinstance(answer, wire.Failed):
                raise wire.to_error(answer)
            yield answer
            if not isinstance(answer, speech_wire.SoundPiece):
                return

    def _drain(self, number: int) -> None:
        """The reader went away: stop the worker and read what is still in the pipe."""
        self._cancel(number)
        try:
            for _ in self._answers(number):
                pass
        except (EOFError, OSError, wire.WireError, EngineError):
            return

    def _cancel(self, number: int) -> None:
        try:
            self._sender.send(speech_wire.Cancel(number))
        except OSError:  # it died: nothing to cancel
            return

    def _start(self) -> None:
        started: Future[subprocess.Popen[bytes]] = Future()
        threading.Thread(target=self._live, args=(started,), name=f"{self._kind} worker", daemon=True).start()
        try:
            self._process = started.result()
        except OSError as error:
            raise EngineError(f"the process for {self._spec.name} cannot be started: {error.strerror}") from error
        if self._process.stdin is None or self._process.stdout is None:
            raise EngineError(f"the process for {self._spec.name} has no pipes")
        self._sender = wire.Sender(self._process.stdin.fileno())
        self._receiver = wire.Receiver(self._process.stdout.fileno(), speech_wire.ToApp)
        try:
            self._sender.send(speech_wire.Load(self._kind, os.fsencode(self._spec.path), self._n_threads))
            answer = self._receiver.receive(_LOAD_S)
        except TimeoutError:
            self._process.kill()
            raise EngineTimeout(f"{self._spec.name} did not load in time; is the disk busy?") from None
        except (EOFError, OSError, wire.WireError):
            raise self._crashed() from None
        if isinstance(answer, wire.Failed):
            raise wire.to_error(answer)
        self.rate_hz = answer.rate_hz

    def _live(self, started: Future[subprocess.Popen[bytes]]) -> None:
        """Start and outlive the process in one thread: Linux kills it when the thread that started it ends."""
        try:
            process = start_worker("assistant.engines.speech_worker", str(self._spec.path))
        except BaseException as error:  # noqa: BLE001 - handed over to the constructor, which raises it
            started.set_exception(error)
            return
        started.set_result(process)
        process.wait()

    def _revive(self) -> None:
        if self._closed:
            raise EngineError(f"{self._spec.name} was closed")
        if self._process.poll() is None:
            return
        now_s = time.monotonic()
        self._crashes_s.append(now_s)
        if len(self._crashes_s) == _CRASHES and now_s - self._crashes_s[0] < _WITHIN_S:
            raise EngineError(
                f"{self._spec.name} crashed {_CRASHES} times within a minute and stays stopped; type instead, "
                "and start the assistant again"
            )
        self._start()

    def _crashed(self) -> EngineCrashed:
        self._process.kill()
        why = cause_of_death(self._process, self._process.wait())
        return EngineCrashed(f"the process of {self._spec.name} died ({why}); it is started again, say it once more")


class RemoteTranscriber:
    """A Transcriber."""

    def __init__(self, spec: ModelSpec, n_threads: int = 1) -> None:
        self.process = SpeechProcess("asr", spec, n_threads)

    def transcribe(
        self, pcm: Pcm, language: str = "", hot_words: Sequence[str] = (), draft: bool = False
    ) -> Transcript:
        """See Transcriber.transcribe."""
        told = self.process.ask(lambda n: speech_wire.Transcribe(n, pcm.tobytes(), language, list(hot_words), draft))
        return Transcript(told.text, told.language, told.log_probability, told.no_speech_probability, told.redone)

    def close(self) -> None:
        self.process.close()


class RemoteVoice:
    """A Voice."""

    def __init__(self, spec: ModelSpec, n_threads: int = 1) -> None:
        self.process = SpeechProcess("tts", spec, n_threads)

    @property
    def rate_hz(self) -> int:
        return self.process.rate_hz

    def say(self, words: Iterable[Clause], turn: Turn) -> Iterator[Sound]:
        """See Voice.say."""
        for clause in words:
            if turn.cancelled:
                return
            yield from self._say(clause, turn)

    def close(self) -> None:
        self.process.close()

    def _say(self, clause: Clause, turn: Turn) -> Iterator[Sound]:
        for told in self.process.request(lambda n: speech_wire.Say(n, clause.written, clause.spoken), turn):
            if isinstance(told, speech_wire.SoundPiece):
                pcm = np.frombuffer(told.pcm, np.int16)
                yield Sound(pcm, told.written, told.n_samples, tuple(told.word_ends))


class RemoteJudge:
    """A TurnJudge."""

    def __init__(self, spec: ModelSpec, n_threads: int = 1) -> None:
        self.process = SpeechProcess("judge", spec, n_threads)

    def complete_probability(self, pcm: Pcm) -> float:
        """See TurnJudge.complete_probability."""
        return float(self.process.ask(lambda n: speech_wire.Judge(n, pcm.tobytes())).value)

    def close(self) -> None:
        self.process.close()
