"""A conversation: a tree of messages with one branch shown, and what of it the model gets to see.

Prompts are append-only behind a constant head, so that the model's KV cache is reused from turn to turn. When the
context is full, the older half of the messages is dropped at once (`drop_older_half`), never one message a turn: each
drop costs the reuse of everything behind it.

Plain data and no storage here: `history` persists what this module decides.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class State(StrEnum):
    """How a message ended."""

    COMPLETE = "complete"
    STREAMING = "streaming"  # being written; found on disk after a crash it reads as INTERRUPTED
    STOPPED = "stopped"  # the user stopped it
    INTERRUPTED = "interrupted"  # the app or the model process died


def new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `parent_id` is "" for the first of a conversation; messages with the same parent are branches."""

    role: Role
    content: str
    id: str = field(default_factory=new_id)
    parent_id: str = ""
    state: State = State.COMPLETE
    created_at_s: float = field(default_factory=time.time)
    model: str = ""  # the true file name
    handled_by: str = ""  # "model", or "rule timer.start, 4 ms", or "model tool timer.start, 612 ms"
    prompt_tokens: int = 0
    reply_tokens: int = 0
    ttft_ms: float = 0.0
    tokens_per_s: float = 0.0
    finish_reason: str = ""


@dataclass(slots=True)
class Conversation:
    """A tree of messages; `head_id` is the last message of the branch on screen, "" when empty."""

    id: str = field(default_factory=new_id)
    title: str = ""
    system: str = ""
    messages: dict[str, Message] = field(default_factory=dict)  # in order of creation
    head_id: str = ""
    first_kept_id: str = ""  # trimming: the model sees the branch from this message on; "" is everything

    # -- reading ----------------------------------------------------------------------------------------------

    def branch(self) -> list[Message]:
        """The messages on screen, first to last."""
        path: list[Message] = []
        at = self.head_id
        while at:
            message = self.messages[at]
            path.append(message)
            at = message.parent_id
        return path[::-1]

    def siblings(self, message_id: str) -> list[Message]:
        """All versions of a message, itself included, oldest first."""
        parent_id = self.messages[message_id].parent_id
        return [m for m in self.messages.values() if m.parent_id == parent_id]

    def visible_to_model(self) -> list[Message]:
        """The head and the branch, less what was trimmed: what the next prompt is made of."""
        branch = self.branch()
        ids = [m.id for m in branch]
        if self.first_kept_id in ids:
            branch = branch[ids.index(self.first_kept_id) :]
        head = [Message(Role.SYSTEM, self.system, id="system")] if self.system else []
        return head + [m for m in branch if m.content]

    def _leaf_below(self, message_id: str) -> str:
        """Follow the newest child down to a leaf: where a branch that is switched to ends."""
        newest_child = {m.parent_id: m.id for m in self.messages.values()}
        at = message_id
        while at in newest_child:
            at = newest_child[at]
        return at

    # -- changing ---------------------------------------------------------------------------------------------

    def add(self, role: Role, content: str, **fields: object) -> Message:
        """Append a message to the branch on screen and return it."""
        message = Message(role, content, parent_id=self.head_id, **fields)  # type: ignore[arg-type]
        return self.put(message)

    def put(self, message: Message) -> Message:
        """Store a new or changed message; a new one becomes the head."""
        if message.id not in self.messages:
            self.head_id = message.id
        self.messages[message.id] = message
        return message

    def update(self, message_id: str, **changes: object) -> Message:
        return self.put(replace(self.messages[message_id], **changes))  # type: ignore[arg-type]

    def branch_before(self, message_id: str) -> None:
        """Make the parent of `message_id` the head: what is added next becomes another version of it."""
        self.head_id = self.messages[message_id].parent_id

    def switch(self, message_id: str) -> None:
        """Show the branch that goes through `message_id`, down to its newest leaf."""
        self.head_id = self._leaf_below(message_id)

    def step_sibling(self, message_id: str, step: int) -> Message:
        """Switch to the next (+1) or previous (-1) version of a message, stopping at the ends."""
        versions = self.siblings(message_id)
        at = [m.id for m in versions].index(message_id)
        chosen = versions[max(0, min(len(versions) - 1, at + step))]
        self.switch(chosen.id)
        return chosen

    def drop_older_half(self, message_tokens: dict[str, int]) -> int:
        """Hide the older half (by tokens) of what the model sees, in whole exchanges; return how many messages.

        `message_tokens` maps message id to its length in tokens. The cut falls before a user message, so that the
        model never sees an answer without its question. Returns 0 when only the last question is left.
        """
        seen = [m for m in self.visible_to_model() if m.role is not Role.SYSTEM]
        half = sum(message_tokens.get(m.id, 0) for m in seen) / 2
        dropped = 0
        for at, message in enumerate(seen[:-1]):
            dropped += message_tokens.get(message.id, 0)
            following = seen[at + 1]
            if dropped >= half and following.role is Role.USER:
                self.first_kept_id = following.id
                return at + 1
        users = [at for at, m in enumerate(seen) if m.role is Role.USER and at > 0]
        if not users:
            return 0
        self.first_kept_id = seen[users[-1]].id
        return users[-1]

    def __iter__(self) -> Iterator[Message]:
        return iter(self.branch())
