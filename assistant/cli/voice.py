"""`assistant voice`: talk to the assistant. WAV files can stand in for microphone and speaker."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from assistant.chat import Chat
    from assistant.config import Settings
    from assistant.engines import LanguageModel
    from assistant.history import History
    from assistant.instance import Claim
    from assistant.ringing import Ringing
    from assistant.voice.keys import VoiceKeys

_EXAMPLES = """examples:
  assistant voice                       talk; in the terminal m mutes, space stops the answer, q ends
  assistant voice --wake alexa          answer only after the wake word, and to what follows an answer
  assistant voice hold                  push to talk from another process; release, hush, mute, unmute are the others
  assistant voice devices               name the microphones and speakers
  assistant voice --audio-in question.wav --audio-out answer.wav --json"""


_KEYS = ("hold", "release", "hush", "mute", "unmute")  # of instance_wire.Key, whose import is left to those who press


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "voice",
        help="a spoken conversation, without a screen",
        description="Talk to the assistant and interrupt it whenever you like.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what", nargs="?", choices=("talk", "devices", *_KEYS), default="talk", help="talk is the default"
    )
    parser.add_argument("--audio-in", metavar="WAV", type=Path, help="a file instead of the microphone")
    parser.add_argument("--audio-out", metavar="WAV", type=Path, help="a file instead of the speaker")
    parser.add_argument("--pace", choices=("real", "fast"), default="real", help="files: by the clock, or at once")
    parser.add_argument("--microphone", metavar="NAME", help="(a part of) the name of a microphone")
    parser.add_argument("--speaker", metavar="NAME", help="(a part of) the name of a speaker")
    parser.add_argument("--wake", metavar="WORD", help="answer only after this wake word")
    parser.add_argument("--language", metavar="CODE", help='what is spoken, such as en, or "auto"')
    parser.add_argument("--json", action="store_true", help="print one JSON document per turn")
    parser.add_argument("--model", metavar="NAME|PATH", help="a model of `assistant models list`, or an approved file")
    parser.add_argument("--ephemeral", action="store_true", help="save nothing")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load everything, say so, then listen until the input ends or the user leaves."""
    if options.what == "devices":
        return _devices(options.json)
    if options.what in _KEYS:
        return _press(options.what)
    if options.audio_in is None and (options.audio_out is not None or options.pace != "real"):
        raise UsageError("--audio-out and --pace fast go with --audio-in: a file instead of the microphone")

    from assistant import instance, paths
    from assistant.build import open_model
    from assistant.cli.passphrase import ask_passphrase
    from assistant.cli.voice_terminal import VoiceTerminal
    from assistant.history import ephemeral_history, open_history
    from assistant.voice import build as voice_build
    from assistant.voice.keys import VoiceKeys

    voice_build.require_installed()
    settings = _settings(options)
    if options.audio_in is None:
        voice_build.require_sound(settings)
    with contextlib.ExitStack() as stack:
        claim = None if options.ephemeral else options.claim or instance.claim()
        if claim is not None:
            stack.callback(claim.release)
        history = ephemeral_history() if options.ephemeral else open_history(paths.history_folder(), ask_passphrase)
        stack.callback(history.close)
        store = None if options.ephemeral else history.state_store
        terminal = VoiceTerminal(options.json)
        terminal.notice("the voice is loading…")
        model = open_model(options.model or settings.model, settings, state_store=store, report=terminal.notice)
        stack.callback(model.close)
        keys = VoiceKeys()
        chat, ringing = _conversation(stack, settings, history, model)
        _serve(claim, history, model, ringing, chat, keys)
        files = {"audio_in": options.audio_in, "audio_out": options.audio_out, "real_pace": options.pace == "real"}
        report = terminal.ready_with if options.audio_in is None else None
        loop = stack.enter_context(voice_build.talking(chat, model, settings, report, **files))
        stack.enter_context(keys.of(loop))
        ringing.listen(terminal.notice)
        stack.enter_context(ringing.told(loop.announce))
        ringing.start()
        if options.audio_in is None:
            stack.enter_context(terminal.keys(loop, settings.push_to_talk))
        for event in loop.run():
            terminal.tell(event)
    return EXIT_OK


def _conversation(
    stack: contextlib.ExitStack, settings: Settings, history: History, model: LanguageModel
) -> tuple[Chat, Ringing]:
    """A conversation with tools, timers that ring here, and the user's documents; closed with the stack."""
    from assistant.build import open_embedder
    from assistant.chat import Chat
    from assistant.conversation import Conversation
    from assistant.documents.library import Library
    from assistant.oneshot import sampling
    from assistant.ringing import Ringing

    ringing = Ringing(history, {"model": lambda: f"I run {model.file_name} on this machine."})
    stack.callback(ringing.close)
    chat = Chat(Conversation(system=settings.system), history, sampling(settings))
    chat.router = ringing.router(history)
    chat.router.surroundings.hooks = {"speak": lambda text: None}  # every reply is spoken
    chat.library = Library(history, lambda: open_embedder(settings)).watch()
    stack.callback(chat.library.close)
    return chat, ringing


def _serve(
    claim: Claim | None, history: History, model: LanguageModel, ringing: Ringing, chat: Chat, keys: VoiceKeys
) -> None:
    """Let other processes of this user ask, and press the keys."""
    from assistant import config, instance_server, paths

    if claim is None:
        return
    served = instance_server.Served(
        lambda: config.load(paths.settings_file()),
        history,
        lambda: model,
        ringing.router,
        chat.library,
        press=keys.press,
    )
    instance_server.start(claim, served)


def _settings(options: argparse.Namespace) -> Settings:
    """The stored settings, with what the command line says instead. Raises UsageError before models load."""
    import msgspec

    from assistant import config, paths
    from assistant.voice import build as voice_build

    given = {
        "microphone": options.microphone,
        "speaker": options.speaker,
        "wake_word": options.wake,
        "spoken_language": options.language,
    }
    settings = config.load(paths.settings_file())
    settings = msgspec.structs.replace(settings, **{name: value for name, value in given.items() if value is not None})
    voice_build.require_known(settings)
    if options.audio_in is not None and not options.audio_in.exists():
        raise UsageError(f"{options.audio_in} cannot be read: there is no such file; check the spelling")
    return settings


def _press(name: str) -> int:
    """Press a key of the conversation that is spoken, from another process such as a shortcut of the desktop."""
    from assistant import instance, instance_client
    from assistant.instance_wire import Key

    connection = instance.connect()
    if connection is None:
        raise UsageError(
            "nobody is talking now; start `assistant voice`, or `assistant` and press Ctrl+T, then use this key"
        )
    with connection:
        instance_client.press(connection, Key(name))
    return EXIT_OK


def _devices(as_json: bool) -> int:
    import msgspec

    from assistant.audio.process import list_devices
    from assistant.text import safe

    found = list_devices()
    kinds = {"microphones": found.microphones, "speakers": found.speakers}
    named = {kind: [safe(name, keep_newlines=False) for name in names if name] for kind, names in kinds.items()}
    if as_json:
        sys.stdout.write(msgspec.json.encode(named).decode() + "\n")
        return EXIT_OK
    for kind, names in named.items():
        for name in names:
            sys.stdout.write(f"{kind.removesuffix('s')}  {name}\n")
        if not names:
            sys.stderr.write(f"no {kind.removesuffix('s')} was found\n")
    return EXIT_OK
