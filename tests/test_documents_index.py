"""Documents kept, found, refreshed, forgotten: over a real store, with the real parser."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.conversation import Conversation
from assistant.documents import indexing
from assistant.documents.chunks import TARGET_CHARS, chunks, split
from assistant.documents.library import Library
from assistant.documents.parsers import Passage
from assistant.documents.search import question_words, search
from assistant.documents.store import DocumentStore, Located, open_documents, tables
from assistant.errors import HistoryDamaged
from assistant.history import ephemeral_history, open_history, rekey
from assistant.history.database import Database, connect
from document_bench import filled, papers


class WordDirections:
    """An embedder whose vectors are counted words: real vectors through the real store, without a model."""

    sha256 = "w" * 64
    closed = False

    def embed(self, texts: Sequence[str]) -> Any:
        rows = np.zeros((len(texts), 64), np.float32)
        for at, text in enumerate(texts):
            for word in text.lower().split():
                rows[at, sum(word.strip(".?,").encode()) % 64] += 1
        return rows / np.maximum(1e-9, np.linalg.norm(rows, axis=1, keepdims=True))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return papers(tmp_path)


@pytest.fixture
def store(folder: Path) -> DocumentStore:
    return filled(open_documents(ephemeral_history()), folder)


def names(store: DocumentStore) -> list[str]:
    return [kept.name for kept in store.documents()]


# -- chunks ------------------------------------------------------------------------------------------------------------


def test_neighbours_under_one_heading_are_joined_and_others_are_not() -> None:
    found = list(chunks([Passage("a", 1, "H"), Passage("b", 1, "H"), Passage("c", 2, "H"), Passage("d", 2, "I")]))
    assert [(c.text, c.page, c.heading) for c in found] == [("a\nb", 1, "H"), ("c", 2, "H"), ("d", 2, "I")]


def test_a_long_passage_is_cut_between_sentences_with_one_repeated() -> None:
    text = " ".join(f"Sentence number {n} says something of its own." for n in range(60))
    pieces = split(text)
    assert len(pieces) > 2
    assert all(len(p) <= TARGET_CHARS for p in pieces)
    assert all(p.endswith(".") for p in pieces)
    for first, second in itertools.pairwise(pieces):
        assert second.startswith(first[first.rindex("Sentence") :])


def test_text_without_sentences_is_cut_all_the_same() -> None:
    pieces = split("x" * 5000)
    assert "".join(pieces) == "x" * 5000
    assert max(map(len, pieces)) <= TARGET_CHARS


# -- the index ---------------------------------------------------------------------------------------------------------


def test_documents_of_a_folder_without_hidden_and_other_files(store: DocumentStore) -> None:
    assert names(store) == ["papers/boiler.md", "papers/garden.txt"]


@pytest.mark.parametrize(
    ("page", "line", "place"),
    [(12, 1, "a.pdf, page 12, Heating"), (0, 1, "a.pdf, Heating"), (0, 2, "a.pdf, line 2, Heating")],
)
def test_a_place_is_told_by_its_page_or_else_by_its_line(page: int, line: int, place: str) -> None:
    assert Located(1, "a.pdf", Path("a.pdf"), "", "Heating", page, line).place == place


def test_found_by_stems_of_words_with_heading(store: DocumentStore) -> None:
    hit = search(store, "What was the boiler's pressures?", 1).hits[0]
    assert hit.chunk.place == "papers/boiler.md, Boiler"
    assert hit.words > 0.5


@pytest.mark.parametrize(
    "question", ['"', "NEAR(a b)", "AND OR NOT", "*", "a" * 5000, "'; DROP TABLE chunks", "", "日本"]
)
def test_no_question_is_a_syntax_error(store: DocumentStore, question: str) -> None:
    found = search(store, question)  # raises nothing
    assert len({hit.chunk.row for hit in found.hits}) == len(found.hits) <= 3


def test_meaning_and_words_together(store: DocumentStore) -> None:
    embedder = WordDirections()
    assert indexing.embed(store, embedder) == 3
    assert indexing.embed(store, embedder) == 0
    found = search(store, "Where is the hose?", 2, embedder)
    assert found.by_meaning
    assert found.hits[0].chunk.name == "papers/garden.txt"
    assert found.hits[0].meaning > 0.2


def test_only_what_changed_is_read_again(store: DocumentStore, folder: Path) -> None:
    again = indexing.add(store, [folder])
    assert (again.added, len(again.unchanged)) == ([], 2)
    (folder / "garden.txt").write_text("The roses are cut in April.")
    os.utime(folder / "garden.txt", ns=(1, 1))
    (folder / "boiler.md").touch()  # another time, the same content
    changed = indexing.add(store, [folder])
    assert (changed.added, changed.unchanged) == (["papers/garden.txt"], ["papers/boiler.md"])
    assert "April" in search(store, "roses", 1).hits[0].chunk.text
    assert not store.by_words("march", 5)


def test_a_watched_folder_follows_its_files(store: DocumentStore, folder: Path) -> None:
    store.watch(folder)
    (folder / "new.txt").write_text("A heron at the pond.")
    (folder / "garden.txt").unlink()
    changes = indexing.refresh(store)
    assert changes.added == ["papers/new.txt"]
    assert changes.forgotten == ["papers/garden.txt"]
    assert not store.by_words("roses", 5)


def test_a_watched_folder_that_is_away_is_not_forgotten(store: DocumentStore, folder: Path) -> None:
    store.watch(folder)
    folder.rename(folder.with_name("unplugged"))
    assert indexing.refresh(store).forgotten == []
    assert len(names(store)) == 2


def test_one_bad_file_does_not_keep_the_others_out(store: DocumentStore, folder: Path) -> None:
    (folder / "bad.pdf").write_bytes(b"%PDF nonsense")
    (folder / "good.txt").write_text("Still here.")
    changes = indexing.add(store, [folder, folder / "missing.txt"])
    assert changes.added == ["papers/good.txt"]
    assert (len(changes.problems), changes.n_unread) == (2, 2)
    (folder / "empty").mkdir()
    assert indexing.add(store, [folder / "missing.txt", folder / "empty"]).n_unread == 2  # each is told


def test_forgetting_leaves_nothing_of_it_in_the_pages(tmp_path: Path, folder: Path) -> None:
    """Without encryption, so that the bytes can be looked at."""
    path = tmp_path / "plain.db"
    path.touch()
    store = filled(DocumentStore(tables(Database(path, None))), folder)
    indexing.embed(store, WordDirections())
    vector = next(iter(store.vectors(WordDirections.sha256)[1])).astype("<f2").tobytes()

    def everything() -> bytes:
        return path.read_bytes() + path.with_name("plain.db-wal").read_bytes()

    assert b"beethoven" in everything().lower() and vector in everything()
    store.forget([kept.row for kept in indexing.matching(store, str(folder))])
    left = everything()
    assert all(word not in left.lower() for word in (b"beethov", b"boiler", b"hose", b"papers"))
    assert vector not in left
    assert store.is_empty() and len(store.vectors(WordDirections.sha256)[0]) == 0


def test_what_a_name_or_path_stands_for(store: DocumentStore, folder: Path) -> None:
    for what in ("boiler.md", "papers/boiler.md", str(folder / "boiler.md")):
        assert [k.name for k in indexing.matching(store, what)] == ["papers/boiler.md"]
    assert len(indexing.matching(store, str(folder))) == 2
    assert indexing.matching(store, "other") == []


def test_question_words_are_the_telling_ones() -> None:
    assert question_words("What is the boiler's pressure, the pressure?") == ["boiler", "pressure"]
    assert question_words("what is it") == ["what", "is", "it"]


# -- on disk -----------------------------------------------------------------------------------------------------------


def test_kept_encrypted_beside_the_history_and_under_a_new_key_too(tmp_path: Path, folder: Path) -> None:
    home = tmp_path / "history"
    history = open_history(home)
    kept = open_documents(history)
    filled(kept, folder)
    kept.close()
    history.close()
    assert b"plumber" not in (home / "documents.db").read_bytes()
    rekey(home, None)
    history = open_history(home)
    again = open_documents(history)
    assert search(again, "plumber", 1).hits[0].chunk.heading == "Boiler › Help"
    again.close()
    history.close()


def test_backups_hold_no_documents(tmp_path: Path, folder: Path) -> None:
    history = open_history(tmp_path / "history")
    kept = open_documents(history)
    filled(kept, folder)
    history.save_conversation(Conversation(title="t"))
    history.backup()
    kept.close()
    history.close()
    copies = list((tmp_path / "history" / "backups").iterdir())
    assert [c.suffix for c in copies] == [".db"]
    connection = connect(copies[0], history.database.key, read_only=True)
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    connection.close()
    assert "chunks" not in tables


def test_a_damaged_file_is_told_and_replaced(tmp_path: Path, folder: Path) -> None:
    history = open_history(tmp_path / "history")
    kept = open_documents(history)
    filled(kept, folder)
    kept.close()
    path = tmp_path / "history" / "documents.db"
    raw = bytearray(path.read_bytes())
    raw[100:200] = bytes(100)
    path.write_bytes(raw)
    with pytest.raises(HistoryDamaged, match="add your documents again"):
        open_documents(history)
    fresh = open_documents(history)
    assert fresh.is_empty()
    fresh.close()
    history.close()


# -- the command -------------------------------------------------------------------------------------------------------


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = arguments if arguments[0] == "explain" else ("documents", *arguments)
    return subprocess.run(
        [sys.executable, "-m", "assistant", *command],
        env={**os.environ, "ASSISTANT_HOME": str(home)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_from_the_command_line(assistant_home: Path, folder: Path) -> None:
    added = run(assistant_home, "watch", str(folder), "--json")
    assert json.loads(added.stdout) == [str(folder)], added.stderr
    assert "by words only" in added.stderr  # the embedding model is not here, and that is said
    listed = json.loads(run(assistant_home, "list", "--json").stdout)
    assert [d["name"] for d in listed] == ["papers/boiler.md", "papers/garden.txt"]
    found = json.loads(run(assistant_home, "search", "boiler pressure", "--json").stdout)
    assert found["by_meaning"] is False
    assert found["passages"][0]["heading"] == "Boiler"
    assert run(assistant_home, "ask", "what about giraffes?").stdout == "Your documents do not say.\n"
    explained = json.loads(run(assistant_home, "explain", "what is the pressure of my boiler", "--json").stdout)
    assert explained["documents"]["place"] == "papers/boiler.md, Boiler"
    keys = assistant_home / "history" / "keys"
    keys.rename(keys.with_name("kept"))  # nothing opens the documents now, as in a script without the passphrase
    keyless = run(assistant_home, "explain", "what is the pressure of my boiler", "--json")
    assert json.loads(keyless.stdout)["documents"] is None
    assert "your documents were not looked at: " in keyless.stderr
    keys.with_name("kept").rename(keys)
    assert run(assistant_home, "forget", "nothing.txt").returncode == 2
    (folder / "bad.pdf").write_bytes(b"%PDF nonsense")
    (folder / "more.txt").write_text("The key hangs behind the mirror.")
    half = run(assistant_home, "add", str(folder))
    assert half.returncode == 1 and "read papers/more.txt" in half.stdout and "bad.pdf" in half.stderr  # like cp
    assert run(assistant_home, "forget", "--all").returncode == 0
    status = json.loads(run(assistant_home, "status", "--json").stdout)
    assert (status["documents"], status["passages"], status["watched"]) == (0, 0, [])


def test_a_running_library_notices_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assistant.documents import library as module

    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.05)
    library = Library(ephemeral_history(), lambda: WordDirections())
    library.store.watch(folder)
    library.watch()
    end_s = time.monotonic() + 60
    while library.store.is_empty() or library.store.without_vector(WordDirections.sha256):
        assert time.monotonic() < end_s
        time.sleep(0.05)
    library.close()
