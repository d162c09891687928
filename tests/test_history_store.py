"""Saving, loading, listing and deleting conversations, in memory and on disk."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.conversation import Conversation, Message, Role, State
from assistant.errors import HistoryError, UsageError
from assistant.history import History, ephemeral_history, open_history


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "history"


@pytest.fixture(params=["memory", "disk"])
def history(request: pytest.FixtureRequest, folder: Path) -> Iterator[History]:
    opened = ephemeral_history() if request.param == "memory" else open_history(folder)
    yield opened
    opened.close()


def talk(title: str, *texts: str) -> Conversation:
    conversation = Conversation(title=title, system="be brief")
    for at, text in enumerate(texts):
        conversation.add(Role.ASSISTANT if at % 2 else Role.USER, text)
    return conversation


def test_what_was_saved_is_loaded_field_by_field(history: History) -> None:
    conversation = talk("Moon", "how far?", "384,400 km")
    conversation.branch_before(list(conversation.messages)[1])
    conversation.add(
        Role.ASSISTANT,
        "far",
        state=State.STOPPED,
        model="a.gguf",
        handled_by="model",
        prompt_tokens=12,
        reply_tokens=3,
        ttft_ms=41.5,
        tokens_per_s=33.25,
        finish_reason="cancelled",
    )
    conversation.first_kept_id = conversation.head_id
    history.save_conversation(conversation)
    assert history.load(conversation.id) == conversation


def test_a_growing_reply_is_one_message(history: History) -> None:
    conversation = talk("t", "q")
    history.save_conversation(conversation)
    reply = conversation.add(Role.ASSISTANT, "", state=State.STREAMING)
    for text in ("one", "one two", "one two three"):
        reply = conversation.update(reply.id, content=text)
        history.save_message(conversation.id, reply)
    history.save_message(conversation.id, conversation.update(reply.id, state=State.COMPLETE))
    history.save_conversation(conversation)
    loaded = history.load(conversation.id)
    assert [m.content for m in loaded] == ["q", "one two three"]
    assert [m.state for m in loaded] == [State.COMPLETE, State.COMPLETE]


def test_a_message_of_no_conversation_is_refused(history: History) -> None:
    with pytest.raises(HistoryError, match="deleted"):
        history.save_message("nowhere", Message(Role.USER, "lost"))
    conversation = talk("t", "q")
    history.save_conversation(conversation)
    with pytest.raises(HistoryError):
        history.save_message(conversation.id, Message(Role.USER, "orphan", parent_id="unknown"))
    assert [m.content for m in history.load(conversation.id)] == ["q"]


def test_a_message_does_not_move_to_another_conversation(history: History) -> None:
    first, second = talk("1", "q1"), talk("2", "q2")
    history.save_conversation(first)
    history.save_conversation(second)
    stolen = next(iter(first.messages.values()))
    with pytest.raises(HistoryError):
        history.save_message(second.id, stolen)
    assert [m.content for m in history.load(first.id)] == ["q1"]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("nul \0 inside", "nul \ufffd inside"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("👩‍👩‍👧 e\u0301 שלום", "👩‍👩‍👧 e\u0301 שלום"),
        ("\x1b]52;c;evil\x07", "\x1b]52;c;evil\x07"),  # kept: what shows it makes it safe
        ("'; DROP TABLE messages; --", "'; DROP TABLE messages; --"),
    ],
)
def test_hostile_text_is_stored_as_text(history: History, text: str, stored: str) -> None:
    conversation = talk(text, text)
    history.save_conversation(conversation)
    loaded = history.load(conversation.id)
    assert (loaded.title, [m.content for m in loaded]) == (stored, [stored])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=st.lists(st.text(), max_size=4))
def test_any_text_can_be_saved_found_and_deleted(texts: list[str]) -> None:
    history = ephemeral_history()
    conversation = talk("any", *texts)
    history.save_conversation(conversation)
    assert [m.content for m in history.load(conversation.id)] == [t.replace("\0", "\ufffd") for t in texts]
    for text in texts:
        history.search(text)
    history.delete(conversation.id)
    assert history.list() == []
    history.close()


def test_the_list_has_the_last_changed_first(history: History) -> None:
    conversations = [talk(f"talk {n}", "q" * n, "a") for n in range(1, 4)]
    for conversation in conversations:
        history.save_conversation(conversation)
    first = conversations[0]
    history.save_message(first.id, first.add(Role.USER, "one  more\n\nthing"))
    found = history.list()
    assert [s.title for s in found] == ["talk 1", "talk 3", "talk 2"]
    assert (found[0].id, found[0].n_messages, found[0].preview) == (first.id, 3, "one more thing")
    assert [s.title for s in history.list(limit=1, offset=1)] == ["talk 3"]


def test_a_clock_set_back_a_year_changes_no_order(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = time.time()
    before = talk("before", "q1")
    history.save_conversation(before)
    monkeypatch.setattr(time, "time", lambda: now_s - 365 * 86400)
    after = talk("after", "q2", "a2")
    history.save_conversation(after)
    history.save_message(
        before.id, Message(Role.USER, "q3", parent_id=before.head_id, created_at_s=now_s - 365 * 86400)
    )
    assert [s.title for s in history.list()] == ["before", "after"]
    assert [m.content for m in history.load(before.id).messages.values()] == ["q1", "q3"]


def test_rename_keeps_the_order_and_refuses_nothing_as_a_title(history: History) -> None:
    for title in ("one", "two"):
        history.save_conversation(talk(title, "q"))
    oldest = history.list()[-1]
    history.rename(oldest.id, "  a\nnew   title ")
    assert [s.title for s in history.list()] == ["two", "a new title"]
    with pytest.raises(UsageError):
        history.rename(oldest.id, " \n ")


def test_a_deleted_conversation_is_gone_from_everywhere(history: History) -> None:
    kept, gone = talk("kept", "lighthouse"), talk("gone", "lighthouse", "keeper")
    for conversation in (kept, gone):
        history.save_conversation(conversation)
    history.delete(gone.id)
    assert [hit.title for hit in history.search("lighthouse")] == ["kept"]
    assert history.search("keeper") == []
    with pytest.raises(HistoryError):
        history.load(gone.id)
    with pytest.raises(HistoryError):
        history.delete(gone.id)


def test_ids_may_be_shortened_as_long_as_they_are_unique(history: History) -> None:
    for conversation_id in ("abc1" + "0" * 28, "abd2" + "0" * 28):
        history.save_conversation(Conversation(id=conversation_id))
    assert history.find_id("abc") == "abc1" + "0" * 28
    for prefix, problem in (("ab", "more than one"), ("f", "no conversation"), ("", "not a"), ("a%", "not a")):
        with pytest.raises(UsageError, match=problem):
            history.find_id(prefix)


def test_a_head_that_was_never_saved_falls_back_to_the_newest_message(history: History) -> None:
    """A kill between saving the conversation and its new message."""
    conversation = talk("t", "q", "a")
    history.save_conversation(conversation)
    conversation.head_id = "never saved"
    history.save_conversation(conversation)
    assert [m.content for m in history.load(conversation.id)] == ["q", "a"]


def test_threads_save_and_read_at_once(history: History) -> None:
    """The turn saves while the screen lists and searches; nothing is lost, nothing is refused."""
    conversations = [talk(f"talk {n}", "start") for n in range(4)]
    for conversation in conversations:
        history.save_conversation(conversation)
    failures: list[BaseException] = []

    def write(conversation: Conversation) -> None:
        try:
            for n in range(25):
                history.save_message(conversation.id, conversation.add(Role.USER, f"lantern {n}"))
                history.list()
                history.search("lant")
        except BaseException as error:  # noqa: BLE001 - looked at below
            failures.append(error)

    threads = [threading.Thread(target=write, args=(c,)) for c in conversations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [len(history.load(c.id).messages) for c in conversations] == [26] * 4
    assert len(history.search("lantern", limit=1000)) == 100


# -- only on disk ---------------------------------------------------------------------------------------------------


def test_everything_is_there_after_closing(folder: Path) -> None:
    first = open_history(folder)
    conversation = talk("Moon", "how far?", "384,400 km")
    first.save_conversation(conversation)
    first.close()
    first.close()
    second = open_history(folder)
    assert second.load(conversation.id) == conversation
    second.close()


def test_files_and_folders_are_private_even_with_a_loose_umask(folder: Path) -> None:
    history = open_history(folder)
    history.save_conversation(talk("t", "q"))
    history.backup()
    history.state_store.put("head", b"x")
    for path in [folder, *folder.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
    history.close()
    folder.chmod(0o777)
    open_history(folder).close()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_reader_is_not_kept_waiting_by_a_writer(folder: Path) -> None:
    """The screen searches while a commit waits for the disk."""
    history = open_history(folder)
    history.save_conversation(talk("t", "lantern"))
    found = []
    with history.database.write() as connection:
        connection.execute("UPDATE conversations SET title = 'changed'")
        reader = threading.Thread(target=lambda: found.append(history.search("lantern")[0].title))
        reader.start()
        reader.join(timeout=20)
    assert found == ["t"]
    history.close()


def test_a_closed_history_says_so(folder: Path) -> None:
    history = open_history(folder)
    history.close()
    with pytest.raises(HistoryError):
        history.save_conversation(talk("t", "q"))


def test_a_reply_cut_off_by_death_reads_as_interrupted(folder: Path) -> None:
    script = """
        import os, sys
        from pathlib import Path
        from assistant.conversation import Conversation, Role, State
        from assistant.history import open_history
        history = open_history(Path(sys.argv[1]))
        conversation = Conversation(title="t")
        conversation.add(Role.USER, "question")
        conversation.add(Role.ASSISTANT, "half an ans", state=State.STREAMING)
        history.save_conversation(conversation)
        print(conversation.id, flush=True)
        sys.stdin.read()  # alive until the test has looked
        os._exit(0)       # dies without closing anything
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    conversation_id = process.stdout.readline().strip()

    def states() -> list[State]:
        history = open_history(folder)
        try:
            return [m.state for m in history.load(conversation_id)]
        finally:
            history.close()

    assert states() == [State.COMPLETE, State.STREAMING]  # its writer lives
    process.stdin.close()
    process.wait()
    process.stdout.close()
    assert states() == [State.COMPLETE, State.INTERRUPTED]
    history = open_history(folder)
    assert [hit.role for hit in history.search("half")] == ["assistant"]
    history.close()


