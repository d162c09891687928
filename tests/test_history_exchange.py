"""Export and import: what leaves comes back the same, what is malformed changes nothing."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.conversation import Conversation, Message, Role, State
from assistant.errors import UsageError
from assistant.history import History, ephemeral_history, exchange


@pytest.fixture
def history() -> Iterator[History]:
    opened = ephemeral_history()
    yield opened
    opened.close()


def branched() -> Conversation:
    conversation = Conversation(title="Moon & more", system="be brief")
    conversation.add(Role.USER, "how far?")
    conversation.add(Role.ASSISTANT, "# far\n\n```py\nx = 1\n```", model="a.gguf", tokens_per_s=3.5)
    conversation.branch_before(conversation.head_id)
    conversation.add(Role.ASSISTANT, "384,400 km", state=State.STOPPED)
    conversation.first_kept_id = conversation.head_id
    return conversation


def shape(conversation: Conversation) -> Any:
    """A conversation with its ids replaced by their order."""
    order = {"": -1} | {message_id: at for at, message_id in enumerate(conversation.messages)}
    messages = [
        dataclasses.replace(m, id="", parent_id=str(order[m.parent_id])) for m in conversation.messages.values()
    ]
    head = (order[conversation.head_id], order[conversation.first_kept_id])
    return conversation.title, conversation.system, messages, head


def test_json_brings_back_all_branches_under_new_ids(history: History) -> None:
    conversation = branched()
    history.save_conversation(conversation)
    imported = history.import_json(history.export(conversation.id, "json"))
    assert shape(imported) == shape(conversation)
    assert shape(history.load(imported.id)) == shape(conversation)
    assert not {conversation.id, *conversation.messages} & {imported.id, *imported.messages}
    assert len(history.list()) == 2


def test_markdown_has_the_shown_branch(history: History) -> None:
    conversation = branched()
    history.save_conversation(conversation)
    text = history.export(conversation.id, "markdown")
    assert text.startswith("# Moon & more\n\n## System\n\nbe brief\n\n## You\n\n")
    assert "384,400 km" in text
    assert "stopped" in text
    assert "```py" not in text
    conversation.switch(list(conversation.messages)[1])
    history.save_conversation(conversation)
    assert "```py\nx = 1\n```" in history.export(conversation.id)


def test_markdown_of_odd_conversations() -> None:
    odd = Conversation()
    assert exchange.to_markdown(odd) == "# Conversation\n"
    odd.put(Message(Role.USER, "q", created_at_s=1e18))
    odd.put(Message(Role.ASSISTANT, "", parent_id=odd.head_id, state=State.STREAMING))
    assert "still being written" in exchange.to_markdown(odd)


def test_a_reply_exported_in_mid_stream_comes_back_interrupted(history: History) -> None:
    conversation = Conversation()
    conversation.add(Role.ASSISTANT, "half", state=State.STREAMING)
    history.save_conversation(conversation)
    imported = history.import_json(history.export(conversation.id, "json"))
    assert [m.state for m in imported] == [State.INTERRUPTED]


def test_an_unknown_format_is_named(history: History) -> None:
    conversation = branched()
    history.save_conversation(conversation)
    with pytest.raises(UsageError, match="markdown and json"):
        history.export(conversation.id, "pdf")


def changed(**changes: Any) -> str:
    """The export of branched() with fields replaced; `message_` fields go to the second message."""
    document = json.loads(exchange.to_json(branched()))
    for name, value in changes.items():
        if name.startswith("message_"):
            document["messages"][1][name.removeprefix("message_")] = value
        else:
            document[name] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not an exported conversation"),
        ("[]", "not an exported conversation"),
        ("{}", "not an exported conversation"),
        ("[" * 200_000, "not an exported conversation"),
        ('{"a":' * 200_000, "not an exported conversation"),
        (exchange.to_json(branched())[:-40], "not an exported conversation"),
        ("\ud800", "not an exported conversation"),
        (changed(format="chatgpt"), "chatgpt"),
        (changed(version=2), "newer version"),
        (changed(surprise=1), "surprise"),
        (changed(head_id="nowhere"), "missing"),
        (changed(first_kept_id="nowhere"), "missing"),
        (changed(messages={}), "array"),
        (changed(message_role="root"), "root"),
        (changed(message_state="odd"), "odd"),
        (changed(message_content=None), "content"),
        (changed(message_id=""), "earlier one"),
        (changed(message_parent_id="nowhere"), "does not come before"),
        (changed(message_created_at_s=1e300), "out of range"),
        (changed(message_prompt_tokens=-1), "out of range"),
        (changed(message_prompt_tokens=10**30), "out of range"),
        (changed(title=7), "title"),
    ],
    ids=itertools.count(),
)
def test_malformed_imports_are_refused_and_store_nothing(history: History, text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        history.import_json(text)
    assert history.list() == []


def test_a_cycle_cannot_be_imported(history: History) -> None:
    document = json.loads(exchange.to_json(branched()))
    first, second = document["messages"][:2]
    first["parent_id"] = second["id"]
    with pytest.raises(UsageError, match="does not come before"):
        history.import_json(json.dumps(document))


def test_an_import_over_the_limit_is_refused_unread(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_IMPORT_CHARS", 100)
    with pytest.raises(UsageError, match="larger"):
        history.import_json(exchange.to_json(branched()))
    monkeypatch.undo()
    monkeypatch.setattr(exchange, "MAX_MESSAGES", 2)
    with pytest.raises(UsageError, match="3 messages"):
        history.import_json(exchange.to_json(branched()))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [*json.loads(exchange.to_json(branched())), *(f"message_{f.name}" for f in dataclasses.fields(Message))]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FIELDS), json_values)
def test_any_value_in_any_field_is_taken_or_refused(field: str, value: Any) -> None:
    history = ephemeral_history()
    try:
        imported = history.import_json(changed(**{field: value}))
    except UsageError:
        assert history.list() == []
    else:
        assert len(history.load(imported.id).branch()) <= 3
        history.export(imported.id)
        history.export(imported.id, "json")
    history.close()
