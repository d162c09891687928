"""The chat: one conversation, the prompt below it, and the turns between them.

    Enter -> Chat.ask (committed) -> start_turn: a thread pulls chat_turn -> Piece messages -> ReplyView.write

Only this screen's message handlers touch the conversation, one after the other; the turn's thread changes only the
reply it writes (turns.py).
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message as Event
from textual.screen import Screen
from textual.widgets import Static

from assistant.conversation import Conversation, Message, Role
from assistant.engines import LanguageModel, Sampling
from assistant.history import History
from assistant.text import safe
from assistant.tui import acting, actions, border, conversations, model_switch, turns, unsent, voice_mode
from assistant.tui.blocks import plain
from assistant.tui.body import Body
from assistant.tui.commands import COMMANDS, Command
from assistant.tui.footer import Status, StatusBar
from assistant.tui.help import EPHEMERAL, WELCOME
from assistant.tui.prompt import MAX_CHARS, Prompt, PromptArea
from assistant.tui.reply import MessageView
from assistant.tui.services import Services
from assistant.tui.transcript import Transcript
from assistant.tui.turns import Request, Running
from assistant.tui.voice_bar import VoiceBar


class ChatScreen(Screen[None]):
    """See the head of the file."""

    VERTICAL_BREAKPOINTS = [(0, "-low"), (16, "-high")]  # noqa: RUF012 - as Textual declares it

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "stop"),
        Binding("ctrl+n", "give('new')", "new"),
        Binding("ctrl+r", "give('resume')", "resume"),
        Binding("ctrl+f", "give('search')", "search", priority=True),
        Binding("ctrl+o", "give('code')", "copy code"),
        Binding("ctrl+t", "give('talk')", "talk", priority=True),
        Binding("f1", "give('help')", "help"),
        Binding("ctrl+c", "copy_or_quit", "copy", show=False),
        Binding("pageup", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(1)", show=False),
    ]

    class Begin(Event):
        """Ask this now, or when the model is free."""

        def __init__(self, request: Request) -> None:
            super().__init__()
            self.request = request

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services
        self.history: History = services.history  # of the conversation shown; an ephemeral one has its own
        self.chat = acting.chat_of(self, Conversation(system=services.settings.system))
        self.rings = acting.Rings(self)
        self.model: LanguageModel | None = None
        self.model_request: object = None  # the loading or probing whose result counts
        self.changing = asyncio.Lock()  # held by whoever changes the conversation
        self.running: Running | None = None
        self.waiting: list[Request] = []  # in the order in which they are sent
        self.unsent = False  # whether what waits is kept in the history (unsent.py)
        self.editing: Message | None = None
        self.drafts: dict[str, str] = {}  # conversation id -> what was typed and not sent
        self.n_pieces = 0  # of the last reply
        self.talking: voice_mode.Talking | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="head"):
            yield Static("", id="title", markup=False)
            yield Static("", id="file", markup=False)
        yield Body(WELCOME, classes="welcome")
        yield Transcript()
        yield VoiceBar()
        yield Prompt()
        yield StatusBar()

    @property
    def sampling(self) -> Sampling:
        s = self.services.settings
        return Sampling(
            s.temperature,
            s.top_k,
            s.top_p,
            s.min_p,
            s.repeat_penalty,
            max_tokens=s.max_tokens,
            deadline_s=s.reply_deadline_s,
        )

    @property
    def ephemeral(self) -> bool:
        return self.history is not self.services.history

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    @property
    def prompt(self) -> Prompt:
        return self.query_one(Prompt)

    async def on_mount(self) -> None:
        self.prompt.area.focus()
        self.show_status(
            lock=await asyncio.to_thread(self.services.lock_status),
            protection=self.services.history.protection.mode,
        )
        model_switch.load(self, self.services.settings.model)
        self.rings.listen()
        self.set_interval(0.5, self._show_speed)
        self._collect_garbage()
        if self.services.ephemeral:
            await conversations.start_new(self, ephemeral=True)
        elif self.services.initial_conversation_id:
            await conversations.open_stored(self, self.services.initial_conversation_id)
        else:
            await self.show_branch()
            await unsent.restore(self)
        for notice in self.services.history.notices:
            await self.transcript.tell("About the history", notice, error=False)

    # -- a turn -------------------------------------------------------------------------------------------------

    @on(PromptArea.Submitted)
    def submitted(self, event: PromptArea.Submitted) -> None:
        text, editing, chat = event.text, self.editing, self.chat
        self.editing = None
        self.prompt.area.remember(text)
        self.prompt.note("")
        if editing is None:
            self.ask(text, lambda: chat.ask(text))
        elif editing.role is Role.USER:
            self.ask(text, lambda: chat.edit(editing.id, text))
        else:
            self.ask(text, lambda: chat.continue_from(editing.id, text))

    @on(PromptArea.Empty)
    async def enter_alone(self) -> None:
        await self.rings.silence()

    def ask(self, text: str, begin: Callable[[], Message]) -> None:
        """Start a turn, in order with everything else the screen handles."""
        self.post_message(self.Begin(Request(text, self.chat, begin)))

    @on(Begin)
    async def begin(self, event: Begin) -> None:
        async with self.changing:
            await turns.begin(self, event.request)

    @on(border.Piece)
    def piece(self, event: border.Piece) -> None:
        if self.running is None or event.turn is not self.running.turn:
            return  # late work of an old turn
        if not self.running.n_pieces and not event.turn.cancelled:
            self.show_status(state="answering")
        self.running.write(event.text)

    @on(border.Ended)
    async def ended(self, event: border.Ended) -> None:
        async with self.changing:
            if self.running is not None and event.turn is self.running.turn:
                await turns.finish(self, event.error)
                self.set_timer(2, self._collect_garbage)

    # -- talking ------------------------------------------------------------------------------------------------

    @on(voice_mode.Happened)
    async def voice_happened(self, event: voice_mode.Happened) -> None:
        async with self.changing:
            await voice_mode.show(self, event)

    # -- keys ---------------------------------------------------------------------------------------------------

    async def action_stop(self) -> None:
        """Esc: stop what is going on, one thing at a time. It never quits."""
        if self.running is not None:
            self.running.turn.cancel()
            self.show_status(state="stopping…")
        elif voice_mode.hush(self):
            pass  # what is heard so far is what is remembered
        elif self.waiting:
            await turns.forget_waiting(self)
        elif self.editing is not None:
            self.prompt.area.put("")
            await turns.forget_waiting(self)
        self.clear_selection()
        self.prompt.area.focus()

    async def action_copy_or_quit(self) -> None:
        if selected := self.get_selected_text():
            actions.copy(self, selected, "The selection")
        else:
            await self.app.run_action("confirm_quit")

    def action_scroll(self, pages: int) -> None:
        transcript = self.transcript
        transcript.scroll_relative(y=pages * max(1, transcript.size.height - 2), animate=False)

    @on(PromptArea.Up)
    async def select_last(self) -> None:
        await self.transcript.action_select(-1)

    @on(PromptArea.Truncated)
    def truncated(self, event: PromptArea.Truncated) -> None:
        self.app.notify(
            f"The text had {event.n_chars:,} characters; it was cut to the {MAX_CHARS:,} that fit",
            severity="warning",
            markup=False,
        )

    @on(MessageView.Wanted)
    async def wanted(self, event: MessageView.Wanted) -> None:
        await actions.act_on_message(self, event.view, event.action)

    # -- commands -----------------------------------------------------------------------------------------------

    def action_give(self, name: str) -> None:
        self.give(next(c for c in COMMANDS if c.name == name))

    def give(self, command: Command, argument: str = "") -> None:
        """Run a command in a worker, because it may ask something."""
        self.run_worker(actions.run_command(self, command.name, argument), group="commands")

    @on(Prompt.CommandGiven)
    def command_given(self, event: Prompt.CommandGiven) -> None:
        self.give(event.command, event.argument)

    # -- the model ----------------------------------------------------------------------------------------------

    @on(border.ModelReady)
    async def model_ready(self, event: border.ModelReady) -> None:
        async with self.changing:
            if event.request is not self.model_request:  # another model was asked for meanwhile
                if event.model is not self.model:
                    border.start_closing(event.model)
                return
            if event.model is not self.model:
                await turns.halt(self)
            await model_switch.use(self, event)
            turns.send_waiting(self)

    @on(border.ModelTakesLong)
    def model_takes_long(self, event: border.ModelTakesLong) -> None:
        if event.request is self.model_request:
            self.app.notify(event.text, timeout=10, markup=False)

    @on(border.ModelFailed)
    async def model_failed(self, event: border.ModelFailed) -> None:
        if event.request is self.model_request:
            await model_switch.tell_failure(self, event)

    # -- showing ------------------------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        return self.query_one(StatusBar).status

    def show_status(self, **changes: Any) -> None:
        bar = self.query_one(StatusBar)
        bar.status = replace(bar.status, **changes)

    def _collect_garbage(self) -> None:
        """Look for garbage between turns only.

        A full collection looks at every object of every imported library: it stopped the screen for 50 ms and more,
        several times during a long reply. What exists once the screen is open stays anyway and is looked at no more;
        that is done once, because widgets that come later would be kept for ever when they go.
        """
        if self.running is None:
            gc.collect()
            if not gc.get_freeze_count():
                gc.freeze()
        gc.set_threshold(2000, 20, 100_000)

    def _show_speed(self) -> None:
        """While a reply comes in: its speed so far."""
        if self.running is not None and (speed := self.running.tokens_per_s):
            self.show_status(tokens_per_s=speed)

    async def show_branch(self, streaming_id: str = "", around_id: str = "") -> None:
        """Bring the title and the messages in line with the conversation."""
        conversation = self.chat.conversation
        await self.transcript.show(conversation, streaming_id, around_id)
        empty = not conversation.head_id
        welcome = self.query_one(".welcome", Body)
        welcome.display = empty
        self.transcript.set_class(empty, "empty")
        if empty:
            welcome.set_source(EPHEMERAL if self.ephemeral else WELCOME)
        title = plain(safe(conversation.title, keep_newlines=False) or "New conversation")
        badge = Content.styled(" ephemeral: nothing is stored ", "reverse") if self.ephemeral else Content("")
        self.query_one("#title", Static).update(Content("  ").join([title, badge]))
        self.show_status(protection="ephemeral" if self.ephemeral else self.services.history.protection.mode)
