"""A speech worker: `python -m assistant.engines.speech_worker PATH...`, started by speech.py. One engine a process.

Locked like the model's worker (worker.py): no sockets, no programs, no files but the model's and the libraries'. It
warms its engine up before it says that it is ready, so that the first turn is as fast as the others.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.engines.worker import UNLOCKED_FLAG, die_with_app, take_pipes
from assistant.errors import AssistantError, EngineError, NetworkLockError
from assistant.privacy import environment, sandbox
from assistant.turn import Turn

if TYPE_CHECKING:
    from assistant.engines import wire
    from assistant.engines.hearing import Pcm


def main() -> int:
    incoming, outgoing = take_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_app()
    environment.apply()
    paths = tuple(Path(argument) for argument in sys.argv[1:] if argument != UNLOCKED_FLAG)
    try:
        sandbox.enter_worker(tuple(_with_links(paths)))
    except NetworkLockError:
        if UNLOCKED_FLAG not in sys.argv:
            raise
    from assistant.engines import speech_wire, wire

    _serve(wire.Receiver(incoming, speech_wire.ToWorker), wire.Sender(outgoing))
    return 0


def _with_links(paths: tuple[Path, ...]) -> list[Path]:
    return [*paths, *(path.resolve() for path in paths)]


class _Inbox:
    """A thread reads the pipe, so that a cancel acts at once and the pipe's end ends us inside a long computation."""

    def __init__(self, receiver: wire.Receiver) -> None:
        self._receiver = receiver
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.turn, self.number = Turn(), 0
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def next(self) -> Any:
        return self._requests.get()

    def _read(self) -> None:
        from assistant.engines import speech_wire, wire

        while True:
            try:
                message = self._receiver.receive()
            except (EOFError, OSError, wire.WireError):
                os._exit(0)
            match message:
                case speech_wire.Cancel(id=number):
                    if number == self.number:
                        self.turn.cancel()
                case speech_wire.Load():
                    self._requests.put(message)
                case _:
                    self.turn, self.number = Turn(), message.id
                    self._requests.put(message)


def _serve(receiver: wire.Receiver, sender: wire.Sender) -> None:
    from assistant.engines import speech_wire, wire

    inbox = _Inbox(receiver)
    try:
        engine = _open(inbox.next())
    except AssistantError as error:
        sender.send(wire.failure(0, error))
        return
    sender.send(speech_wire.Ready(engine.rate_hz))
    while True:
        request = inbox.next()
        try:
            engine.answer(request, sender, inbox.turn)
        except AssistantError as error:
            sender.send(wire.failure(request.id, error))


def _open(load: Any) -> Any:
    path = Path(os.fsdecode(load.path))
    match load.kind:
        case "asr":
            return _Asr(path, load.n_threads)
        case "tts":
            return _Tts(path, load.n_threads)
        case "judge":
            return _Judge(path, load.n_threads)
    raise EngineError(f"a speech worker was asked for {load.kind!r}")


class _Asr:
    rate_hz = 0

    def __init__(self, path: Path, n_threads: int) -> None:
        import numpy as np

        from assistant.engines.whisper import WhisperTranscriber

        self._engine = WhisperTranscriber(path, n_threads)
        self._engine.transcribe(np.zeros(16_000, np.int16), "en")  # the first call is slow

    def answer(self, request: Any, sender: wire.Sender, turn: Turn) -> None:
        from assistant.engines import speech_wire

        heard = self._engine.transcribe(_pcm(request.pcm), request.language, request.hot_words, request.draft)
        sender.send(
            speech_wire.Transcribed(
                request.id,
                heard.text,
                heard.language,
                heard.log_probability,
                heard.no_speech_probability,
                heard.redone,
            )
        )


class _Tts:
    def __init__(self, path: Path, n_threads: int) -> None:
        from assistant.engines.piper import PiperVoice
        from assistant.spoken.clauses import Clause

        self._engine = PiperVoice(path, n_threads)
        self.rate_hz = self._engine.rate_hz
        for _ in self._engine.say([Clause("Ready, then.", "Ready, then.")], Turn()):
            pass

    def answer(self, request: Any, sender: wire.Sender, turn: Turn) -> None:
        from assistant.engines import speech_wire
        from assistant.spoken.clauses import Clause

        for sound in self._engine.say([Clause(request.written, request.spoken)], turn):
            sender.send(
                speech_wire.SoundPiece(
                    request.id, sound.pcm.tobytes(), sound.written, sound.n_samples, list(sound.word_ends)
                )
            )
        sender.send(speech_wire.Said(request.id))


class _Judge:
    rate_hz = 0

    def __init__(self, path: Path, n_threads: int) -> None:
        import numpy as np

        from assistant.engines.smart_turn import SmartTurn

        self._engine = SmartTurn(path, n_threads)
        self._engine.complete_probability(np.zeros(16_000, np.int16))

    def answer(self, request: Any, sender: wire.Sender, turn: Turn) -> None:
        from assistant.engines import speech_wire

        sender.send(speech_wire.Probability(request.id, self._engine.complete_probability(_pcm(request.pcm))))


def _pcm(raw: bytes) -> Pcm:
    import numpy as np

    return np.frombuffer(raw, np.int16)


if __name__ == "__main__":
    sys.exit(main())
