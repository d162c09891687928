"""Models in one file, for a machine without any network: `models bundle` there, `models unbundle` here.

An uncompressed tar: `manifest.json` first, then one member `blobs/<sha256>` for each file; any tar program can look at
it. Reading is stricter than tar: plain files only, in the order and with the sizes of the manifest, nothing else. Every
name is a hash, so that none can lead outside. Nothing is installed before everything has been verified.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from assistant.errors import ModelRefusedError, UsageError
from assistant.models import files, gguf_header
from assistant.models.catalogue import Entry, File, catalogue, problem
from assistant.models.store import Store

_BLOCK = 512
_MAX_MANIFEST_BYTES = 1 << 20
_COPY_BYTES = 4 << 20
_MANIFEST = "manifest.json"


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`models` are catalogue names; `added` are whole entries of models that the other user had approved."""

    format: int
    models: tuple[str, ...]
    added: tuple[Entry, ...] = ()


def write(store: Store, names: list[str], target: Path) -> list[str]:
    """Write the named models, or all installed ones, to `target`; returns their names.

    Every file is verified on the way. Raises UsageError if `target` exists or nothing is installed, ModelMissingError
    and ModelRefusedError as Store.resolve().
    """
    entries = [store.entry(name) for name in dict.fromkeys(names)] or store.installed()
    if not entries:
        raise UsageError("there is no installed model to bundle; `assistant models pull NAME` first")
    if os.path.lexists(target):
        raise UsageError(f"{files.shown(target)} exists already; delete it or choose another name")
    known = catalogue()
    manifest = _Manifest(
        format=1,
        models=tuple(entry.name for entry in entries if entry.name in known),
        added=tuple(entry for entry in entries if entry.name not in known),
    )
    files.require_space(target.absolute().parent, sum(entry.size for entry in entries), "the bundle")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with (
            os.fdopen(descriptor, "wb") as out,
            tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
            tar.addfile(_member(_MANIFEST, len(encoded)), io.BytesIO(encoded))
            for entry, file in _files_once(entries):
                _add_blob(store, tar, entry, file)
            out.flush()
            os.fsync(out.fileno())
        part.rename(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return [entry.name for entry in entries]


def read(store: Store, source: Path, approve_added: bool = False) -> list[str]:
    """Install the models of a bundle and return their names; all of them or none.

    Models of the catalogue are accepted by their hash. Others only if they were approved here before, or with
    `approve_added`, after their headers passed. Raises ModelMissingError or ModelRefusedError; nothing changes then.
    """
    descriptor = files.open_regular(source)
    with os.fdopen(descriptor, "rb") as tar:
        try:
            manifest = _read_manifest(tar)
            entries = _accepted_entries(store, manifest, approve_added)
            files.require_space(store.folder, sum(entry.size for entry in entries), "the bundle's content")
            parts = _extract(store, tar, entries)
        except _Malformed as malformed:
            raise ModelRefusedError(
                f"{files.shown(source)} is not a sound bundle: {malformed}; copy it again, or make it again with "
                "`assistant models bundle`"
            ) from malformed
    try:
        for part in parts:
            store.admit(part, part.name.removeprefix("bundle-"))
        for entry in manifest.added:
            store.approve(entry)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return [entry.name for entry in entries]


class _Malformed(Exception):
    """Why a bundle is refused, without its name."""


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o400, 0  # no clock, no user: the same models give the same bundle
    return info


def _files_once(entries: list[Entry]) -> Iterator[tuple[Entry, File]]:
    """Each file of the entries once, in order, even if two models share it."""
    seen: set[str] = set()
    for entry in entries:
        for file in entry.kept:
            if file.sha256 not in seen:
                seen.add(file.sha256)
                yield entry, file


def _add_blob(store: Store, tar: tarfile.TarFile, entry: Entry, file: File) -> None:
    with os.fdopen(store.open_file(entry, file), "rb") as blob:
        tar.addfile(_member(f"blobs/{file.sha256}", file.size), blob)


def _read_manifest(tar: BinaryIO) -> _Manifest:
    name, size = _next_member(tar)
    if name != _MANIFEST or size > _MAX_MANIFEST_BYTES:
        raise _Malformed("it does not begin with a manifest")
    encoded = tar.read(size)
    tar.seek(-size % _BLOCK, os.SEEK_CUR)
    try:
        manifest = msgspec.json.decode(encoded, type=_Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _Malformed(f"its manifest cannot be read ({error})") from error
    if manifest.format != 1:
        raise _Malformed(f"it has format {manifest.format}, and this version knows format 1")
    return manifest


def _accepted_entries(store: Store, manifest: _Manifest, approve_added: bool) -> list[Entry]:
    known, added = catalogue(), store.added()
    entries = []
    for name in manifest.models:
        if name not in known:
            raise _Malformed(f"it holds {files.shown(name)[:80]!r}, which this version's catalogue does not know")
        entries.append(known[name])
    for entry in manifest.added:
        if problem(entry) or len(entry.files) != 1 or entry.kind != "llm" or entry.name in known:
            raise _Malformed("its manifest describes an added model in an impossible way")
        approved = {file.sha256 for other in added.values() for file in other.files}
        if entry.files[0].sha256 not in approved and not approve_added:
            raise ModelRefusedError(
                f"the bundle holds {entry.name} ({entry.main_file.name}), which is not in the catalogue and was not "
                "approved here; if you trust who made the bundle, add --approve"
            )
        entries.append(entry)
    return entries


def _extract(store: Store, tar: BinaryIO, entries: list[Entry]) -> list[Path]:
    """Copy all members into the parts folder, each checked against size and hash; cleans up after itself."""
    parts: list[Path] = []
    try:
        for entry, file in _files_once(entries):
            name, size = _next_member(tar)
            if name != f"blobs/{file.sha256}" or size != file.size:
                raise _Malformed(f"{file.name} of {entry.name} should come next, and something else does")
            part = store.parts / f"bundle-{file.sha256}"
            part.unlink(missing_ok=True)
            parts.append(part)
            if _copy_member(tar, size, part) != file.sha256:
                raise _Malformed(f"{file.name} of {entry.name} is damaged or altered")
            if entry.name not in catalogue():
                header = gguf_header.read_header(part)
                if header.architecture != entry.architecture:
                    raise _Malformed(f"{file.name} is not the model it is said to be")
        if tar.read(2 * _BLOCK).strip(b"\0") or len(tar.read(1 << 16).strip(b"\0")):
            raise _Malformed("something that belongs to no model follows")
    except BaseException:
        for part in parts:
            part.unlink(missing_ok=True)
        raise
    return parts


def _copy_member(tar: BinaryIO, size: int, part: Path) -> str:
    digest, left = hashlib.sha256(), size
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        while left:
            piece = tar.read(min(left, _COPY_BYTES))
            if not piece:
                raise _Malformed("it ends too early; it was cut off")
            digest.update(piece)
            out.write(piece)
            left -= len(piece)
    tar.seek(-size % _BLOCK, os.SEEK_CUR)
    return digest.hexdigest()


def _next_member(tar: BinaryIO) -> tuple[str, int]:
    """Name and size of the next member. Anything but a plain file with a plain header is refused."""
    block = tar.read(_BLOCK)
    if len(block) < _BLOCK or not block.strip(b"\0"):
        raise _Malformed("it ends too early; it was cut off")
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
        raise _Malformed("it is damaged, or not a bundle at all") from error
    if info.type != tarfile.REGTYPE or info.linkname or not 0 < info.size < 1 << 40:
        raise _Malformed("it holds something other than plain files")
    return info.name, info.size
