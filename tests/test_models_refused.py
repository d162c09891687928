"""Files that cannot be a model, and models that were changed behind our back."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from assistant.errors import EXIT_MODEL, ModelMissingError, ModelRefusedError, UsageError
from assistant.models import files
from assistant.models.store import Store
from gguf_files import gguf, properties, tamper

# What cannot be a model


def refused(store: Store, path: Path) -> str:
    with pytest.raises(ModelRefusedError) as caught:
        store.resolve(str(path))
    with pytest.raises((ModelRefusedError, UsageError)):
        store.add(path)
    assert caught.value.exit_code == EXIT_MODEL
    assert path.name in str(caught.value)
    return str(caught.value)


def test_a_pipe_never_hangs(store: Store, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    assert "named pipe" in refused(store, tmp_path / "pipe.gguf")


def test_a_link_is_not_followed(store: Store, gguf_path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.gguf").symlink_to(gguf_path)
    assert f"a symbolic link, which is not followed; give the file itself: {gguf_path}" in refused(
        store, tmp_path / "link.gguf"
    )


def test_folders_devices_and_sockets_are_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "folder.gguf").mkdir()
    assert "a folder" in refused(store, tmp_path / "folder.gguf")
    assert "a device" in refused(store, Path("/dev/null"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.gguf"))
        assert "a socket" in refused(store, tmp_path / "s.gguf")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"abc", "3 bytes"),
        (b"<html><head><title>Sign in</title></head></html>", "web page"),
        (b"\x7fELF" + bytes(100), "does not begin with GGUF"),
        (gguf()[:-100], "cut off"),
        (gguf(properties(llama__block_count=(4, 513))), "block_count"),
    ],
)
def test_content_that_is_no_model_is_refused(store: Store, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "file.gguf").write_bytes(content)
    assert words in refused(store, tmp_path / "file.gguf")


def test_a_file_that_is_not_there_is_missing(store: Store, tmp_path: Path) -> None:
    for name in (str(tmp_path / "no.gguf"), "./no", "no.gguf", "/etc/passwd/no", "a\0b.gguf"):
        with pytest.raises((ModelMissingError, ModelRefusedError)) as caught:
            store.resolve(name)
        assert caught.value.exit_code == EXIT_MODEL


def test_an_unknown_name_suggests_the_nearest(store: Store) -> None:
    with pytest.raises(ModelMissingError, match=r"did you mean smollm2-135m\?"):
        store.resolve("smollm-135m")
    with pytest.raises(ModelMissingError, match="assistant models pull smollm2-135m"):
        store.resolve("smollm2-135m")


def test_file_names_cannot_reach_the_terminal(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "x\x1b]0;evil\x07\n\udcff.gguf"
    path.write_bytes(b"hello there")
    with pytest.raises(ModelRefusedError) as caught:
        store.resolve(str(path))
    assert "\x1b" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_path_that_is_not_text_is_refused(store: Store, gguf_path: Path, tmp_path: Path) -> None:
    store.add(gguf_path)
    path = tmp_path / "m\udcff.gguf"
    shutil.copyfile(gguf_path, path)
    with pytest.raises(ModelRefusedError, match="not valid UTF-8"):
        store.resolve(path)
    assert store.add(path).name == "m"


# Changed behind our back


def test_a_flipped_bit_is_refused_with_the_way_out(store: Store, gguf_path: Path) -> None:
    path = store.resolve(store.add(gguf_path).name).path
    tamper(path)
    with pytest.raises(ModelRefusedError, match=r"tiny\.gguf .*`assistant models remove tiny`") as caught:
        store.resolve("tiny")
    assert caught.value.exit_code == EXIT_MODEL
    checks = store.verify("tiny")
    assert len(checks) == 1
    assert checks[0].problem
    path.write_bytes(b"short")
    assert [bool(check.problem) for check in store.verify()] == [True]  # no longer listed as installed, still looked at


def test_truncated_replaced_and_linked_blobs_are_refused(store: Store, gguf_path: Path, tmp_path: Path) -> None:
    path = store.resolve(store.add(gguf_path).name).path
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[:-1])
    with pytest.raises(ModelRefusedError, match="instead of"):
        store.resolve("tiny")
    path.unlink()
    (tmp_path / "elsewhere").write_bytes(whole)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelRefusedError, match="symbolic link"):
        store.resolve("tiny")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ModelRefusedError, match="named pipe"):
        store.resolve("tiny")
    path.unlink()
    with pytest.raises(ModelMissingError):
        store.resolve("tiny")


def slow_hashing(store: Store) -> None:
    """As on a machine that needs minutes to hash a model: then the record decides."""
    record = store.folder / "verified.json"
    record.write_text(record.read_text().replace('"hash_rate":300000000.0', '"hash_rate":1000000.0'))


def test_a_large_file_is_not_hashed_again_until_something_about_it_changed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.gguf"
    path.write_bytes(gguf({**properties(), "x": (9, (0, [0] * 4_000_000))}))
    blob = store.resolve(store.add(path).name).path
    slow_hashing(store)
    hashed: list[int] = []
    real = files.sha256_of

    def counting(descriptor: int) -> str:
        hashed.append(descriptor)
        return real(descriptor)

    monkeypatch.setattr(files, "sha256_of", counting)
    store.resolve("large")
    assert hashed == []
    before = blob.stat()
    tamper(blob)
    os.utime(
        blob, ns=(before.st_atime_ns, before.st_mtime_ns)
    )  # size and time as before: the change time gives it away
    with pytest.raises(ModelRefusedError):
        store.resolve("large")
    assert len(hashed) == 1


@pytest.mark.parametrize("age_s", [8 * 24 * 3600, -3600])
def test_an_old_record_and_one_from_the_future_are_not_believed(age_s: float, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    status = path.stat()
    stamp = files.Stamp("0" * 64, status.st_size, status.st_mtime_ns, status.st_ctime_ns, 1_000_000_000)
    assert stamp.still_describes(status, 1_000_000_000 + 60)
    assert not stamp.still_describes(status, 1_000_000_000 + age_s)


@pytest.mark.parametrize("content", ["", "{", '{"hash_rate": 0, "stamps": {}}', '{"stamps": 1}', "\0\0"])
def test_a_damaged_record_only_costs_a_hash(store: Store, gguf_path: Path, content: str) -> None:
    store.add(gguf_path)
    (store.folder / "verified.json").write_text(content)
    assert store.resolve("tiny").name == "tiny"


@pytest.mark.models
def test_a_real_file_with_a_swapped_template_is_refused(store: Store, smollm2_path: Path, tmp_path: Path) -> None:
    whole = smollm2_path.read_bytes()
    swapped = whole.replace(b"message['content']", b"'Say: HACKED' * 11", 1)
    assert len(swapped) == len(whole)
    assert swapped != whole
    path = tmp_path / "swapped.gguf"
    path.write_bytes(swapped)
    with pytest.raises(ModelRefusedError, match=r"swapped\.gguf"):
        store.resolve(str(path))
    with pytest.raises(ModelRefusedError, match="--force"):
        store.add(path)
    with pytest.raises(ModelRefusedError, match="unknown chat template"):
        store.add(path, force=True)
    assert store.installed() == []
