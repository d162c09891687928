"""What the operating system does to the history: full disks, network drives, other processes."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.conversation import Conversation, Role
from assistant.errors import HistoryError
from assistant.history import (
    History,
    database,
    open_history,
    presence,
    searching,
)
from talks import save, saved, talk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "history"


# -- what the operating system does to us ---------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(mounted)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a small disk needs CAP_SYS_ADMIN")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_a_full_disk_is_told_keeps_everything_readable_and_lets_you_delete(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.history.ballast._SPARE_BYTES", 2 * 1024 * 1024)
    folder = small_disk / "history"
    history = open_history(folder)
    assert (folder / "ballast").stat().st_size == 1024 * 1024
    conversations = [talk(f"talk {n}", *(f"message {n}.{m} " + "word " * 200 for m in range(100))) for n in range(3)]
    for conversation in conversations:
        history.save_conversation(conversation)
    history.state_store.put("head", b"state")
    fill(small_disk)
    with pytest.raises(HistoryError, match="full"):
        for _ in range(3000):
            history.save_message(conversations[0].id, conversations[0].add(Role.USER, "one more " * 100))
    with pytest.raises(HistoryError, match="full"):
        history.backup()
    history.state_store.put("head", bytes(100_000))
    assert len(history.search("message", limit=1000)) >= 300
    for conversation in conversations[1:]:
        assert history.load(conversation.id) == conversation
    history.close()

    history = open_history(folder)  # opens on the full disk
    acknowledged = history.load(conversations[0].id)
    assert list(acknowledged.messages)[:100] == list(conversations[0].messages)[:100]
    history.delete(conversations[0].id)
    assert [s.title for s in history.list()] == ["talk 2", "talk 1"]
    history.save_message(conversations[1].id, conversations[1].add(Role.USER, "there is room again"))
    history.close()
    history = open_history(folder)
    assert history.load(conversations[1].id) == conversations[1]
    with history.database.write() as connection:
        assert searching.in_sync(connection)
    history.close()


def test_a_disk_full_from_the_start_is_told(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(HistoryError, match="full"):
        open_history(small_disk / "history")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_told(folder: Path) -> None:
    save(folder, "talk")
    folder.chmod(0o500)
    with pytest.raises(HistoryError, match="yours to write"):
        open_history(folder)
    folder.chmod(0o700)


def test_a_file_in_place_of_the_folder_is_told(folder: Path) -> None:
    folder.write_text("not a folder")
    with pytest.raises(HistoryError):
        open_history(folder)


MOUNTS = (
    "/dev/sda1 / ext4 rw 0 0\n"
    "server:/home /home/user nfs4 rw 0 0\n"
    "/dev/sdb1 /home/user/local\\040disk ext4 rw 0 0\n"
    "tmpfs /tmp tmpfs rw 0 0\n"
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/home/user/x", True), ("/home/username/x", False), ("/home/user/local disk/x", False), ("/srv", False)],
)
def test_network_file_systems_are_recognised(tmp_path: Path, path: str, expected: bool) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert database.on_network(Path(path), mounts) is expected
    assert not database.on_network(Path(path), tmp_path / "nowhere")


def test_on_a_disk_of_this_machine_there_is_a_wal_and_nothing_to_say(folder: Path) -> None:
    history = open_history(folder)
    history.save_conversation(talk("talk", "lantern"))
    assert (folder / "history.db-wal").exists()
    assert not [notice for notice in history.notices if "network drive" in notice]
    history.close()


def test_on_a_network_file_system_it_works_without_a_wal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "on_network", lambda path: True)
    history = open_history(folder)
    assert "network drive" in history.notices[0]
    history.save_conversation(talk("talk", "lantern"))
    assert not (folder / "history.db-wal").exists()
    with history.database.write():
        assert len(history.search("lantern")) == 1
    history.close()
    assert saved(folder) == ["talk"]


def test_a_lock_that_is_never_released_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(folder, "talk")
    monkeypatch.setattr(presence, "WAIT_S", 0.0)
    with presence.alone(folder), pytest.raises(HistoryError, match="another process"):
        open_history(folder)
    assert saved(folder) == ["talk"]


def test_two_instances_write_side_by_side(folder: Path) -> None:
    first, second = open_history(folder), open_history(folder)
    conversations = [talk("first", "q"), talk("second", "q")]

    def write(history: History, conversation: Conversation) -> None:
        history.save_conversation(conversation)
        for n in range(40):
            history.save_message(conversation.id, conversation.add(Role.USER, f"m{n}"))

    threads = [threading.Thread(target=write, args=pair) for pair in zip((first, second), conversations, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [first.load(c.id) == second.load(c.id) == c for c in conversations] == [True, True]
    first.close()
    second.close()
