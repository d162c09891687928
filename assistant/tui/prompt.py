"""Where the user writes: Enter sends, Shift+Enter and Ctrl+J break the line, up-arrow recalls, `/` offers commands."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.strip import Strip
from textual.widgets import OptionList, Static, TextArea
from textual.widgets.option_list import Option

from assistant.text import safe
from assistant.tui.blocks import plain
from assistant.tui.commands import Command, matching

MAX_CHARS = 200_000  # of one question; several times what any context here holds

_NEW_LINE = ("shift+enter", "ctrl+j", "alt+enter")


class PromptArea(TextArea):
    """The text field. Tells what the user wants as messages; knows nothing about conversations."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+up", "leave_upwards", "messages", show=False),
        Binding("pageup", "screen.scroll(-1)", "scroll up", show=False),
        Binding("pagedown", "screen.scroll(1)", "scroll down", show=False),
    ]

    class Submitted(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Empty(Message):
        """Enter where nothing is written."""

    class Truncated(Message):
        """A paste did not fit and was cut."""

        def __init__(self, n_chars: int) -> None:
            super().__init__()
            self.n_chars = n_chars

    class Up(Message):
        """Up-arrow where there is no line above and nothing to recall, or Ctrl+Up."""

    class OverlayKey(Message):
        """A key for the command list above the prompt, and the text when it was pressed: more may follow at once."""

        def __init__(self, key: str, text: str) -> None:
            super().__init__()
            self.key = key
            self.text = text

    def __init__(self) -> None:
        super().__init__(
            id="prompt-area",
            compact=True,
            highlight_cursor_line=False,
            placeholder="Ask anything. Enter sends, / lists the commands, F1 helps",
        )
        self.recalled: list[str] = []  # earlier questions, oldest first
        self._recall_at = 0  # how many steps back the user is; 0 is the draft
        self._draft = ""
        self.overlay_open = False

    def on_resize(self) -> None:
        """The lines are wrapped anew: what was being written would be out of sight."""
        self.call_after_refresh(self.scroll_cursor_visible)

    def render_line(self, y: int) -> Strip:
        """Textual 8.2.8 fails on a placeholder in a terminal too narrow for one cell of it."""
        return super().render_line(y) if self.content_size.width > 1 else Strip.blank(max(0, self.size.width))

    # -- text ---------------------------------------------------------------------------------------------------

    def put(self, text: str) -> None:
        """Replace the text, made safe, with the cursor at its end."""
        self.text = safe(text)[:MAX_CHARS]
        self.move_cursor(self.document.end)
        self._recall_at = 0

    def remember(self, question: str) -> None:
        """Keep a question for up-arrow."""
        if not self.recalled or self.recalled[-1] != question:
            self.recalled.append(question)

    async def _on_paste(self, event: events.Paste) -> None:
        """Insert a paste without what could act on the terminal; one that is too long is cut, and said so."""
        event.stop()
        event.prevent_default()  # TextArea's own handler would insert it once more, as it came
        text = safe(event.text)
        room = max(0, MAX_CHARS - len(self.text) + len(self.selected_text))
        if len(text) > room:
            self.post_message(self.Truncated(len(text)))
        self.replace(text[:room], *self.selection, maintain_selection_offset=False)

    # -- keys ---------------------------------------------------------------------------------------------------

    async def _on_key(self, event: events.Key) -> None:
        if self.overlay_open and event.key in ("up", "down", "tab", "enter", "escape"):
            self._take(event)
            self.post_message(self.OverlayKey(event.key, self.text))
        elif event.key in _NEW_LINE:
            self._take(event)  # not a binding: those run after the keys that follow, when keys come fast
            self.replace("\n", *self.selection, maintain_selection_offset=False)
        elif event.key == "enter":
            self._take(event)
            if text := self.text.strip() and self.text:
                self.put("")  # at once: the next keys belong to the next text
                self.post_message(self.Submitted(text))
            else:
                self.post_message(self.Empty())
        elif self._recalls(event.key):
            self._take(event)
        elif event.is_printable and len(self.text) >= MAX_CHARS:
            self._take(event)
            self.post_message(self.Truncated(len(self.text) + 1))
        else:
            await super()._on_key(event)

    def _take(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()

    def _recalls(self, key: str) -> bool:
        """Up on the first line goes back, Down on the last line forward again; elsewhere they move the cursor."""
        if key == "up":
            return self.cursor_at_first_line and self._recall(1)
        return key == "down" and self._recall_at > 0 and self.cursor_at_last_line and self._recall(-1)

    def _recall(self, step: int) -> bool:
        """Go `step` questions back, or forward when negative. False if there is none, so that the key keeps its use."""
        at = self._recall_at + step
        if not 0 <= at <= len(self.recalled):
            return False
        if self._recall_at == 0:
            self._draft = self.text
        self.text = self._draft if at == 0 else self.recalled[-at]
        self.move_cursor(self.document.end if step < 0 else (0, 0))
        self._recall_at = at
        return True

    def action_leave_upwards(self) -> None:
        self.post_message(self.Up())


class Completion(OptionList, can_focus=False):
    """The `/` commands that match what is typed; lies over the conversation without moving it."""

    def __init__(self) -> None:
        super().__init__(id="completion", markup=False)
        self.commands: list[Command] = []

    def offer(self, commands: list[Command]) -> None:
        self.commands = commands
        self.clear_options()
        self.add_options([Option(plain(f"/{c.name:<12} {c.help}")) for c in commands])
        self.display = bool(commands)
        height = max(3, min(len(commands) + 2, 14, self.screen.size.height - 6))  # with its frame
        self.styles.height = self.styles.max_height = height
        self.styles.offset = (1, -height)  # it stands on the prompt
        self.highlighted = 0 if commands else None

    @property
    def chosen(self) -> Command | None:
        return self.commands[self.highlighted] if self.highlighted is not None and self.commands else None


class Prompt(Vertical):
    """The text field with its command list and a line above it for what Enter will do, when that is unusual."""

    class CommandGiven(Message):
        def __init__(self, command: Command, argument: str) -> None:
            super().__init__()
            self.command = command
            self.argument = argument

    def __init__(self) -> None:
        super().__init__(id="prompt")

    def compose(self) -> ComposeResult:
        yield Completion()
        yield Static("", id="prompt-note", markup=False)
        yield PromptArea()

    def on_mount(self) -> None:
        self.query_one(Completion).display = False
        self.note("")

    @property
    def area(self) -> PromptArea:
        return self.query_one(PromptArea)

    def note(self, text: str) -> None:
        """Say in one line what is special right now; an empty text takes the line away."""
        line = self.query_one("#prompt-note", Static)
        line.update(plain(text))
        line.display = bool(text)

    def close_completion(self) -> None:
        self.query_one(Completion).offer([])
        self.area.overlay_open = False

    @on(TextArea.Changed)
    def changed(self, event: TextArea.Changed) -> None:
        event.stop()
        text = self.area.text
        commands = matching(text[1:]) if text.startswith("/") and not set(text) & {" ", "\n"} else []
        self.query_one(Completion).offer(commands)
        self.area.overlay_open = bool(commands)

    @on(PromptArea.OverlayKey)
    def overlay_key(self, event: PromptArea.OverlayKey) -> None:
        event.stop()
        completion = self.query_one(Completion)
        match event.key:
            case "up":
                completion.action_cursor_up()
            case "down":
                completion.action_cursor_down()
            case "escape":
                self.close_completion()
            case _:
                self._choose(event, completion.chosen)

    def _choose(self, event: PromptArea.OverlayKey, chosen: Command | None) -> None:
        """The text when the key was pressed decides: where keys come fast, the list is of an older or a newer one."""
        fitting = matching(event.text[1:]) if not set(event.text) & {" ", "\n"} else []
        command = chosen if chosen in fitting else next(iter(fitting), None)
        if command is not None:
            self._complete(command, run=event.key == "enter", typed=event.text)
        elif event.key == "enter":
            self.area.put(self.area.text.removeprefix(event.text))
            self.area.post_message(PromptArea.Submitted(event.text))

    @on(OptionList.OptionSelected)
    def clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        completion = self.query_one(Completion)
        completion.highlighted = event.option_index
        if completion.chosen is not None:
            self._complete(completion.chosen, run=True, typed=self.area.text)

    def _complete(self, command: Command, *, run: bool, typed: str) -> None:
        if run:
            self.area.put(self.area.text.removeprefix(typed))  # keys right behind Enter belong to the next text
            self.post_message(self.CommandGiven(command, ""))
        else:
            self.area.put(f"/{command.name} ")
        self.close_completion()

    @on(PromptArea.Submitted)
    def submitted(self, event: PromptArea.Submitted) -> None:
        """`/name argument` is a command; everything else goes on to the screen. `//` begins a text with a slash."""
        name, _, argument = event.text.strip()[1:].partition(" ")
        command = next((c for c in matching(name) if c.name == name), None)
        if event.text.startswith("/") and command is not None:
            event.stop()
            self.post_message(self.CommandGiven(command, argument.strip()))
