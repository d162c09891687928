"""What the app and a model worker say to each other: MessagePack frames over pipes, each `length (4 bytes) + message`.

Both sides check types and size: a frame above MAX_FRAME or a message of unknown shape is a WireError, never a guess.
The app sends Load once, then requests one at a time; the worker answers each with any number of Piece and one Done
(or Counted, Scored, Embedded, Chosen) or Failed. Cancel may be sent at any time. Nothing is sent unasked.
"""

from __future__ import annotations

import os
import select
import struct
import threading
import time
from typing import Any

import msgspec

from assistant import errors
from assistant.engines import Likelihood, Menu, Picked, Sampling
from assistant.engines.plan import Plan
from assistant.errors import AssistantError, EngineError, PromptTooLong
from assistant.text import safe
from assistant.turn import Usage

MAX_FRAME = 64 << 20  # bytes; the largest thing sent is the state of a prompt head
_READ = 1 << 16
_LENGTH = struct.Struct("<I")


class WireError(Exception):
    """The other side sent something that is no message."""


class Text(msgspec.Struct, frozen=True):
    """A message of the prompt."""

    id: str
    role: str
    content: str


class Question(msgspec.Struct, frozen=True):
    """A Prompt (assistant.engines) as plain data."""

    messages: list[Text]
    sampling: Sampling
    prefix: str
    schema: dict[str, Any] | None
    conversation: str
    plain: bool
    judges_end: bool


class Load(msgspec.Struct, frozen=True, tag=True):
    path: bytes
    name: str
    file_name: str
    sha256: str
    size_bytes: int
    family: str
    architecture: str
    n_context_train: int
    plan: Plan
    adapter: bytes = b""  # path of the adapter for choosing tools, if there is one


class Generate(msgspec.Struct, frozen=True, tag=True):
    id: int
    question: Question


class Score(msgspec.Struct, frozen=True, tag=True):
    id: int
    question: Question
    candidates: list[str]


class Pick(msgspec.Struct, frozen=True, tag=True):
    id: int
    request: str
    menu: Menu


class Count(msgspec.Struct, frozen=True, tag=True):
    id: int
    text: str


class Embed(msgspec.Struct, frozen=True, tag=True):
    id: int
    texts: list[str]


class Cancel(msgspec.Struct, frozen=True, tag=True):
    id: int


class HeadState(msgspec.Struct, frozen=True, tag=True):
    """The KV state of a prompt head: the app offers a kept one, the worker returns a new one."""

    key: str
    state: bytes


class Loaded(msgspec.Struct, frozen=True, tag=True):
    n_context: int


class Piece(msgspec.Struct, frozen=True, tag=True):
    """`end_log_odds` comes with the first piece, see Usage."""

    id: int
    text: str
    end_log_odds: float | None = None


class Done(msgspec.Struct, frozen=True, tag=True):
    id: int
    usage: Usage


class Counted(msgspec.Struct, frozen=True, tag=True):
    id: int
    n_tokens: int


class Scored(msgspec.Struct, frozen=True, tag=True):
    id: int
    likelihoods: list[Likelihood]


class Embedded(msgspec.Struct, frozen=True, tag=True):
    """`vectors` is float32, little endian, one row a text."""

    id: int
    vectors: bytes


class Chosen(msgspec.Struct, frozen=True, tag=True):
    id: int
    picked: Picked


class Failed(msgspec.Struct, frozen=True, tag=True):
    """An AssistantError of the worker; `kind` is its class, the last two fields are those of PromptTooLong."""

    id: int
    kind: str
    text: str
    message_tokens: list[int] = []
    n_context: int = 0


ToWorker = Load | Pick | Generate | Score | Count | Embed | Cancel | HeadState
ToApp = Loaded | Chosen | Piece | Done | Counted | Scored | Embedded | Failed | HeadState


def failure(request: int, error: AssistantError) -> Failed:
    too_long = error if isinstance(error, PromptTooLong) else None
    return Failed(
        request,
        type(error).__name__,
        str(error),
        too_long.message_tokens if too_long else [],
        too_long.n_context if too_long else 0,
    )


def to_error(failed: Failed) -> AssistantError:
    """The error a worker reported, as the exception it was there.

    Native code quotes what it found in a model file: such words are for a terminal only after they were made safe.
    """
    words = safe(failed.text, keep_newlines=False)
    if failed.kind == "PromptTooLong":
        return PromptTooLong(failed.message_tokens, failed.n_context)
    kind = vars(errors).get(failed.kind)
    if isinstance(kind, type) and issubclass(kind, AssistantError):
        return kind(words)
    return EngineError(words)


class Sender:
    """Writes messages to a pipe, one whole frame after another, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._encoder = msgspec.msgpack.Encoder()
        self._lock = threading.Lock()

    def send(self, message: msgspec.Struct) -> None:
        """Raises WireError for a message above MAX_FRAME, OSError when nobody reads any more."""
        body = self._encoder.encode(message)
        if len(body) > MAX_FRAME:
            raise WireError(f"a message of {len(body)} bytes is above the limit of {MAX_FRAME}")
        frame = memoryview(_LENGTH.pack(len(body)) + body)
        with self._lock:
            while frame:
                frame = frame[os.write(self._descriptor, frame) :]


class Receiver:
    """Reads messages from a pipe; for one thread at a time. `of` is "worker", "app", or another union of messages."""

    def __init__(self, descriptor: int, of: Any) -> None:
        self._descriptor = descriptor
        messages = {"worker": ToWorker, "app": ToApp}[of] if isinstance(of, str) else of
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(messages)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._buffer = bytearray()

    def receive(self, timeout_s: float | None = None) -> Any:
        """The next message. Raises TimeoutError, EOFError when the other side is gone, WireError."""
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        while (body := self._take()) is None:
            if end_s is not None and not self._poll.poll(max(0.0, (end_s - time.monotonic()) * 1000)):
                raise TimeoutError
            data = os.read(self._descriptor, _READ)
            if not data:
                raise EOFError
            self._buffer += data
        try:
            return self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise WireError(f"a message of unknown shape: {error}") from error

    def _take(self) -> bytes | None:
        """Cut the first whole frame off the buffer."""
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MAX_FRAME:
            raise WireError(f"a message of {length} bytes is above the limit of {MAX_FRAME}")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        return body
