"""Disks, clocks, limits and folders that are not as they should be: the real command with the real model."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from assistant.models.store import Store
from gguf_files import gguf
from machine import QUESTION, answered, assistant, at, quoted, refusal, with_mounts


def slow(*values: object) -> list[object]:
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.fixture
def home_with_sound(assistant_home: Path, tmp_path: Path) -> Path:
    (tmp_path / "sound.gguf").write_bytes(gguf(runs=True))
    Store(assistant_home / "models").add(tmp_path / "sound.gguf")
    return assistant_home


def conversations(home: Path) -> list[dict[str, object]]:
    done = assistant(home, "history", "list", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


# -- disks and folders ------------------------------------------------------------------------------------------------


def test_no_room_for_temporary_files_harms_nothing(home_with_sound: Path, tmp_path: Path) -> None:
    """The folder of temporary files on a disk of its own, full to the last byte."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    full = (
        f"mount -t tmpfs -o size=4k,mode=777 tmpfs {quoted(folder)}; head -c 99k /dev/zero >{quoted(folder)}/x || true"
    )
    assert answered(assistant(home_with_sound, *QUESTION, before=with_mounts(full), TMPDIR=str(folder)))
    assert len(conversations(home_with_sound)) == 1


def test_a_full_disk_is_said_in_words(home_with_sound: Path) -> None:
    """The home on a disk of its own, full to the last byte."""
    home = home_with_sound
    script = (
        f"mkdir -p /run/disk; mount -t tmpfs -o size=4m,mode=700 tmpfs /run/disk; cp -a {quoted(home)}/. /run/disk/; "
        f"mount --bind /run/disk {quoted(home)}; cat /dev/zero >{quoted(home)}/filler 2>/dev/null || true"
    )
    said = refusal(assistant(home, *QUESTION, before=with_mounts(script)))
    assert "disk" in said


def test_a_home_that_cannot_be_written_is_said_in_words(home_with_sound: Path) -> None:
    home = home_with_sound
    read_only = with_mounts(f"mount --bind {quoted(home)} {quoted(home)}; mount -o remount,ro,bind {quoted(home)}")
    said = refusal(assistant(home, *QUESTION, before=read_only))
    assert str(home) in said
    assert "Read-only file system" in said


def test_a_home_without_the_right_to_run_programs_works(home_with_sound: Path) -> None:
    home = home_with_sound
    noexec = with_mounts(
        f"mount --bind {quoted(home)} {quoted(home)}; mount -o remount,noexec,nosuid,bind {quoted(home)}"
    )
    assert answered(assistant(home, *QUESTION, before=noexec))


@pytest.mark.parametrize("kind", ["a file", "a folder that cannot be made", *slow("below a file", "a dangling link")])
def test_a_home_that_is_none_is_said_in_words(kind: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    match kind:
        case "a file":
            home.write_text("")
        case "below a file":
            home.write_text("")
            home = home / "below"
        case "a dangling link":
            home.symlink_to(tmp_path / "nowhere")
        case _:
            home = Path("/proc/home")
    for arguments in (QUESTION, ("history", "list")):
        assert str(home) in refusal(assistant(home, *arguments))


def test_without_a_home_in_the_environment_it_finds_one(tmp_path: Path) -> None:
    done = assistant(tmp_path, "models", "where", HOME=None, ASSISTANT_HOME=None, XDG_DATA_HOME=None)
    assert done.returncode == 0
    assert Path(done.stdout.strip()).is_absolute()


def test_the_wals_index_may_be_lost(home_with_sound: Path) -> None:
    assert answered(assistant(home_with_sound, *QUESTION))
    for shm in home_with_sound.rglob("*-shm"):
        shm.unlink()
    assert answered(assistant(home_with_sound, *QUESTION))
    assert len(conversations(home_with_sound)) == 2


# -- limits -----------------------------------------------------------------------------------------------------------


def test_sixty_four_descriptors_are_enough(home_with_sound: Path) -> None:
    assert answered(assistant(home_with_sound, *QUESTION, descriptors=64))


@pytest.mark.slow
def test_too_few_descriptors_are_no_traceback(home_with_sound: Path) -> None:
    for descriptors in (16, 12):
        done = assistant(home_with_sound, *QUESTION, descriptors=descriptors)
        assert done.returncode != 0 or json.loads(done.stdout)
        assert done.returncode >= 0, "it died of a signal"


# -- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "when", ["-1y", *slow("+10y", "@2028-02-29 23:59:58", "@2038-01-19 03:14:05", "@1971-01-01 00:00:00")]
)
def test_any_clock_will_do_and_the_order_stays(when: str, home_with_sound: Path) -> None:
    home = home_with_sound
    assert answered(assistant(home, *QUESTION))
    assert answered(assistant(home, *QUESTION[:-1], "And Paris?", before=at(when)))
    assert answered(assistant(home, *QUESTION[:-1], "Last: Paris"))
    titles = [str(c["title"]) for c in conversations(home)]
    assert len(titles) == 3
    assert titles[0].startswith("Last"), "the newest comes first, whatever the clock said"
    assert assistant(home, "history", "search", "Paris", "--json", before=at(when)).returncode == 0


# -- languages and terminals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, *slow({"LC_ALL": "xx_XX.KOI9"}, {"PYTHONIOENCODING": "ascii"})])
def test_no_locale_breaks_a_reply(locale: dict[str, str], home_with_sound: Path) -> None:
    question = "Repeat: caf\u00e9 \u2014 \u65e5\u672c"
    done = assistant(home_with_sound, "ask", "--model", "sound", "--max-tokens", "8", question, **locale)
    assert done.returncode == 0, done.stderr


def test_a_name_that_is_no_text_is_survived(home_with_sound: Path) -> None:
    strange = os.fsdecode(b"/nowhere/\xff\xfe\x1b[2J.gguf")
    said = refusal(assistant(home_with_sound, "ask", "--model", strange, "hi"))
    assert "\x1b" not in said
