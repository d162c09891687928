"""Everything the screen needs from below, given to it by the command line; the tests give it a scripted model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.chat import Chat
from assistant.config import Settings
from assistant.documents.library import Library
from assistant.engines import LanguageModel
from assistant.history import History
from assistant.router import Router

if TYPE_CHECKING:
    from assistant.voice.loop import VoiceLoop


@dataclass(slots=True)
class Services:
    """What the screen may call. The callables are called in threads, never on the screen's own."""

    settings: Settings
    settings_path: Path
    history: History
    # name, and who is told what takes long -> loaded model that answers; raises AssistantError
    open_model: Callable[[str, Callable[[str], None]], LanguageModel]
    installed_models: Callable[[], list[str]]
    lock_status: Callable[[], str]  # a word or two about the network lock
    initial_conversation_id: str | None = None
    router: Callable[[History], Router] | None = None  # what rules and tools handle, over this history
    listen: Callable[[Callable[[str], None]], None] | None = None  # be told, in another thread, what rings
    library: Library | None = None  # the user's documents, for conversations that are kept
    ephemeral: bool = False  # start with a conversation that is never stored
    # opens microphone, speaker and engines; raises AssistantError in words; None where there is no voice
    open_voice: Callable[[Chat, LanguageModel], AbstractContextManager[VoiceLoop]] | None = None
