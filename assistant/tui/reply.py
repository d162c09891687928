"""One message of the conversation on screen: question or reply, its branches, reasoning, tool calls and small print."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar, Literal

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message as Event
from textual.timer import Timer
from textual.widgets import Static

from assistant.conversation import Message, Role, State
from assistant.text import SafeStream, safe
from assistant.tui.blocks import parser, plain
from assistant.tui.body import Body
from assistant.tui.footer import short_time
from assistant.tui.parts import Collapsible, Reasoning
from assistant.tui.thinking import ThoughtStream, split_thinking

COLLAPSED_LINES = 16  # of a question; Enter shows the rest
_SLOWEST_FLUSH_S, _FASTEST_FLUSH_S = 0.4, 0.08

Action = Literal["edit", "regenerate", "copy", "code", "previous", "next", "leave", "stop", "help"]


class Branches(Horizontal):
    """`‹ 2/3 ›`: which version of a message is shown; the arrows show the others."""

    class Arrow(Static):
        def __init__(self, glyph: str, action: Action) -> None:
            super().__init__(glyph, classes="arrow", markup=False)
            self._action = action

        def on_click(self, event: events.Click) -> None:
            event.stop()
            self.post_message(MessageView.Pressed(self._action))

    def __init__(self, at: int, n: int) -> None:
        super().__init__(classes="branches")
        self.place = f"{at}/{n}"

    def compose(self) -> ComposeResult:
        yield self.Arrow("‹ ", "previous")
        yield Static(self.place, markup=False)
        yield self.Arrow(" ›", "next")


class MessageView(Vertical, can_focus=True):
    """A message that can be selected with the keyboard; its keys are told to the screen as `Wanted`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "want('edit')", "edit"),
        Binding("r", "want('regenerate')", "regenerate"),
        Binding("y", "want('copy')", "copy"),
        Binding("c", "want('code')", "copy code"),
        Binding("left_square_bracket,left,h", "want('previous')", "previous version"),
        Binding("right_square_bracket,right,l", "want('next')", "next version"),
        Binding("enter,space", "unfold", "expand"),
        Binding("escape", "want('stop')", "stop, or back to the prompt"),
        Binding("i", "want('leave')", "back to the prompt"),
        Binding("question_mark", "want('help')", "help"),
    ]

    class Pressed(Event):
        """A part of a message was clicked."""

        def __init__(self, action: Action) -> None:
            super().__init__()
            self.action = action

    class Wanted(Event):
        """The user wants something done with a message."""

        def __init__(self, view: MessageView, action: Action) -> None:
            super().__init__()
            self.view = view
            self.action = action

    def __init__(self, message: Message, place: tuple[int, int] = (1, 1)) -> None:
        super().__init__(classes=f"message {message.role.value}")
        self.message = message
        self.place = place
        self._n_copied = 0

    def compose(self) -> ComposeResult:
        with Horizontal(classes="message-head"):
            yield Static(plain(self.label()), classes="who", markup=False)
            if self.place[1] > 1:
                yield Branches(*self.place)
        yield from self.compose_content()

    def label(self) -> str:
        raise NotImplementedError

    def compose_content(self) -> ComposeResult:
        raise NotImplementedError

    def action_want(self, action: Action) -> None:
        self.post_message(self.Wanted(self, action))

    @on(Pressed)
    def pressed(self, event: Pressed) -> None:
        event.stop()
        self.action_want(event.action)

    def action_unfold(self) -> None:
        """Fold or unfold everything that can be."""
        parts = list(self.query(Collapsible))
        expand = not any(part.expanded for part in parts)
        for part in parts:
            part.unfold(expand)

    def next_code(self) -> tuple[str, int, int] | None:
        """The next of the message's code blocks, its number and how many there are; cycles."""
        codes = [safe(t.content).rstrip("\n") for t in parser().parse(self.text()) if t.type in ("fence", "code_block")]
        if not codes:
            return None
        at = self._n_copied % len(codes)
        self._n_copied += 1
        return codes[at], at + 1, len(codes)

    def text(self) -> str:
        """What copying the message copies."""
        return safe(self.message.content)


class QuestionView(MessageView):
    """What the user wrote, exactly as written."""

    def label(self) -> str:
        return "You"

    def compose_content(self) -> ComposeResult:
        lines = self.message.content.splitlines()
        folded = len(lines) > COLLAPSED_LINES or len(self.message.content) > 80 * COLLAPSED_LINES
        yield Body(self._folded() if folded else self.message.content, markdown=False, classes="text")
        if folded:
            yield Static(plain(f"… {len(self.message.content):,} characters; Enter shows all"), classes="small-print")

    def _folded(self) -> str:
        return "\n".join(self.message.content[: 80 * COLLAPSED_LINES].splitlines()[:COLLAPSED_LINES])

    def action_unfold(self) -> None:
        for note in self.query(".small-print"):
            note.display = not note.display
            self.query_one(".text", Body).set_source(self._folded() if note.display else self.message.content)


