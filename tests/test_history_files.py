"""The files of the history: private, unreadable without the key; damaged and newer ones are left untouched."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.conversation import Role, State
from assistant.errors import HistoryDamaged, HistoryError, HistoryLocked, HistoryTooNew
from assistant.history import (
    backups,
    open_history,
    opening,
    rekey,
    restore,
    searching,
    wipe,
)
from assistant.history.schema import MIGRATIONS
from assistant.privacy import slots
from talks import PASSPHRASE, save, save_with_backup, saved, snapshot, talk


@pytest.fixture(autouse=True)
def quick_argon2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "ARGON2_MEMORY_KIB", 64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "history"


# -- nothing of it in plain text ------------------------------------------------------------------------------------

CANARIES = ("ultramarinelighthouse", "vermilionharbour", "ochreplough")


def forms(word: str) -> Iterator[bytes]:
    """The ways in which text tends to lie around."""
    raw = word.encode()
    yield from (raw, raw.upper(), raw.title(), word.encode("utf-16-le"), word.encode("utf-32-le"), raw.hex().encode())
    for shift in range(3):  # base64 has three alignments; the first and last characters depend on the neighbours
        yield base64.b64encode(b"x" * shift + raw)[4:-4]


def test_no_file_has_a_word_of_a_conversation(folder: Path) -> None:
    history = open_history(folder)
    title, question, answer = CANARIES
    conversation = talk(title, question)
    history.save_conversation(conversation)
    reply = conversation.add(Role.ASSISTANT, "", state=State.STREAMING)
    for n in range(20):
        history.save_message(conversation.id, conversation.update(reply.id, content=answer * n))
    history.save_message(conversation.id, conversation.update(reply.id, state=State.COMPLETE))
    history.state_store.put(title, answer.encode() * 1000)
    history.search(question)
    history.backup()
    while_open = snapshot(folder)
    assert {"history.db", "history.db-wal", "cache.db"} <= while_open.keys()
    history.close()
    save(folder, "another")
    for name, content in (snapshot(folder) | while_open).items():
        for word in CANARIES:
            assert not [form for form in forms(word) if form in content], name
    folders = "".join(path.name for path in folder.rglob("*"))
    assert not [word for word in CANARIES if word in folders]


# -- keys -----------------------------------------------------------------------------------------------------------


def test_a_passphrase_is_asked_for_and_a_wrong_one_opens_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(folder, "secret")
    keys, key = opening.unlock(folder, None)
    keys.set_passphrase(key, PASSPHRASE)
    before = snapshot(folder)
    monkeypatch.setattr("assistant.privacy.keys.ATTEMPTS", 1)
    for ask in (None, lambda _: "wrong passphrase", lambda _: ""):
        with pytest.raises(HistoryLocked):
            open_history(folder, ask)
    assert snapshot(folder) == before
    history = open_history(folder, lambda _: PASSPHRASE)
    assert history.protection.mode == "passphrase"
    history.close()


def test_lost_key_slots_are_told_and_nothing_is_made_in_their_place(folder: Path) -> None:
    save(folder, "talk")
    shutil.rmtree(folder / "keys")
    before = snapshot(folder)
    with pytest.raises(HistoryDamaged, match="put it back"):
        open_history(folder)
    assert snapshot(folder) == before


def test_damaged_key_slots_are_mended_from_their_copy(folder: Path) -> None:
    save(folder, "talk")
    (folder / "keys" / "slots.json").write_bytes(b"{")
    assert saved(folder) == ["talk"]
    (folder / "keys" / "slots-copy.json").unlink()
    assert saved(folder) == ["talk"]


def test_a_new_key_re_encrypts_everything(folder: Path) -> None:
    save(folder, "one", "two")
    history = open_history(folder)
    history.backup()
    history.state_store.put("head", b"state")
    history.close()
    _, old_key = opening.unlock(folder, None)
    keys, code = rekey(folder, None, PASSPHRASE)
    assert code == ""
    assert keys.protection.mode == "passphrase"
    assert saved(folder, PASSPHRASE) == ["one", "two"]
    for path in [opening.database_file(folder), *backups.newest_first(folder)]:
        assert backups.problem_with(path, old_key)
    assert len(backups.newest_first(folder)) == 1
    assert not opening.rekeyed_file(folder).exists()
    history = open_history(folder, lambda _: PASSPHRASE)
    assert history.state_store.get("head") is None
    history.close()


def test_a_new_key_brings_a_new_recovery_code(folder: Path) -> None:
    save(folder, "talk")
    keys, key = opening.unlock(folder, None)
    keys.set_passphrase(key, PASSPHRASE)
    old_code = keys.new_recovery_code(key)
    _, code = rekey(folder, lambda _: PASSPHRASE, PASSPHRASE)
    assert code != old_code
    assert saved(folder, code) == ["talk"]


def test_re_encrypting_restoring_and_wiping_wait_for_others_to_close(folder: Path) -> None:
    save(folder, "talk")
    other = open_history(folder)
    other.backup()
    for work in (lambda: rekey(folder, None), lambda: restore(folder), lambda: wipe(folder)):
        with pytest.raises(HistoryError, match="open in another process"):
            work()
    assert [s.title for s in other.list()] == ["talk"]
    other.close()
    assert saved(folder) == ["talk"]


# -- damaged and newer files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["header", "middle", "empty", "missing", "half", "garbage"])
def test_damage_is_told_left_alone_and_restored_from_the_backup(folder: Path, damage: str) -> None:
    path = save_with_backup(folder)
    whole = path.read_bytes()
    broken = {
        "header": bytes(16) + whole[16:],
        "middle": whole[: 4096 * 5 + 7] + bytes([whole[4096 * 5 + 7] ^ 1]) + whole[4096 * 5 + 8 :],
        "empty": b"",
        "missing": b"",
        "half": whole[: len(whole) // 2],
        "garbage": os.urandom(len(whole)),
    }[damage]
    path.write_bytes(broken)
    if damage == "missing":
        path.unlink()
    newest = backups.newest_first(folder)[0].name
    with pytest.raises(HistoryDamaged, match="assistant history restore") as raised:
        open_history(folder)
    assert newest in str(raised.value)
    assert not path.exists() if damage == "missing" else path.read_bytes() == broken
    assert restore(folder).name == newest
    assert saved(folder) == ["old"]
    if damage != "missing":
        assert (folder / "damaged-1" / "history.db").read_bytes() == broken


def test_damage_met_later_is_told_too(folder: Path) -> None:
    """A page that goes bad while the history is open, or one of a file too large to be checked at the start."""
    path = save_with_backup(folder)
    history = open_history(folder)
    whole = bytearray(path.read_bytes())
    for at in range(4096, len(whole), 4096):
        whole[at + 100] ^= 1
    path.write_bytes(whole)
    with pytest.raises(HistoryDamaged, match="assistant history restore"):
        for summary in history.list():
            history.load(summary.id)
    history.close()


def test_a_stale_wal_does_not_reach_a_restored_file(folder: Path) -> None:
    """Same key, same salt: a WAL left beside the restored file would be replayed into it."""
    save(folder, "old")
    history = open_history(folder)
    history.backup()
    history.save_conversation(talk("in the WAL", "q"))
    wal = (folder / "history.db-wal").read_bytes()
    history.close()
    path = opening.database_file(folder)
    path.write_bytes(b"damaged")
    (folder / "history.db-wal").write_bytes(wal)
    restore(folder)
    assert saved(folder) == ["old"]


def test_without_a_good_backup_the_message_says_so(folder: Path) -> None:
    save(folder, "talk")
    for backup in backups.newest_first(folder):
        backup.unlink()
    opening.database_file(folder).write_bytes(b"x" * 8192)
    with pytest.raises(HistoryDamaged, match="no good backup"):
        open_history(folder)
    with pytest.raises(HistoryError, match="no good backup"):
        restore(folder)


def test_a_damaged_backup_is_passed_over_and_never_restored(folder: Path) -> None:
    path = save_with_backup(folder)
    history = open_history(folder)
    history.backup()
    history.close()
    newest, older = backups.newest_first(folder)[:2]
    newest.write_bytes(newest.read_bytes()[:-4096])
    before = path.read_bytes()
    with pytest.raises(HistoryDamaged, match="nothing was changed"):
        restore(folder, source=newest)
    assert path.read_bytes() == before
    assert restore(folder) == older


def test_a_newer_file_is_refused_and_untouched(folder: Path) -> None:
    save(folder, "talk")
    history = open_history(folder)
    with history.database.write() as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    history.close()
    before = opening.database_file(folder).read_bytes()
    with pytest.raises(HistoryTooNew, match="update"):
        open_history(folder)
    assert opening.database_file(folder).read_bytes() == before


def test_an_older_file_is_migrated_after_a_backup(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(folder, "talk")
    for backup in backups.newest_first(folder):
        backup.unlink()
    newer = (*MIGRATIONS, "ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;")
    for module in (opening, backups):
        monkeypatch.setattr(module, "MIGRATIONS", newer)
    assert saved(folder) == ["talk"]
    history = open_history(folder)
    with history.database.read() as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(newer)
        assert connection.execute("SELECT pinned FROM conversations").fetchall() == [(0,)]
    history.close()
    first_backup = backups.newest_first(folder)[-1]
    assert restore(folder, source=first_backup) == first_backup
    assert saved(folder) == ["talk"]


def test_a_failing_migration_leaves_the_file_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(folder, "talk")
    broken = (*MIGRATIONS, "ALTER TABLE conversations ADD COLUMN pinned INTEGER;\nINSERT INTO nowhere VALUES (1);")
    monkeypatch.setattr(opening, "MIGRATIONS", broken)
    monkeypatch.setattr(backups, "MIGRATIONS", broken)
    with pytest.raises(HistoryError):
        open_history(folder)
    monkeypatch.undo()
    assert saved(folder) == ["talk"]


def test_an_index_out_of_sync_is_rebuilt_with_the_daily_backup(folder: Path) -> None:
    save(folder, "lantern")
    history = open_history(folder)
    with history.database.write() as connection:
        connection.execute("INSERT INTO message_text(message_text) VALUES ('delete-all')")
    assert history.search("question") == []
    history.close()
    for backup in backups.newest_first(folder):
        backup.unlink()
    open_history(folder).close()  # waits for the day's upkeep
    history = open_history(folder)
    with history.database.write() as connection:
        assert searching.in_sync(connection)
    assert len(history.search("question")) == 1
    history.close()
