"""From messages to token ids, the same ids each turn: a reply keeps the ids the model chose, text is tokenised once.

Tokenising a reply's text again may give other ids than the model had generated, and everything from the first other
id on would have to be computed again. So the ids of replies are kept, by text: this also finds them when only the
beginning of a reply was kept (the user stopped it) or its end was edited.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from assistant.engines import Prompt
from assistant.engines.kv_cache import EncodedPrompt, common_prefix
from assistant.engines.native import Vocabulary
from assistant.engines.templates import Segment, Template, clean, n_head_segments, render, render_plain

_MEMO_TOKENS = 500_000
_RECENT_REPLIES = 8


@dataclass(slots=True)
class Reply:
    """Tokens of a reply and the text shown for them. `ends[i]` is the length of the text after token i."""

    tokens: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    text: str = ""  # complete once joined

    def push(self, token: int, shown: str) -> None:
        self.tokens.append(token)
        self.parts.append(shown)
        self.ends.append((self.ends[-1] if self.ends else 0) + len(shown))

    def push_text(self, shown: str) -> None:
        """Text that was held back until the end; its tokens are there already, but do not end where it ends."""
        self.parts.append(shown)

    def join(self) -> None:
        self.text = "".join(self.parts)

    def beginning(self, length: int) -> tuple[list[int], int]:
        """The tokens of the first `length` characters, as far as whole tokens cover them, and how many they cover."""
        n = bisect_right(self.ends, length)
        if n == 0 or self.ends[n - 1] == 0:
            return [], 0
        covered = self.ends[n - 1]
        return self.tokens[: bisect_left(self.ends, covered) + 1], covered


class Encoder:
    """Turns prompts into token ids for one model."""

    def __init__(self, vocabulary: Vocabulary, template: Template) -> None:
        self._vocabulary = vocabulary
        self._template = template
        self._controls: dict[str, int] = {}
        self._memo: OrderedDict[tuple[bool, str], list[int]] = OrderedDict()
        self._memo_tokens = 0
        self._recent: deque[Reply] = deque(maxlen=_RECENT_REPLIES)

    def encode(self, prompt: Prompt) -> EncodedPrompt:
        """Token ids of the whole prompt, ready for the reply's next token."""
        messages = [replace(m, content=clean(m.content)) for m in prompt.messages]
        if prompt.plain:
            segments, n_head = render_plain(messages, clean(prompt.prefix)), 0
        else:
            segments = render(self._template, messages, clean(prompt.prefix))
            n_head = n_head_segments(segments, messages)
        tokens = self._begin(segments)
        per_message = [0] * max(len(messages), 1)
        per_message[0] = len(tokens)
        starts: dict[str, int] = {}
        head = 0
        for index, segment in enumerate(segments):
            if segment.is_content and segment.message >= 0:
                starts[messages[segment.message].id] = len(tokens)
            ids = self._segment(segment)
            tokens += ids
            per_message[segment.message] += len(ids)  # HEAD is -1: what opens the reply counts with the last message
            if index == n_head - 1:
                head = len(tokens)
        if not tokens:  # a plain prompt without a text: something has to stand before the first token
            tokens, per_message[-1] = [self._vocabulary.separator], 1
        return EncodedPrompt(tokens, starts, head, per_message)

    def following(self, prompt: Prompt, encoded: EncodedPrompt, text: str) -> list[int]:
        """Token ids of `text` right behind a prompt. Behind a plain text both are tokenised as one, and the prompt's
        share of the tokens is left out: the convention of lm-evaluation-harness."""
        if not prompt.plain:
            return self._vocabulary.tokenise(clean(text))
        before = clean("".join(m.content for m in prompt.messages) + prompt.prefix)
        n_before = len(encoded.tokens) - len(self._begin([])) if before else 0
        return self._vocabulary.tokenise(before + clean(text))[n_before:]

    def count(self, text: str) -> int:
        """Tokens of a text as message content."""
        return len(self._text(clean(text), is_reply=False))

    def begin_reply(self, prefix: str) -> Reply:
        """A reply whose beginning is given: its tokens are those that encode() puts at the end of the prompt."""
        reply, prefix = Reply(), clean(prefix)
        if prefix:
            tokens = self._text(prefix, is_reply=True)
            reply = Reply(list(tokens), [0] * (len(tokens) - 1) + [len(prefix)], [prefix])
        return reply

    def remember(self, reply: Reply) -> None:
        """Keep the ids of a reply that has ended, the prefix it continued included."""
        reply.join()
        if reply.text:
            self._recent.append(reply)
            self._keep((True, reply.text), self._extended(reply, len(reply.text), reply.text))

    # -- parts --------------------------------------------------------------------------------------------------------

    def _begin(self, segments: Sequence[Segment]) -> list[int]:
        begin = self._vocabulary.begin
        if begin is None or (segments and segments[0].is_special and self._segment(segments[0]) == [begin]):
            return []
        return [begin]

    def _segment(self, segment: Segment) -> list[int]:
        if not segment.is_special:
            return self._text(segment.text, segment.is_reply)
        if segment.text not in self._controls:
            token = self._vocabulary.control_token(segment.text)
            if token is None:
                raise ValueError(f"{segment.text} was checked when the template was chosen")
            self._controls[segment.text] = token
        return [self._controls[segment.text]]

    def _text(self, text: str, is_reply: bool) -> list[int]:
        known = self._memo.get((is_reply, text))
        if known is not None:
            self._memo.move_to_end((is_reply, text))
            return known
        ids = self._partly_known(text) if is_reply else None
        if ids is None:
            ids = self._vocabulary.tokenise(text)
        self._keep((is_reply, text), ids)
        return ids

    def _partly_known(self, text: str) -> list[int] | None:
        """The ids of a recent reply that begins like `text`, as far as it does, and new ones for the rest."""
        best, best_length = None, 0
        for reply in self._recent:
            length = common_prefix(reply.text.encode("utf-32-le"), text.encode("utf-32-le")) // 4
            if length > best_length:
                best, best_length = reply, length
        return self._extended(best, best_length, text) if best else None

    def _extended(self, reply: Reply, shared: int, text: str) -> list[int]:
        tokens, covered = reply.beginning(shared)
        return tokens + self._vocabulary.tokenise(text[covered:])

    def _keep(self, key: tuple[bool, str], ids: list[int]) -> None:
        self._memo_tokens += len(ids) - len(self._memo.pop(key, []))
        self._memo[key] = ids
        while self._memo_tokens > _MEMO_TOKENS and len(self._memo) > 1:
            _, dropped = self._memo.popitem(last=False)
            self._memo_tokens -= len(dropped)