class ReplyView(MessageView):
    """A reply: what streams in is appended; when it is complete it is parsed once as a whole."""

    def __init__(self, message: Message, place: tuple[int, int] = (1, 1), streaming: bool = False) -> None:
        super().__init__(message, place)
        self._safe, self._thoughts = SafeStream(), ThoughtStream()
        self._model = ""
        self._pending = ""
        self._flush_timer: Timer | None = None
        self.streaming = streaming
        self.set_class(streaming, "streaming")

    def label(self) -> str:
        model = self.message.model or self._model
        return f"Assistant · {model.removesuffix('.gguf')}" if model else "Assistant"

    def written_by(self, file_name: str) -> None:
        """Name the model while it writes; later the message itself does."""
        self._model = file_name
        self.query_one(".who", Static).update(plain(self.label()))

    def compose_content(self) -> ComposeResult:
        thought, answer = split_thinking(safe(self.message.content))
        if self.streaming:
            thought = answer = ""
        if thought:
            yield Reasoning(thought)
        yield Body(answer, classes="text")
        yield Static(plain(self._small_print()), classes="small-print", markup=False)

    def on_mount(self) -> None:
        if self.streaming and self.message.content:  # a reply that is continued begins with what it has
            self.write(self.message.content)

    # -- streaming --------------------------------------------------------------------------------------------

    def write(self, piece: str) -> None:
        """Add a piece. Shown at once, or with others after a moment that grows with what drawing costs."""
        self._pending += piece
        if self._flush_timer is None:
            self._flush()

    def _flush(self) -> None:
        self._flush_timer = None
        if not self._pending:
            return
        began_s = time.perf_counter()
        text, self._pending = self._safe.feed(self._pending), ""
        self._show(*self._thoughts.feed(text))
        cost_s = time.perf_counter() - began_s
        wait_s = min(_SLOWEST_FLUSH_S, max(_FASTEST_FLUSH_S, 6 * cost_s))
        self._flush_timer = self.set_timer(wait_s, self._flush)

    def _show(self, thought: str, answer: str) -> None:
        if thought:
            reasoning = next(iter(self.query(Reasoning)), None)
            if reasoning is None:
                reasoning = Reasoning()
                reasoning.unfold(True)
                self.mount(reasoning, before=self.body)
            reasoning.body.append(thought)
            reasoning.describe(thinking=self._thoughts.thinking)
        if answer:
            if not self.body.source:
                for reasoning in self.query(Reasoning):
                    reasoning.unfold(False)
                    reasoning.describe()
            self.body.append(answer)

    async def complete(self, message: Message) -> None:
        """Show the committed reply: the whole text parsed once, and how it ended."""
        if self._flush_timer is not None:
            self._flush_timer.stop()
        self._flush()
        self.message, self.streaming, self._model = message, False, ""  # a rule's reply was written by no model
        thought, answer = split_thinking(safe(message.content))
        for reasoning in self.query(Reasoning):
            await reasoning.body.finish(thought)
            reasoning.describe()
        await self.body.finish(answer)
        self.remove_class("streaming")
        self.query_one(".who", Static).update(plain(self.label()))
        self.query_one(".small-print", Static).update(plain(self._small_print()))
        await asyncio.sleep(0)

    @property
    def body(self) -> Body:
        return self.query_one("ReplyView > .text", Body)

    def text(self) -> str:
        return split_thinking(safe(self.message.content))[1]

    def _small_print(self) -> str:
        message = self.message
        if self.streaming:
            return ""
        parts = {
            State.STOPPED: ["stopped"],
            State.INTERRUPTED: ["interrupted: r answers again"],
            State.STREAMING: ["interrupted: r answers again"],
        }.get(message.state, [])
        if message.finish_reason == "length":
            parts = ["cut at the longest allowed reply: e continues it"]
        if message.finish_reason == "too_long":
            parts = ["the question is too long for the model: e on the question shortens it"]
        if message.finish_reason == "repetition":
            parts = ["stopped: the model began to repeat itself"]
        if message.handled_by not in ("", "model"):
            parts.append(f"handled by {message.handled_by}")
        if message.reply_tokens:
            parts.append(f"{message.reply_tokens} token{'s' * (message.reply_tokens != 1)}")
        if message.tokens_per_s:
            parts.append(f"{message.tokens_per_s:.0f} tok/s")
        if message.ttft_ms:
            parts.append(f"first after {short_time(message.ttft_ms)}")
        return " · ".join(parts)


def view_of(message: Message, place: tuple[int, int], streaming: bool = False) -> MessageView:
    """The widget for a message."""
    if message.role is Role.ASSISTANT:
        return ReplyView(message, place, streaming)
    return QuestionView(message, place)
