"""`assistant` and `assistant chat`: open the chat screen."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from assistant.errors import UsageError

if TYPE_CHECKING:
    from assistant.chat import Chat
    from assistant.engines import LanguageModel
    from assistant.history import History
    from assistant.ringing import Ringing
    from assistant.voice.keys import VoiceKeys
    from assistant.voice.loop import VoiceLoop


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("chat", help="open the chat screen (the default)")
    parser.add_argument("conversation", nargs="?", help="id of a conversation to resume")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Open the history, start serving other processes, show the screen until it is closed."""
    from assistant import config, instance, instance_server, paths
    from assistant.build import open_embedder, open_model
    from assistant.choosing.opening import choosing
    from assistant.cli.passphrase import ask_passphrase
    from assistant.documents.library import Library
    from assistant.history import open_history
    from assistant.models.store import Store
    from assistant.privacy import sandbox
    from assistant.ringing import Ringing
    from assistant.tui.app import run_chat
    from assistant.tui.services import Services
    from assistant.voice.keys import VoiceKeys

    claim = options.claim or instance.claim()
    settings = config.load(paths.settings_file())
    history = open_history(paths.history_folder(), ask_passphrase)
    loaded: list[LanguageModel] = []  # the model on screen, last; shared with the instance server

    def open_and_lend(name: str, report: Callable[[str], None]) -> LanguageModel:
        model = open_model(name, config.load(paths.settings_file()), state_store=history.state_store, report=report)
        loaded.append(model)
        return model

    def lent_model() -> LanguageModel | None:
        return loaded[-1] if loaded else None

    def model_name() -> str:
        return f"I run {loaded[-1].file_name} on this machine." if loaded else "No model is loaded yet."

    keys = VoiceKeys()
    facts = {"model": model_name}
    ringing = Ringing(history, facts, choosing(settings))
    ringing.start()
    library = Library(history, lambda: open_embedder(config.load(paths.settings_file()))).watch()
    served = instance_server.Served(
        lambda: config.load(paths.settings_file()), history, lent_model, ringing.router, library, press=keys.press
    )
    instance_server.start(claim, served)
    try:
        return run_chat(
            Services(
                settings=settings,
                settings_path=paths.settings_file(),
                history=history,
                open_model=open_and_lend,
                installed_models=lambda: [e.name for e in Store(paths.models_folder()).installed() if e.kind == "llm"],
                lock_status=lambda: sandbox.status().statement,
                initial_conversation_id=_opened_first(options.conversation, history),
                router=ringing.router,
                listen=ringing.listen,
                library=library,
                open_voice=voice_with(keys, ringing),
            )
        )
    finally:
        library.close()
        ringing.close()
        for model in loaded:
            model.close()
        history.close()
        claim.release()


def _opened_first(asked: str | None, history: History) -> str | None:
    """The conversation asked for, else the one to be resumed after a restart."""
    from assistant.tools import connecting
    from assistant.tools.records import Records

    noted = connecting.to_resume(Records(history))
    try:
        return history.find_id(asked or noted) if asked or noted else None
    except UsageError:
        if asked:
            raise
        return None  # it was deleted meanwhile


def voice_with(keys: VoiceKeys, ringing: Ringing) -> Callable[[Chat, LanguageModel], AbstractContextManager[VoiceLoop]]:
    """Opens a spoken conversation that obeys the keys and says what rings while it runs; see voice_build.talking."""
    from assistant import config, paths

    @contextmanager
    def open_voice(chat: Chat, model: LanguageModel) -> Iterator[VoiceLoop]:
        from assistant.voice import build as voice_build  # the chat opens without it

        settings = config.load(paths.settings_file())
        voice_build.require_installed()
        voice_build.require_sound(settings)  # told at once: the engines take seconds to load
        with (
            voice_build.talking(chat, model, settings) as loop,
            keys.of(loop),
            ringing.told(loop.announce),
        ):
            yield loop

    return open_voice
