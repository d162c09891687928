"""Killed at any point: no acknowledged message is lost, whole-file operations leave the old state or the new one."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.conversation import State
from assistant.errors import HistoryError
from assistant.history import backups, ballast, open_history, opening, rekey, restore, searching, wipe
from assistant.history.database import check_whole
from assistant.privacy import slots
from assistant.privacy.keys import KeySlots
from talks import PASSPHRASE, save_with_backup, saved, talk

WRITER = Path(__file__).parent / "history_writer.py"


def run_and_kill(folder: Path, round_number: int, n_lines: int, delay_s: float) -> dict[str, int]:
    """Kill a writer `delay_s` after its `n_lines`th acknowledgement; the ids it acknowledged, and their lengths."""
    process = subprocess.Popen(
        [sys.executable, str(WRITER), str(folder), str(round_number)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "open\n"
        lines = [process.stdout.readline() for _ in range(n_lines)]
        time.sleep(delay_s)
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
    assert process.wait() == -signal.SIGKILL
    whole = [line.split() for line in lines if line.endswith("\n")]
    return {message_id: int(length) for message_id, length in whole}


def kill_rounds(folder: Path, n_rounds: int, most_lines: int) -> None:
    """Kill a writer again and again at random points; after each kill every acknowledged message must be there."""
    chance = random.Random(11)
    acknowledged: dict[str, int] = {}
    for round_number in range(n_rounds):
        acknowledged |= run_and_kill(folder, round_number, chance.randrange(most_lines), chance.uniform(0.0, 0.02))
        history = open_history(folder)
        conversations = [history.load(summary.id) for summary in history.list(limit=100_000)]
        stored = {m.id: m for conversation in conversations for m in conversation.messages.values()}
        assert acknowledged == {i: len(stored[i].content) for i in acknowledged if i in stored}
        assert not [m for m in stored.values() if m.state is State.STREAMING]
        with history.database.write() as connection:
            assert check_whole(connection, has_wal=True) == ""
            assert searching.in_sync(connection)
        history.close()
    print(f"{n_rounds} kills, {len(acknowledged)} acknowledged messages, 0 lost")
    assert len(acknowledged) > n_rounds * most_lines / 4


def test_no_acknowledged_message_is_lost_in_20_kills(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "history", n_rounds=20, most_lines=20)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_no_acknowledged_message_is_lost_in_200_kills(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "history", n_rounds=200, most_lines=80)


# -- whole-file operations, killed before every single file operation they make -------------------------------------

TOUCHES = frozenset({"open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree"})


def killed_before(work: Callable[[], object], touch: int) -> bool:
    """Do `work` in a process that is killed before it touches the file system for the `touch`-th time.

    False if it got to its end before.
    """
    child = os.fork()
    if child == 0:
        seen = 0

        def count(event: str, _: tuple[object, ...]) -> None:
            nonlocal seen
            if event in TOUCHES:
                seen += 1
                if seen == touch:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def kill_everywhere(base: Path, work: Callable[[Path], object], look: Callable[[Path], None]) -> int:
    """Kill `work` on a copy of `base` at each point in turn and `look` at what is left; returns how many points."""
    for touch in itertools.count(1):
        folder = base.with_name(f"{base.name}-{touch}")
        shutil.copytree(base, folder)
        killed = killed_before(lambda folder=folder: work(folder), touch)  # type: ignore[misc]
        look(folder)
        shutil.rmtree(folder)
        if not killed:
            return touch - 1
    raise AssertionError


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cheap passphrases and no ballast: both are opened and written hundreds of times here."""
    monkeypatch.setattr(slots, "ARGON2_MEMORY_KIB", 64)
    monkeypatch.setattr(ballast, "_SPARE_BYTES", 2**62)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "history"
    save_with_backup(folder)
    return folder


def test_killed_while_it_is_made(tmp_path: Path) -> None:
    empty = tmp_path / "history"
    empty.mkdir()

    def look(folder: Path) -> None:
        history = open_history(folder)
        history.save_conversation(talk("first", "question"))
        history.close()
        assert saved(folder) == ["first"]

    assert kill_everywhere(empty, lambda folder: open_history(folder).close(), look) > 10


def test_killed_while_a_passphrase_is_set(base: Path) -> None:
    _, key = opening.unlock(base, None)

    def work(folder: Path) -> None:
        KeySlots.load(folder / "keys").set_passphrase(key, PASSPHRASE)

    assert kill_everywhere(base, work, look_for_both) > 3


def test_killed_while_it_is_re_encrypted(base: Path) -> None:
    assert kill_everywhere(base, lambda folder: rekey(folder, None), look_for_both) > 10


def look_for_both(folder: Path) -> None:
    """The conversations are there, under the old key or passphrase or the new one."""
    assert saved(folder, PASSPHRASE) == ["new", "old"]
    assert not list(folder.glob("*.rekeyed"))


def test_killed_while_a_backup_is_made(base: Path) -> None:
    def work(folder: Path) -> None:
        history = open_history(folder)
        history.backup()
        history.close()

    def look(folder: Path) -> None:
        look_for_both(folder)
        _, key = opening.unlock(folder, None)
        assert all(backups.problem_with(path, key) == "" for path in backups.newest_first(folder))
        restore(folder, source=backups.newest_first(folder)[-1])
        assert saved(folder) == ["old"]

    assert kill_everywhere(base, work, look) > 10


def test_killed_while_it_is_restored(base: Path) -> None:
    def look(folder: Path) -> None:
        assert saved(folder) in (["new", "old"], ["old"])

    assert kill_everywhere(base, restore, look) > 10


def test_killed_while_it_is_wiped(base: Path) -> None:
    def look(folder: Path) -> None:
        try:
            left = saved(folder)
        except HistoryError as error:  # the key is destroyed already, the files are still there
            assert "assistant history wipe" in str(error)
        else:
            assert left in (["new", "old"], [])
        wipe(folder)
        assert not folder.exists()
        folder.mkdir()

    assert kill_everywhere(base, wipe, look) > 5
