"""Backups, wiping, and the engines' store beside the history."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from assistant.errors import HistoryDamaged
from assistant.history import (
    backups,
    open_history,
    opening,
    restore,
    wipe,
)
from assistant.history.cache import DiskStateStore, MemoryStateStore, StateStore
from talks import PASSPHRASE, save, save_with_backup, saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "history"


# -- backups --------------------------------------------------------------------------------------------------------


def test_one_backup_a_day_and_seven_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(folder, "talk")
    days = [
        date(2026, 11, 1) + timedelta(days=n) for n in (0, 0, 1, 2, 3, 4, 5, 6, 7, 8, -400, 9)
    ]  # one clock set back
    for day in days:
        monkeypatch.setattr(backups, "_day", lambda day=day: day.strftime("%Y%m%d"))
        save(folder, f"of {day}")
    kept = backups.newest_first(folder)
    assert len(kept) == backups.KEEP
    assert kept[0].stem.endswith("20261110")
    numbers = [int(path.name.split("-")[0]) for path in kept]
    assert numbers == list(range(numbers[0], numbers[0] - 7, -1))
    _, key = opening.unlock(folder, None)
    assert all(backups.problem_with(path, key) == "" for path in kept)


def test_an_empty_history_is_not_backed_up(folder: Path) -> None:
    open_history(folder).close()
    open_history(folder).close()
    assert backups.newest_first(folder) == []


def test_a_backup_of_a_damaged_history_fails_and_keeps_the_good_ones(folder: Path) -> None:
    path = save_with_backup(folder)
    good = {backup.name: backup.read_bytes() for backup in backups.newest_first(folder)}
    history = open_history(folder)
    whole = bytearray(path.read_bytes())
    for at in range(8192, len(whole), 4096):
        whole[at + 100] ^= 1
    path.write_bytes(whole)
    for _ in range(10):
        with pytest.raises(HistoryDamaged):
            history.backup()
    assert {backup.name: backup.read_bytes() for backup in backups.newest_first(folder)} == good
    assert sorted(p.name for p in backups.folder_of(folder).iterdir()) == sorted(good)
    history.close()


def test_deleting_everywhere_reaches_the_backups(folder: Path) -> None:
    save(folder, "kept", "gone")
    history = open_history(folder)
    history.backup()
    gone = next(s.id for s in history.list() if s.title == "gone")
    history.delete(gone, everywhere=True)
    history.close()
    assert saved(folder) == ["kept"]
    restore(folder)
    assert saved(folder) == ["kept"]


# -- wiping ---------------------------------------------------------------------------------------------------------


def test_wiping_leaves_nothing(folder: Path) -> None:
    save_with_backup(folder)
    history = open_history(folder)
    history.state_store.put("head", b"state")
    history.wipe()
    assert not folder.exists()
    wipe(folder)
    assert saved(folder) == []


def test_a_locked_or_ruined_history_can_be_wiped(folder: Path) -> None:
    save(folder, "talk")
    keys, key = opening.unlock(folder, None)
    keys.set_passphrase(key, PASSPHRASE)
    (folder / "keys" / "slots.json").write_bytes(b"ruined")
    opening.database_file(folder).write_bytes(b"ruined")
    wipe(folder)
    assert not folder.exists()


def test_a_copy_of_the_wiped_database_stays_unreadable(folder: Path, tmp_path: Path) -> None:
    """The key is destroyed, not only the files: what a backup program copied without the keys is noise."""
    save(folder, "talk")
    copy = tmp_path / "copy.db"
    shutil.copyfile(opening.database_file(folder), copy)
    wipe(folder)
    save(folder, "later")
    _, key = opening.unlock(folder, None)
    assert backups.problem_with(copy, key)


# -- the engines' store ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    limit_bytes = 100_000
    made = (
        MemoryStateStore(limit_bytes)
        if request.param == "memory"
        else DiskStateStore(tmp_path / "cache.db", bytes(32), limit_bytes)
    )
    yield made
    made.close()


def test_the_least_recently_used_state_goes_first(store: StateStore) -> None:
    for key in ("a", "b", "c"):
        store.put(key, key.encode() * 30_000)
    assert store.get("a") == b"a" * 30_000
    store.put("d", b"d" * 30_000)
    assert [key for key in "abcd" if store.get(key)] == ["a", "c", "d"]


def test_a_state_larger_than_the_store_is_not_kept_and_harms_nothing(store: StateStore) -> None:
    store.put("a", b"small")
    store.put("b", bytes(200_000))
    assert store.get("b") is None
    assert store.get("a") == b"small"


@pytest.mark.parametrize("damage", [b"", b"garbage" * 1000, None])
def test_a_damaged_store_is_made_anew(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "cache.db"
    for attempt in range(2):
        store = DiskStateStore(path, bytes(32))
        if attempt:
            assert store.get("head") is None
        store.put("head", os.urandom(50_000))
        store.put("head", b"state")
        assert store.get("head") == b"state"
        store.close()
        flipped = bytearray(path.read_bytes())
        for at in range(100, len(flipped), 4096):
            flipped[at] ^= 1
        path.write_bytes(flipped if damage is None else damage)


def test_the_store_of_another_key_is_made_anew(tmp_path: Path) -> None:
    first = DiskStateStore(tmp_path / "cache.db", bytes(32))
    first.put("head", b"state")
    first.close()
    second = DiskStateStore(tmp_path / "cache.db", bytes([1]) * 32)
    assert second.get("head") is None
    second.put("head", b"other")
    assert second.get("head") == b"other"
    second.close()
