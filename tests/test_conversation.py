"""Conversations are trees: branches, versions, and what of them the model sees."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation import Conversation, Role, State


def grown(notation: str) -> Conversation:
    """`"q1 a1 q2 a2"`: a conversation of these messages in turn, each its own text; `<q1` branches before q1 first."""
    conversation = Conversation()
    for word in notation.split():
        if word.startswith("<"):
            conversation.branch_before(of(conversation, word[1:]))
        else:
            conversation.add(Role.USER if word[0] == "q" else Role.ASSISTANT, word)
    return conversation


def of(conversation: Conversation, text: str) -> str:
    return next(m.id for m in conversation.messages.values() if m.content == text)


def shown(conversation: Conversation) -> str:
    return " ".join(m.content for m in conversation)


def seen(conversation: Conversation) -> str:
    return " ".join(m.content for m in conversation.visible_to_model())


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        ("", ""),
        ("q1", "q1"),
        ("q1 a1 q2 a2", "q1 a1 q2 a2"),
        ("q1 a1 q2 a2 <q2 q3 a3", "q1 a1 q3 a3"),  # the second question asked in other words
        ("q1 a1 <a1 a2", "q1 a2"),  # regenerated
        ("q1 a1 <q1 q2", "q2"),  # the first question edited: another root
    ],
)
def test_the_newest_branch_is_shown(notation: str, expected: str) -> None:
    assert shown(grown(notation)) == expected


def test_versions_of_a_message_are_its_siblings_oldest_first() -> None:
    conversation = grown("q1 a1 <a1 a2 <a2 a3 q2")
    versions = [m.content for m in conversation.siblings(of(conversation, "a2"))]
    assert versions == ["a1", "a2", "a3"]
    roots = grown("q1 a1 <q1 q2")
    assert [m.content for m in roots.siblings(of(roots, "q2"))] == ["q1", "q2"]


def test_switching_shows_a_branch_down_to_its_newest_leaf() -> None:
    conversation = grown("q1 a1 q2 a2 <a2 a3 <q2 q3 a4")
    conversation.switch(of(conversation, "q2"))
    assert shown(conversation) == "q1 a1 q2 a3"
    conversation.switch(of(conversation, "a2"))
    assert shown(conversation) == "q1 a1 q2 a2"


def test_stepping_through_versions_stops_at_both_ends() -> None:
    conversation = grown("q1 a1 <a1 a2 <a2 a3")
    at = of(conversation, "a3")
    steps = []
    for step in (+1, -1, -1, -1, +1):
        at = conversation.step_sibling(at, step).id
        steps.append(conversation.messages[at].content)
    assert steps == ["a3", "a2", "a1", "a1", "a2"]
    assert shown(conversation) == "q1 a2"


def test_an_update_keeps_place_and_head() -> None:
    conversation = grown("q1 a1 q2")
    conversation.update(of(conversation, "a1"), content="better", state=State.STOPPED)
    assert shown(conversation) == "q1 better q2"


def test_the_model_sees_the_system_prompt_first_and_no_empty_message() -> None:
    conversation = grown("q1 a1 q2")
    conversation.system = "be brief"
    conversation.add(Role.ASSISTANT, "", state=State.STREAMING)
    assert seen(conversation) == "be brief q1 a1 q2"


def tokens(conversation: Conversation, each: int = 10) -> dict[str, int]:
    return dict.fromkeys(conversation.messages, each)


def test_the_older_half_goes_at_once_and_a_question_comes_first() -> None:
    conversation = grown("q1 a1 q2 a2 q3 a3 q4")
    assert conversation.drop_older_half(tokens(conversation)) == 4
    assert seen(conversation) == "q3 a3 q4"
    assert shown(conversation) == "q1 a1 q2 a2 q3 a3 q4"
    assert conversation.drop_older_half(tokens(conversation)) == 2
    assert seen(conversation) == "q4"
    assert conversation.drop_older_half(tokens(conversation)) == 0


def test_a_huge_last_question_is_kept_alone() -> None:
    conversation = grown("q1 a1 q2 a2 q3")
    counts = tokens(conversation) | {of(conversation, "q3"): 10_000}
    assert conversation.drop_older_half(counts) == 4
    assert seen(conversation) == "q3"


def test_a_branch_away_from_the_cut_is_seen_whole() -> None:
    conversation = grown("q1 a1 q2 a2 q3")
    conversation.drop_older_half(tokens(conversation))
    conversation.branch_before(of(conversation, "q2"))
    conversation.add(Role.USER, "q4")
    assert seen(conversation) == "q1 a1 q4"


@given(st.lists(st.integers(0, 500), min_size=1, max_size=40), st.booleans())
def test_trimming_ends_and_never_drops_the_last_question(lengths: list[int], ends_with_question: bool) -> None:
    """Whatever the messages' lengths: each cut falls before a question, drops something, and the last one stays."""
    conversation = Conversation()
    for at, _ in enumerate(lengths):
        conversation.add(Role.USER if (len(lengths) - at) % 2 == ends_with_question else Role.ASSISTANT, f"m{at}")
    counts = dict(zip(conversation.messages, lengths, strict=True))
    last_question = next((m for m in reversed(conversation.branch()) if m.role is Role.USER), None)
    before = len(conversation.visible_to_model())
    while dropped := conversation.drop_older_half(counts):
        now = conversation.visible_to_model()
        assert len(now) == before - dropped
        assert now[0].role is Role.USER
        assert last_question in now
        before = len(now)


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=30))
def test_any_sequence_of_branching_leaves_a_tree(steps: list[tuple[int, bool]]) -> None:
    conversation = Conversation()
    for at, (pick, branches) in enumerate(steps):
        ids = list(conversation.messages)
        if ids and branches:
            conversation.branch_before(ids[pick % len(ids)])
        conversation.add(Role.USER, f"m{at}")
        branch = conversation.branch()
        assert branch[-1].content == f"m{at}"
        assert branch[0].parent_id == ""
        assert all(child.parent_id == parent.id for parent, child in itertools.pairwise(branch))
    for message_id in conversation.messages:
        conversation.switch(message_id)
        assert message_id in [m.id for m in conversation]
        assert conversation.head_id not in [m.parent_id for m in conversation.messages.values()]
