"""Bytes that change on the disk: noticed, or without consequence; never a conversation that is silently wrong."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from assistant.conversation import Role
from assistant.errors import HistoryDamaged
from assistant.history import History, open_history, opening, searching
from talks import talk

PAGE_BYTES = 4096
N_CONVERSATIONS = 12
N_LATE = 40  # messages that are in the WAL only


@dataclass(frozen=True)
class Originals:
    """A history closed in order, and the same one as a killed process leaves it, with its last commits in the WAL."""

    closed: Path
    killed: Path
    contents: list[str]  # of all messages in the order they were saved; the last N_LATE one commit each


def contents(history: History) -> list[str]:
    with history.database.read() as connection:
        return [content for (content,) in connection.execute("SELECT content FROM messages ORDER BY row")]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    closed = tmp_path_factory.mktemp("closed") / "history"
    killed = tmp_path_factory.mktemp("killed") / "history"
    chance = random.Random(5)
    history = open_history(closed)
    for n in range(N_CONVERSATIONS):
        texts = [f"lantern {n} " + "".join(chance.choices("abcde ", k=chance.randrange(6000))) for _ in range(8)]
        history.save_conversation(talk(f"talk {n}", *texts))
    history.close()
    history = open_history(closed)
    late = talk("late")
    history.save_conversation(late)
    for n in range(N_LATE):
        history.save_message(late.id, late.add(Role.USER, f"harbour {n} " + "x" * chance.randrange(3000)))
    shutil.copytree(closed, killed)
    saved = contents(history)
    history.close()
    for folder in (closed, killed):
        shutil.rmtree(folder / "open")
        shutil.rmtree(folder / "backups")  # so that nothing but the file itself is to be relied on
    return Originals(closed, killed, saved)


Mutation = Callable[[bytearray, random.Random], None]


def page(data: bytearray, chance: random.Random) -> int:
    return chance.randrange(max(1, len(data) // PAGE_BYTES)) * PAGE_BYTES


def flip_bit(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def change_bytes(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) - 64)
    data[at : at + 64] = chance.randbytes(64)


def zero_page(data: bytearray, chance: random.Random) -> None:
    at = page(data, chance)
    data[at : at + PAGE_BYTES] = bytes(len(data[at : at + PAGE_BYTES]))


def garble_page(data: bytearray, chance: random.Random) -> None:
    at = page(data, chance)
    data[at : at + PAGE_BYTES] = chance.randbytes(len(data[at : at + PAGE_BYTES]))


def swap_pages(data: bytearray, chance: random.Random) -> None:
    one, other = page(data, chance), page(data, chance)
    first, second = data[one : one + PAGE_BYTES], data[other : other + PAGE_BYTES]
    data[one : one + PAGE_BYTES], data[other : other + PAGE_BYTES] = second, first


def damage_header(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(100)] ^= 1 << chance.randrange(8)


def cut_anywhere(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def cut_pages(data: bytearray, chance: random.Random) -> None:
    del data[page(data, chance) :]


def remove_bytes(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) - 10)
    del data[at : at + chance.randrange(1, 10)]


def insert_page(data: bytearray, chance: random.Random) -> None:
    at = page(data, chance)
    data[at:at] = data[at : at + PAGE_BYTES]


def append_garbage(data: bytearray, chance: random.Random) -> None:
    data += chance.randbytes(chance.randrange(1, 3 * PAGE_BYTES))


def zero_tail(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    data[at:] = bytes(len(data) - at)


MUTATIONS: list[Mutation] = [
    *(flip_bit, change_bytes, zero_page, garble_page, swap_pages, damage_header),
    *(cut_anywhere, cut_pages, remove_bytes, insert_page, append_garbage, zero_tail),
]


def mutated(original: Path, name: str, seed: int, target: Path) -> bytes:
    """Copy a history with one of its files mutated; returns that file's bytes."""
    shutil.copytree(original, target)
    data = bytearray((target / name).read_bytes())
    MUTATIONS[seed % len(MUTATIONS)](data, random.Random(seed))
    (target / name).write_bytes(data)
    return bytes(data)


def damage_database(originals: Originals, seed: int, target: Path) -> bool:
    """Mutate the database file; assert that it is refused and left alone, or means exactly the same. True: refused."""
    data = mutated(originals.closed, "history.db", seed, target)
    try:
        history = open_history(target)
    except HistoryDamaged:
        assert (target / "history.db").read_bytes() == data
        return True
    assert contents(history) == originals.contents
    history.close()
    return False


def damage_wal(originals: Originals, seed: int, target: Path) -> int:
    """Mutate the WAL; assert that the history opens as it was after one of its commits. Returns how many are lost."""
    mutated(originals.killed, "history.db-wal", seed, target)
    history = open_history(target)
    left = contents(history)
    n_lost = len(originals.contents) - len(left)
    assert left == originals.contents[: len(left)]
    assert 0 <= n_lost <= N_LATE
    assert len(history.search("harbour", limit=100)) == N_LATE - n_lost
    with history.database.write() as connection:
        assert searching.in_sync(connection)
    history.close()
    assert opening.database_file(target).exists()
    return n_lost


def run(
    damage: Callable[[Originals, int, Path], object], originals: Originals, folder: Path, seeds: range
) -> list[object]:
    results = []
    for seed in seeds:
        results.append(damage(originals, seed, folder / str(seed)))
        shutil.rmtree(folder / str(seed))
    return results


def test_the_originals_open_as_they_are(originals: Originals, tmp_path: Path) -> None:
    for original in (originals.closed, originals.killed):
        shutil.copytree(original, tmp_path / original.parent.name)
        history = open_history(tmp_path / original.parent.name)
        assert contents(history) == originals.contents
        history.close()


def test_48_mutations_of_the_database_are_noticed(originals: Originals, tmp_path: Path) -> None:
    refused = run(damage_database, originals, tmp_path, range(48))
    assert refused.count(True) >= 40  # the others: two equal pages swapped, nothing cut


def test_24_mutations_of_the_wal_open_as_a_whole_commit(originals: Originals, tmp_path: Path) -> None:
    lost = run(damage_wal, originals, tmp_path, range(24))
    assert len(set(lost)) > 3


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_600_mutations_of_the_database_are_noticed(originals: Originals, tmp_path: Path) -> None:
    run(damage_database, originals, tmp_path, range(1000, 1600))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_240_mutations_of_the_wal_open_as_a_whole_commit(originals: Originals, tmp_path: Path) -> None:
    run(damage_wal, originals, tmp_path, range(1000, 1240))
