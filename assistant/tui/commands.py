"""The commands of the chat: one table for the `/` commands, the palette and the help screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen


@dataclass(frozen=True, slots=True)
class Command:
    """`/name argument`; without an argument a dialog asks for what is needed."""

    name: str
    help: str
    key: str = ""


COMMANDS = (
    Command("new", "start a new conversation", "Ctrl+N"),
    Command("resume", "open an earlier conversation", "Ctrl+R"),
    Command("search", "search all conversations", "Ctrl+F"),
    Command("talk", "talk in this conversation, or type again", "Ctrl+T"),
    Command("mute", "while talking: the microphone off, or on again"),
    Command("home", "show the rooms and their devices, and switch them"),
    Command("connect", "connect a real Home Assistant; asks for a restart"),
    Command("model", "switch the model, in place"),
    Command("system", "edit the system prompt of this conversation"),
    Command("persona", "choose, save or delete a persona (a named system prompt)"),
    Command("regenerate", "answer the last question again, as another version"),
    Command("copy", "copy the last reply"),
    Command("code", "copy the next code block of the last reply", "Ctrl+O"),
    Command("rename", "rename this conversation"),
    Command("delete", "delete this conversation"),
    Command("export", "write this conversation to a Markdown or JSON file"),
    Command("import", "read a conversation from a JSON file"),
    Command("ephemeral", "start a conversation that is never stored"),
    Command("theme", "choose the colours"),
    Command("help", "show all keys and commands", "F1"),
    Command("quit", "leave", "Ctrl+Q"),
)


def matching(typed: str) -> list[Command]:
    """Commands that begin with what is typed; if there are none, those that contain it."""
    typed = typed.lower()
    return [c for c in COMMANDS if c.name.startswith(typed)] or [c for c in COMMANDS if typed in c.name]


class PaletteCommands(Provider):
    """The same commands in the palette (Ctrl+P)."""

    @property
    def chat(self) -> ChatScreen:
        from assistant.tui.chat_screen import ChatScreen

        assert isinstance(self.screen, ChatScreen)  # noqa: S101 - the palette is offered on no other screen
        return self.screen

    async def discover(self) -> Hits:
        for command in COMMANDS:
            yield DiscoveryHit(_title(command), lambda c=command: self.chat.give(c), help=_keys(command))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in COMMANDS:
            if (score := matcher.match(_title(command))) > 0:
                yield Hit(
                    score,
                    matcher.highlight(_title(command)),
                    lambda c=command: self.chat.give(c),
                    help=_keys(command),
                )


def _title(command: Command) -> str:
    return f"{command.name}: {command.help}"


def _keys(command: Command) -> str:
    return f"/{command.name}" + (f" or {command.key}" if command.key else "")
