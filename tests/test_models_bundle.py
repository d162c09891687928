"""Carrying models in one file: whole or not at all, and nothing that is not in the manifest."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.errors import ModelMissingError, ModelRefusedError, UsageError
from assistant.models.catalogue import catalogue
from assistant.models.store import Store
from gguf_files import gguf, properties


@pytest.fixture
def full(tmp_path: Path) -> Store:
    """A store with two models of the user's own."""
    store = Store(tmp_path / "there")
    for name in ("one", "two"):
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(gguf(properties(general__name=(8, name.encode()))))
        store.add(path)
    return store


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(tmp_path / "here")


def untouched(store: Store) -> bool:
    return store.installed() == [] and not list(store.parts.iterdir()) and not list(store.blobs.iterdir())


def test_a_bundle_carries_models_to_another_home(full: Store, empty: Store, tmp_path: Path) -> None:
    assert full.bundle([], tmp_path / "b.tar") == ["one", "two"]
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert tar.getnames()[0] == "manifest.json"
    with pytest.raises(ModelRefusedError, match=r"one \(one\.gguf\), which is not in the catalogue .* --approve"):
        empty.unbundle(tmp_path / "b.tar")
    assert untouched(empty)
    assert empty.unbundle(tmp_path / "b.tar", approve_added=True) == ["one", "two"]
    assert empty.resolve("two").sha256 == full.resolve("two").sha256
    assert list(empty.parts.iterdir()) == []
    assert empty.unbundle(tmp_path / "b.tar") == ["one", "two"]  # now they are approved here


def test_the_same_models_give_the_same_bundle(full: Store, tmp_path: Path) -> None:
    full.bundle(["two"], tmp_path / "a.tar")
    full.bundle(["two"], tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_what_cannot_be_bundled(full: Store, empty: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no installed model"):
        empty.bundle([], tmp_path / "b.tar")
    with pytest.raises(ModelMissingError, match="assistant models pull"):
        full.bundle(["one", "qwen2.5-0.5b"], tmp_path / "b.tar")
    (tmp_path / "there.tar").write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        full.bundle([], tmp_path / "there.tar")
    blob = full.resolve("one").path
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelRefusedError, match=r"one\.gguf"):
        full.bundle([], tmp_path / "b.tar")
    assert {path.name for path in tmp_path.glob("*.tar*")} == {"there.tar"}


def rebuilt(path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> None:
    """The bundle again, with its members changed."""
    with tarfile.open(path) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar.getmembers()]  # type: ignore[union-attr]
    change(members)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def member(
    name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content) if kind == tarfile.REGTYPE else 0
    return info, content


def edited_manifest(members: list[tuple[tarfile.TarInfo, bytes]], edit: Callable[[dict[str, object]], None]) -> None:
    manifest = json.loads(members[0][1])
    edit(manifest)
    members[0] = (members[0][0], json.dumps(manifest).encode())


CHANGES: dict[str, Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]] = {
    "a path that leads outside": lambda m: m.insert(1, member("../../evil")),
    "an absolute path": lambda m: m.insert(1, member("/tmp/evil")),
    "a symbolic link": lambda m: m.insert(1, member(m[1][0].name, kind=tarfile.SYMTYPE, link="/etc/passwd")),
    "a hard link": lambda m: m.insert(1, member(m[1][0].name, kind=tarfile.LNKTYPE, link="manifest.json")),
    "a device": lambda m: m.insert(1, member(m[1][0].name, kind=tarfile.CHRTYPE)),
    "a folder": lambda m: m.insert(1, member("blobs", kind=tarfile.DIRTYPE)),
    "a member too many": lambda m: m.append(member("extra")),
    "a member twice": lambda m: m.insert(1, m[1]),
    "a member missing": lambda m: m.__delitem__(1),
    "members in another order": lambda m: m.insert(1, m.pop()),
    "no manifest": lambda m: m.__delitem__(0),
    "a manifest that is not JSON": lambda m: m.__setitem__(0, (m[0][0], b"{")),
    "a manifest of 2 MiB": lambda m: m.__setitem__(0, (m[0][0], b" " * (2 << 20))),
    "other content": lambda m: m.__setitem__(1, (m[1][0], m[1][1][:-1] + b"?")),
    "shorter content": lambda m: m.__setitem__(1, (m[1][0], m[1][1][:-1])),
    "another format": lambda m: edited_manifest(m, lambda j: j.update(format=2)),
    "unknown fields": lambda m: edited_manifest(m, lambda j: j.update(run="evil")),
    "a model nobody knows": lambda m: edited_manifest(m, lambda j: j.update(models=["smollm9"])),
    "a model that passes for the catalogue's": lambda m: edited_manifest(
        m,
        lambda j: j["added"][0].update(name="smollm2-135m"),  # type: ignore[index]
    ),
    "a name that leads outside": lambda m: edited_manifest(
        m,
        lambda j: j["added"][0].update(name="../x"),  # type: ignore[index]
    ),
    "an extended header": lambda m: m[1][0].pax_headers.update(path="../../evil"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_bundle_that_was_changed_is_refused_whole(
    full: Store, empty: Store, tmp_path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]
) -> None:
    full.bundle([], tmp_path / "b.tar")
    rebuilt(tmp_path / "b.tar", change)
    with pytest.raises(ModelRefusedError, match=r"b\.tar is not a sound bundle"):
        empty.unbundle(tmp_path / "b.tar", approve_added=True)
    assert untouched(empty)
    assert not Path("/tmp/evil").exists()


def test_a_model_of_the_catalogue_is_accepted_by_its_hash_alone(full: Store, empty: Store, tmp_path: Path) -> None:
    """A bundle that says "smollm2-135m" but holds something of the same name and another content."""
    entry = catalogue()["smollm2-135m"]
    full.bundle(["one"], tmp_path / "b.tar")

    def claim(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        edited_manifest(members, lambda j: j.update(models=["smollm2-135m"], added=[]))
        members[1] = member(f"blobs/{entry.main_file.sha256}", members[1][1])

    rebuilt(tmp_path / "b.tar", claim)
    with pytest.raises(ModelRefusedError, match="not a sound bundle"):
        empty.unbundle(tmp_path / "b.tar", approve_added=True)
    assert untouched(empty)


def test_a_bundle_cut_off_anywhere_is_refused(full: Store, empty: Store, tmp_path: Path) -> None:
    full.bundle([], tmp_path / "b.tar")
    whole = (tmp_path / "b.tar").read_bytes()
    for n_bytes in (0, 1, 511, 512, 700, 2000, len(whole) // 2, len(whole) - 10_240 - 100):
        (tmp_path / "cut.tar").write_bytes(whole[:n_bytes])
        with pytest.raises(ModelRefusedError, match=r"cut\.tar"):
            empty.unbundle(tmp_path / "cut.tar", approve_added=True)
        assert untouched(empty)


def test_a_pipe_is_no_bundle(empty: Store, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelRefusedError, match="named pipe"):
        empty.unbundle(tmp_path / "pipe")
    with pytest.raises(ModelMissingError):
        empty.unbundle(tmp_path / "nothing")


@pytest.mark.models
def test_the_real_model_travels(model_home: Path, empty: Store, tmp_path: Path) -> None:
    assert Store(model_home / "models").bundle(["smollm2-135m"], tmp_path / "b.tar") == ["smollm2-135m"]
    assert empty.unbundle(tmp_path / "b.tar") == ["smollm2-135m"]
    assert [check.problem for check in empty.verify()] == [""]
    assert (tmp_path / "b.tar").stat().st_size < 98_362_432 + 20_000
