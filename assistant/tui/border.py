"""The border between threads and the screen: threads pull the engines and tell the screen what happened, by messages.

Nothing here touches a widget but through `post_message`. Each message carries what it belongs to, a turn or a request,
so that late work of an old one is dropped by identity.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from textual.message import Message as Event
from textual.message_pump import MessagePump

from assistant.chat import Chat
from assistant.conversation import Message, Role
from assistant.engines import LanguageModel, Prompt, Sampling
from assistant.errors import AssistantError, EngineError
from assistant.session import chat_turn
from assistant.turn import Turn

_PROBE_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0)


class Piece(Event):
    """A piece of the reply."""

    def __init__(self, turn: Turn, text: str) -> None:
        super().__init__()
        self.turn = turn
        self.text = text


class Ended(Event):
    """The turn is over and its reply committed, or the commit failed."""

    def __init__(self, turn: Turn, error: Exception | None) -> None:
        super().__init__()
        self.turn = turn
        self.error = error


class ModelReady(Event):
    """A model answers: a new one, or the same one after its process died."""

    def __init__(self, request: object, model: LanguageModel) -> None:
        super().__init__()
        self.request = request
        self.model = model


class ModelTakesLong(Event):
    """Why the model that was asked for is not there yet, such as a measurement that runs once."""

    def __init__(self, request: object, text: str) -> None:
        super().__init__()
        self.request = request
        self.text = text


class ModelFailed(Event):
    """The model that was asked for cannot be used."""

    def __init__(self, request: object, name: str, error: Exception) -> None:
        super().__init__()
        self.request = request
        self.name = name
        self.error = error


def start_turn(screen: MessagePump, reply: Message, turn: Turn, chat: Chat, model: LanguageModel) -> threading.Thread:
    """Pull a turn in a thread; the screen gets `Piece`s and one `Ended`."""

    def pull() -> None:
        error: Exception | None = None
        try:
            for piece in chat_turn(reply, turn, chat, model):
                screen.post_message(Piece(turn, piece))
        except Exception as caught:  # noqa: BLE001 - handed over to the screen, which tells the user
            error = caught
        screen.post_message(Ended(turn, error))

    return _start(pull, "turn")


def start_loading(
    screen: MessagePump,
    request: object,
    open_model: Callable[[str, Callable[[str], None]], LanguageModel],
    name: str,
) -> threading.Thread:
    """Load a model in a thread."""

    def report(text: str) -> None:
        screen.post_message(ModelTakesLong(request, text))

    def load() -> None:
        try:
            screen.post_message(ModelReady(request, open_model(name, report)))
        except Exception as error:  # noqa: BLE001 - handed over to the screen, which tells the user
            screen.post_message(ModelFailed(request, name, error))

    return _start(load, "loading")


def start_probing(screen: MessagePump, request: object, model: LanguageModel) -> threading.Thread:
    """After a crash: ask the restarted process for one token until it answers or has failed five times."""

    def probe() -> None:
        prompt = Prompt([Message(Role.USER, "Hi")], Sampling(max_tokens=1), conversation="probe")
        last: Exception = AssistantError("the model process does not answer")
        for pause_s in _PROBE_PAUSES_S:
            time.sleep(pause_s)
            try:
                for _ in model.stream(prompt, Turn()):
                    pass
            except EngineError as error:
                last = error
            else:
                screen.post_message(ModelReady(request, model))
                return
        screen.post_message(ModelFailed(request, model.name, last))

    return _start(probe, "probing")


def start_closing(model: LanguageModel) -> threading.Thread:
    """Free a model that was replaced; that can take a while."""
    return _start(model.close, "closing")


def _start(work: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def told(error: Exception) -> str:
    """What to say about an error: our own errors say it themselves; of others only the kind, never the content."""
    if isinstance(error, AssistantError):
        return str(error)
    return f"An unexpected {type(error).__name__} happened. What was said so far is saved; try again."