def test_streaming_text_is_searchable_once_it_is_final(history: History) -> None:
    conversation = talk("t", "q")
    reply = conversation.add(Role.ASSISTANT, "lantern", state=State.STREAMING)
    history.save_conversation(conversation)
    assert history.search("lantern") == []
    history.save_message(conversation.id, conversation.update(reply.id, state=State.COMPLETE))
    assert [hit.message_id for hit in history.search("lantern")] == [reply.id]


# -- ephemeral ------------------------------------------------------------------------------------------------------


def test_an_ephemeral_history_can_write_no_byte_anywhere(tmp_path: Path) -> None:
    """Run where the kernel refuses every file write: nothing fails, no file appears, none is open."""
    script = """
        import os
        from assistant.conversation import Conversation, Role
        from assistant.history import ephemeral_history
        history = ephemeral_history()
        conversation = Conversation(title="secret")
        for n in range(200):
            conversation.add(Role.USER, f"word{n} " * 3000)
        history.save_conversation(conversation)
        assert len(history.search("word7")) == 11
        history.state_store.put("head", b"x" * 1_000_000)
        assert history.protection.mode == "ephemeral"
        opened = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
        assert not [path for path in opened if path.startswith(os.getcwd())], opened
        history.delete(conversation.id)
        history.close()
        print("done")
    """
    elsewhere = {
        name: str(tmp_path) for name in ("HOME", "TMPDIR", "SQLITE_TMPDIR", "ASSISTANT_HOME", "XDG_CACHE_HOME")
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        env={"PATH": "/usr/bin", "PYTHONDONTWRITEBYTECODE": "1", **elsewhere},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_an_ephemeral_history_has_no_backup_and_wipes_to_nothing() -> None:
    history = ephemeral_history()
    with pytest.raises(UsageError, match="ephemeral"):
        history.backup()
    history.wipe()


# -- the engines' store ---------------------------------------------------------------------------------------------


def test_engine_states_are_kept_by_key(history: History) -> None:
    assert history.state_store.get("head") is None
    history.state_store.put("head", b"one")
    history.state_store.put("head", b"two")
    history.state_store.put("other", b"")
    assert history.state_store.get("head") == b"two"
    assert history.state_store.get("other") == b""
