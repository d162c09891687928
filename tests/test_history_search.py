"""Full-text search: what is found, how it is marked and ranked, and that no text is ever a syntax error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assistant.conversation import Conversation, Role
from assistant.history import MATCH_END, MATCH_START, History, ephemeral_history, searching


@pytest.fixture(scope="module")
def history() -> Iterator[History]:
    opened = ephemeral_history()
    for title, *texts in (
        ("Baking", "How do I bake an éclair at 180°C?", "Choux pastry, 25 minutes; don't open the oven."),
        ("Astronomy", "How far is the moon?", "The moon is 384,400 km away; moonlight takes 1.3 s."),
        ("Straßenbahn", "Wann fährt die STRASSENBAHN?", "Um zehn."),
        ("日本語", "月はどれくらい遠いですか。", "約38万キロです。"),
        ("Faces", "what does 👍🏽 mean", "agreement 100% or so_called well-known things"),
        ("C++", 'operators AND OR NOT NEAR(a b) "quoted" col:umn ^start *', "none of them is one here"),
    ):
        conversation = Conversation(title=title)
        for at, text in enumerate(texts):
            conversation.add(Role.ASSISTANT if at % 2 else Role.USER, text)
        opened.save_conversation(conversation)
    yield opened
    opened.close()


def titles(history: History, text: str) -> list[str]:
    return sorted({hit.title for hit in history.search(text)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eclair", ["Baking"]),
        ("ÉCLAIR", ["Baking"]),
        ("how", ["Astronomy", "Baking"]),
        ("how moon", ["Astronomy"]),
        ("moo", ["Astronomy"]),  # the last word may be a beginning
        ("moo far", []),  # another one may not
        ('"the moon"', ["Astronomy"]),
        ('"moon the"', []),
        ('"the moo"', []),  # a phrase is meant as it is
        ("don't", ["Baking"]),
        ("well-known", ["Faces"]),
        ("384,400", ["Astronomy"]),
        ("180°C", ["Baking"]),
        ("月", ["日本語"]),
        ("どれくらい", ["日本語"]),
        ("👍", ["Faces"]),
        ("100%", ["Faces"]),
        ("%", []),
        ("NOT", ["C++"]),
        ("a AND b", ["C++"]),
        ("NEAR(a b)", ["C++"]),
        ("content:moon", []),
        ('"', []),
        ('"" moon', ["Astronomy"]),
        ("*", []),
        ("^start", ["C++"]),
        ("", []),
        ("   ", []),
        ("moon\0", ["Astronomy"]),
        ("astron", ["Astronomy"]),  # only the title has it
    ],
)
def test_finds(history: History, text: str, expected: list[str]) -> None:
    assert titles(history, text) == expected


def test_matches_are_marked_in_the_snippet(history: History) -> None:
    (hit,) = history.search("moonl")
    assert f"{MATCH_START}moonlight{MATCH_END}" in hit.snippet
    assert hit.role == "assistant"
    (hit,) = history.search("どれ")
    assert hit.snippet == f"月は{MATCH_START}どれ{MATCH_END}くらい遠いですか。"


def test_a_hit_leads_to_its_message(history: History) -> None:
    (hit,) = history.search("choux")
    conversation = history.load(hit.conversation_id)
    assert "Choux" in conversation.messages[hit.message_id].content


def test_a_hit_in_the_title_leads_to_the_end_of_the_conversation(history: History) -> None:
    (hit,) = history.search("astronomy")
    assert (hit.role, hit.snippet) == ("title", f"{MATCH_START}Astronomy{MATCH_END}")
    assert history.load(hit.conversation_id).head_id == hit.message_id


def test_a_renamed_conversation_is_found_by_its_new_title_only() -> None:
    history = ephemeral_history()
    conversation = Conversation(title="lantern")
    conversation.add(Role.USER, "hello")
    history.save_conversation(conversation)
    history.rename(conversation.id, "lighthouse")
    assert [hit.title for hit in history.search("lighth")] == ["lighthouse"]
    assert history.search("lantern") == []
    history.close()


def filled(n_messages: int, text: str) -> History:
    history = ephemeral_history()
    conversation = Conversation(title="long")
    for n in range(n_messages):
        conversation.add(Role.USER, text.format(n=n))
    history.save_conversation(conversation)
    return history


def test_the_newer_of_equal_messages_comes_first() -> None:
    history = filled(300, "the lantern number {n}")
    hits = history.search("lantern", limit=10)
    numbers = [int(hit.snippet.split()[-1]) for hit in hits]
    assert numbers == list(range(299, 289, -1))
    history.close()


def test_a_closer_match_beats_a_slightly_newer_one() -> None:
    history = filled(0, "")
    conversation = Conversation(title="t")
    conversation.add(Role.USER, "lantern lantern lantern")
    conversation.add(Role.USER, "a lantern among " + "many other words " * 60)
    history.save_conversation(conversation)
    assert history.search("lantern")[0].snippet.count(MATCH_START) == 3
    history.close()


def test_the_limit_holds_and_zero_is_none() -> None:
    history = filled(100, "lantern {n}")
    assert [len(history.search("lantern", limit=n)) for n in (0, 1, 50, 1000)] == [0, 1, 50, 100]
    assert len(history.search("灯", limit=5)) == 0
    history.close()


def test_search_reads_the_index_and_not_the_table() -> None:
    """Stands in for a time: 10,000 messages are searched in milliseconds because nothing scans them."""
    history = filled(50, "lantern {n}")
    with history.database.read() as connection:
        for statement in (searching._BY_WORDS, searching._TITLES):
            values = dict.fromkeys(("expression", "limit", "candidates", "weight", "start", "end", "words"), 1)
            plan = " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))
            assert "VIRTUAL TABLE INDEX" in plan
            assert "SCAN m " not in plan + " "
            assert "SCAN messages" not in plan
            assert "SCAN c " not in plan + " "
    history.close()


def test_an_index_out_of_sync_is_noticed_and_rebuilt() -> None:
    history = filled(50, "lantern {n}")
    with history.database.write() as connection:
        assert searching.in_sync(connection)
        connection.execute("INSERT INTO message_text(message_text) VALUES ('delete-all')")
        connection.execute("INSERT INTO message_text(rowid, content) VALUES (999, 'lantern from nowhere')")
        assert not searching.in_sync(connection)
    assert len(history.search("lantern", limit=1000)) == 50
    with history.database.write() as connection:
        assert searching.in_sync(connection)
    history.close()


def test_deleted_words_leave_the_index() -> None:
    history = filled(20, "lantern{n}")
    with history.database.outside_transaction() as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'message_text', 'row')")

    def words() -> list[str]:
        with history.database.read() as connection:
            return [word for (word,) in connection.execute("SELECT term FROM temp.words WHERE doc > 0")]

    assert "lantern7" in words()
    history.delete(history.list()[0].id)
    assert words() == []
    history.close()


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.one_of(
        st.text(),
        st.text(alphabet="\"*^:(){}+-,.\\/%_'\0 aANDORT月👍é"),
        st.from_regex(r'"?\w+"? (AND|OR|NOT|NEAR) .*'),
    )
)
@example(text='"' * 1000)
@example(text="a " * 1000)
@example(text="\ud800\udfff")
@example(text="NEAR(moon, 2)")
@example(text="{content title} : moon")
def test_no_text_is_a_syntax_error(history: History, text: str) -> None:
    for hit in history.search(text, limit=5):
        assert hit.snippet
