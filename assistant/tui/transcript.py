"""The conversation on screen: a scrolling column of messages, of which only the last ones are built at first."""

from __future__ import annotations

import itertools
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from assistant.conversation import Conversation, Message
from assistant.tui.blocks import plain
from assistant.tui.parts import Notice
from assistant.tui.reply import MessageView, ReplyView, view_of

WINDOW = 24  # messages built at once; more are added above when the user goes there
MOST = 3 * WINDOW  # messages kept built while a conversation grows: each costs a little of every redraw


class Transcript(VerticalScroll, can_focus=False):
    """Shows the branch of a conversation. Stays at the bottom while text arrives, unless the user scrolled up."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k,ctrl+up", "select(-1)", "previous message"),
        Binding("down,j,ctrl+down", "select(1)", "next message"),
        Binding("g,home", "edge(-1)", "first message"),
        Binding("G,end", "edge(1)", "last message"),
    ]

    def __init__(self) -> None:
        super().__init__(id="transcript")
        self._conversation: Conversation | None = None
        self._first = 0  # index in the branch of the first message that is built
        self._growing = False

    def on_mount(self) -> None:
        self.anchor()

    @property
    def views(self) -> list[MessageView]:
        return list(self.query(MessageView))

    def view(self, message_id: str) -> MessageView | None:
        return next((v for v in self.views if v.message.id == message_id), None)

    # -- showing ----------------------------------------------------------------------------------------------

    async def show(self, conversation: Conversation, streaming_id: str = "", around_id: str = "") -> None:
        """Bring the column in line with the branch: what is already there stays.

        `streaming_id` is the reply that is being written; `around_id` a message that must be built.
        """
        branch = conversation.branch()
        ids = [m.id for m in branch]
        if conversation is not self._conversation:
            self._conversation = conversation
            self._first = max(0, len(branch) - WINDOW)
        elif len(branch) - self._first > MOST and self.scroll_y >= self.max_scroll_y:
            self._first = len(branch) - WINDOW
        self._first = min(self._first, max(0, len(branch) - 1))
        if around_id in ids:
            self._first = min(self._first, max(0, ids.index(around_id) - 2))
        await self._exchange(branch[self._first :], conversation, streaming_id)

    async def _exchange(self, wanted: list[Message], conversation: Conversation, streaming_id: str) -> None:
        """Take away the views that are not wanted, keep those that are, build the rest."""
        wanted_ids = {m.id for m in wanted}
        views = self.views
        leading = len(list(itertools.takewhile(lambda view: view.message.id not in wanted_ids, views)))
        gone, views = views[:leading], views[leading:]
        kept = 0
        while kept < min(len(views), len(wanted)) and self._same(views[kept], wanted[kept], conversation):
            kept += 1
        with self.app.batch_update():
            await self.query("Transcript > .notice, Transcript > .earlier").remove()
            for view in [*gone, *views[kept:]]:
                await view.remove()
            if self._first:
                await self.mount(Static(plain(f"↑ {self._first} earlier messages"), classes="earlier"), before=0)
            await self.mount_all([self._build(m, conversation, streaming_id) for m in wanted[kept:]])

    async def show_earlier(self) -> None:
        """Build more messages above, without moving what is on screen."""
        if self._conversation is None or not self._first or self._growing:
            return
        self._growing = True
        old_first, self._first = self._first, max(0, self._first - WINDOW)
        new = self._conversation.branch()[self._first : old_first]
        height_before = self.virtual_size.height
        await self.query("Transcript > .earlier").remove()
        await self.mount_all([self._build(m, self._conversation) for m in new], before=0)
        if self._first:
            await self.mount(Static(plain(f"↑ {self._first} earlier messages"), classes="earlier"), before=0)

        def keep_place() -> None:
            self.scroll_to(y=self.scroll_y + self.virtual_size.height - height_before, animate=False)
            self._growing = False

        self.call_after_refresh(keep_place)

    def _same(self, view: MessageView, message: Message, conversation: Conversation) -> bool:
        return view.message.id == message.id and view.place == _place(message, conversation)

    def _build(self, message: Message, conversation: Conversation, streaming_id: str = "") -> MessageView:
        return view_of(message, _place(message, conversation), streaming=message.id == streaming_id)

    async def tell(self, title: str, text: str, error: bool = True) -> None:
        """Say something below the last message."""
        await self.mount(Notice(title, text, error))
        self.to_end()

    def to_end(self) -> None:
        self.anchor()

    def reply(self, message_id: str) -> ReplyView | None:
        view = self.view(message_id)
        return view if isinstance(view, ReplyView) else None

    # -- moving about -----------------------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value == 0 and old_value > 0 and self._first:
            self.call_later(self.show_earlier)

    async def action_select(self, step: int) -> None:
        """Select the message above or below the selected one; the last one first."""
        views = self.views
        if not views:
            return
        focused = self.screen.focused
        if not isinstance(focused, MessageView) or focused not in views:
            self.choose(views[-1])
            return
        at = views.index(focused) + step
        if at < 0 and self._first:
            await self.show_earlier()
            at = self.views.index(focused) - 1
        if at >= len(views) and step > 0:
            focused.action_want("leave")
            self.to_end()
        else:
            self.choose(self.views[max(0, at)])

    async def action_edge(self, side: int) -> None:
        if side < 0:
            while self._first:
                self._growing = False
                await self.show_earlier()
        if self.views:
            self.choose(self.views[0 if side < 0 else -1])

    def choose(self, view: Widget) -> None:
        view.focus(scroll_visible=False)
        self.scroll_to_widget(view, animate=False, top=view.outer_size.height > self.size.height)


def _place(message: Message, conversation: Conversation) -> tuple[int, int]:
    versions = [m.id for m in conversation.siblings(message.id)]
    return versions.index(message.id) + 1, len(versions)
