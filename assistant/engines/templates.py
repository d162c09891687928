"""Chat templates: our own for each family, never the one inside a model file.

A template turns messages into segments. A segment is either a control marker of the template, tokenised to the
model's control token, or literal text, tokenised so that `<|im_end|>` inside it stays seven ordinary characters and
more. Users and documents therefore cannot close their own message. Covered families: chatml (Qwen, SmolLM2), llama3,
gemma (2 and 3), mistral (0.3 and later: those with control tokens), phi (3, 4 and 4-mini). Anything else needs its
own entry here.

Each message is independent of the ones behind it and the system message comes first: prompts only ever grow at the end,
and the head before the first question is constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from assistant.conversation import Message, Role
from assistant.errors import ModelRefusedError

HEAD = -1  # message index of what belongs to no message of the prompt, such as the marker that opens the reply


class Vocabulary(Protocol):
    """What a template asks of a tokeniser."""

    def control_token(self, text: str) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the prompt. `message` is the index of the message it belongs to, HEAD for none; `is_content` marks
    the one that carries the message's own text; `is_reply` one that a model may have written (its token ids may be
    known)."""

    text: str
    is_special: bool = False
    message: int = HEAD
    is_content: bool = False
    is_reply: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A family's way to write a message. `open` and `close` surround it; a marker is written {like this}."""

    open: dict[Role, str]
    close: dict[Role, str]
    separate_system: bool = True  # otherwise the system text stands at the start of the first question


def clean(text: str) -> str:
    """Text that every tokeniser and every UTF-8 encoder accepts: lone surrogates and NUL become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")


def _same(text: str) -> dict[Role, str]:
    return dict.fromkeys(Role, text)


_CHATML = Template(
    open={role: f"{{<|im_start|>}}{role}\n" for role in Role},
    close=_same("{<|im_end|>}\n"),
)
_LLAMA3 = Template(
    open={role: f"{{<|start_header_id|>}}{role}{{<|end_header_id|>}}\n\n" for role in Role},
    close=_same("{<|eot_id|>}"),
)
_GEMMA = Template(
    open={
        Role.SYSTEM: "",
        Role.USER: "{<start_of_turn>}user\n",
        Role.ASSISTANT: "{<start_of_turn>}model\n",
    },
    close={Role.SYSTEM: "\n\n", Role.USER: "{<end_of_turn>}\n", Role.ASSISTANT: "{<end_of_turn>}\n"},
    separate_system=False,
)
_MISTRAL = Template(
    open={Role.SYSTEM: "", Role.USER: "{[INST]}", Role.ASSISTANT: ""},
    close={Role.SYSTEM: "\n\n", Role.USER: "{[/INST]}", Role.ASSISTANT: "{</s>}"},
    separate_system=False,
)
# Phi-3 is documented with a line break behind each marker, but its tokeniser strips it: what the model saw has none.
_PHI = Template(open={role: f"{{<|{role}|>}}" for role in Role}, close=_same("{<|end|>}"))
_PHI4 = Template(open={role: f"{{<|im_start|>}}{role}{{<|im_sep|>}}" for role in Role}, close=_same("{<|im_end|>}"))


def _phi(vocabulary: Vocabulary) -> Template:
    """Phi-4 is written differently from Phi-3 and Phi-4-mini; its vocabulary tells it apart."""
    return _PHI4 if vocabulary.control_token("<|im_sep|>") is not None else _PHI


_FAMILIES: dict[str, Callable[[Vocabulary], Template]] = {
    "chatml": lambda _: _CHATML,
    "llama3": lambda _: _LLAMA3,
    "gemma": lambda _: _GEMMA,
    "mistral": lambda _: _MISTRAL,
    "phi": _phi,
}


def families() -> tuple[str, ...]:
    return tuple(_FAMILIES)


def choose(family: str, vocabulary: Vocabulary, file_name: str) -> Template:
    """The template of a family, checked against the model's vocabulary.

    Raises ModelRefusedError for an unknown family, or when the file lacks one of the control tokens: the template is
    then the wrong one, and user text could imitate its markers.
    """
    if family not in _FAMILIES:
        raise ModelRefusedError(
            f"{file_name}: there is no chat template named {family!r}; known are {', '.join(_FAMILIES)}"
        )
    template = _FAMILIES[family](vocabulary)
    for text in (*template.open.values(), *template.close.values()):
        for marker in _markers(text):
            if vocabulary.control_token(marker) is None:
                raise ModelRefusedError(
                    f"{file_name}: the chat template {family!r} needs the control token {marker}, which this file does "
                    "not have; add the file again with the template it was trained with"
                )
    return template


def render(template: Template, messages: Sequence[Message], prefix: str = "") -> list[Segment]:
    """The whole prompt, up to where the reply begins or, with `prefix`, continues. Message texts must be clean()."""
    segments: list[Segment] = []
    opened = ""  # what the first question's message starts with, if the system text is to stand inside it
    for index, message in enumerate(messages):
        before = template.open[message.role]
        if message.role is Role.SYSTEM and not template.separate_system:
            opened = template.open[Role.USER]
            before = opened
        elif message.role is Role.USER and opened:
            before, opened = "", ""
        segments += _split(before, index)
        is_reply = message.role is Role.ASSISTANT
        segments.append(Segment(message.content, False, index, is_content=True, is_reply=is_reply))
        segments += _split(template.close[message.role], index)
    segments += _split(template.open[Role.ASSISTANT], HEAD)
    if prefix:
        segments.append(Segment(prefix, is_content=True, is_reply=True))
    return segments


def render_plain(messages: Sequence[Message], prefix: str = "") -> list[Segment]:
    """The message texts and nothing else, as one text. They must be clean()."""
    return [Segment("".join(m.content for m in messages) + prefix, message=len(messages) - 1, is_content=True)]


def n_head_segments(segments: Sequence[Segment], messages: Sequence[Message]) -> int:
    """How many segments are the constant head: those of the system message, 0 without one."""
    if not messages or messages[0].role is not Role.SYSTEM:
        return 0
    return sum(segment.message == 0 for segment in segments)


def _markers(text: str) -> Iterable[str]:
    return (part.split("}", 1)[0] for part in text.split("{")[1:])


def _split(text: str, message: int) -> list[Segment]:
    """ "{<|im_start|>}user\\n" as its marker and its literal text."""
    segments: list[Segment] = []
    literal, *rest = text.split("{")
    if literal:
        segments.append(Segment(literal, message=message))
    for part in rest:
        marker, literal = part.split("}", 1)
        segments.append(Segment(marker, is_special=True, message=message))
        if literal:
            segments.append(Segment(literal, message=message))
    return segments
