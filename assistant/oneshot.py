"""One question, one answer: what `assistant ask` runs, alone or inside the running instance."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from assistant.chat import Chat
from assistant.config import Settings
from assistant.conversation import Conversation
from assistant.documents.library import TOOL, Consultation, Library
from assistant.engines import LanguageModel, Sampling
from assistant.errors import EXIT_REFUSED, PromptTooLong, UsageError
from assistant.history import History
from assistant.router import MODEL, RULE, Confirm, Reply, Router, refuse
from assistant.session import chat_turn
from assistant.text import without_repetition
from assistant.turn import Turn

MAX_INPUT_CHARS = 4_000_000  # far more than any context holds; a bound for memory, not for meaning
_CUT = "\n[… cut here …]\n"


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked and how. `context` is the text on standard input; None means "as the settings say"."""

    text: str
    context: str = ""
    model: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    output_schema: dict[str, Any] | None = None
    ephemeral: bool = False


class Answer(msgspec.Struct, frozen=True):
    """The document of `ask --json`. `handled_by` is rule, model tool or model.

    `ttft_ms` counts from the request to the first token.
    """

    reply: str
    model: str
    handled_by: str
    prompt_tokens: int
    reply_tokens: int
    ttft_ms: float
    tokens_per_s: float
    finish_reason: str
    tool: str | None = None  # what acted, where a tool did
    arguments: dict[str, Any] = {}
    ms: float | None = None  # how long choosing the tool took


@dataclasses.dataclass(slots=True)
class Handling:
    """How a question may be handled besides by the model, and then how it was."""

    router: Router | None = None
    confirm: Confirm = refuse
    acted: Reply | None = None
    library: Library | None = None
    consulted: Consultation | None = None
    asked: str = ""


def sampling(settings: Settings, question: Question | None = None) -> Sampling:
    """The settings' sampling, with what the question overrides. Raises UsageError for values out of range."""
    chosen = Sampling(
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        min_p=settings.min_p,
        repeat_penalty=settings.repeat_penalty,
        max_tokens=settings.max_tokens,
        deadline_s=settings.reply_deadline_s,
    )
    if question is None:
        return chosen
    given = {
        "temperature": question.temperature,
        "seed": question.seed,
        "max_tokens": question.max_tokens,
    }
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not 0 <= values.get("temperature", 0) <= 5:
        raise UsageError("--temperature must be between 0 and 5")
    if not 1 <= values.get("max_tokens", 1) <= 1_000_000:
        raise UsageError("--max-tokens must be between 1 and 1000000")
    if not 0 <= values.get("seed", 0) < 2**32 - 1:
        raise UsageError("--seed must be between 0 and 4294967294")
    return dataclasses.replace(chosen, **values)


def stream_answer(  # noqa: PLR0913 - everything a turn touches, each for one thing
    question: Question,
    settings: Settings,
    history: History,
    model: LanguageModel,
    turn: Turn,
    notice: Callable[[str], None],
    handling: Handling | None = None,
) -> Iterator[str]:
    """Yield the reply in pieces. Only the question's own text can start a tool, never its context.

    Input longer than the context is cut in the middle and `notice` is told how much.

    Raises what chat_turn() raises; PromptTooLong only if the question without its context does not fit; PolicyError or
    NotConfirmed for an action that was refused.
    """
    context = question.context[:MAX_INPUT_CHARS]
    system = settings.system if question.system is None else question.system
    handling = handling or Handling()
    handling.asked = question.text
    while True:
        text = f"{question.text}\n\n{context}" if question.text and context else question.text or context
        chat = Chat(Conversation(system=system), history, sampling(settings, question), question.output_schema)
        chat.router, chat.confirm, chat.words = handling.router, handling.confirm, question.text
        chat.library = handling.library
        reply = chat.ask(text)
        try:
            for piece in chat_turn(reply, turn, chat, model):
                handling.acted, handling.consulted = chat.acted, chat.consulted
                if (
                    chat.acted is not None
                    and chat.acted.error is not None
                    and chat.acted.error.exit_code == EXIT_REFUSED
                ):
                    raise chat.acted.error
                yield piece
        except PromptTooLong as too_long:
            history.delete(chat.conversation.id)
            if not context:
                raise
            context = _shortened(context, too_long)
            notice(
                f"the input is longer than the model's context of {too_long.n_context} tokens: "
                f"only its beginning and end were read ({len(context):,} of {len(question.context):,} characters)"
            )
        else:
            return


def _shortened(context: str, too_long: PromptTooLong) -> str:
    """Cut the middle out so that the whole takes about 0.6 of the model's context: room is left for the reply."""
    fits = 0.6 * too_long.n_context / max(1, sum(too_long.message_tokens))
    keep = int(len(context) * min(fits, 0.75)) // 2
    return context[:keep] + _CUT + context[len(context) - keep :] if keep > len(_CUT) else ""


def answer(reply: str, model: LanguageModel, turn: Turn, handling: Handling | None = None) -> Answer:
    """The document of a reply; `handling` says what produced it besides the model."""
    usage, handling = turn.usage, handling or Handling()
    if handling.acted is not None:
        decision, wrote = handling.acted.decision, bool(handling.acted.writes)  # a translation is the model's
        return Answer(
            reply=reply,
            model=model.file_name if wrote else "",
            handled_by=decision.handled_by,
            prompt_tokens=usage.prompt_tokens if wrote else 0,
            reply_tokens=usage.reply_tokens if wrote else 0,
            ttft_ms=round(usage.ttft_ms, 1) if wrote else 0.0,
            tokens_per_s=round(usage.tokens_per_s, 1) if wrote else 0.0,
            finish_reason=usage.finish_reason if wrote else "stop",
            tool=decision.tool,
            arguments=decision.calls[0].arguments,
            ms=round(decision.ms, 2),
        )
    consulted = handling.consulted
    asked = consulted is None or consulted.contains
    return Answer(
        reply=without_repetition(reply, handling.asked) if usage.finish_reason == "repetition" else reply,
        model=model.file_name if asked else "",
        handled_by=MODEL if asked else RULE,
        prompt_tokens=usage.prompt_tokens,
        reply_tokens=usage.reply_tokens,
        ttft_ms=round(usage.ttft_ms, 1),
        tokens_per_s=round(usage.tokens_per_s, 1),
        finish_reason=usage.finish_reason,
        tool=TOOL if consulted else None,
        ms=round(consulted.ms, 2) if consulted else None,
    )
