"""`models add`: what a model file of the user's own must show before it may run here.

Its header must pass gguf_header.py. Its chat template is never executed: the product renders its own template of the
same family, recognised by the hash of the text. An unknown template needs the user to name the family, because a wrong
or hostile one changes what the model is told. A file that claims to be a model of the catalogue must be that model.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import ModelRefusedError, UsageError
from assistant.models import files, gguf_header, memory
from assistant.models.catalogue import FAMILIES, Entry, File, catalogue, template_families
from assistant.models.gguf_header import GgufHeader
from assistant.models.store import Store

_STALE_S = 24 * 3600

# What gives a family away, to suggest it; the decision stays with the user.
_MARKS = {
    "chatml": "<|im_start|>",
    "llama3": "<|start_header_id|>",
    "gemma": "<start_of_turn>",
    "mistral": "[INST]",
    "phi": "<|end|>",
}


@dataclass(frozen=True, slots=True)
class Approval:
    """What the user said: the family of the chat template, a name, whether to accept a look-alike, where it is from."""

    template: str | None = None
    name: str | None = None
    force: bool = False
    note: str = "added by you"


def add(store: Store, path: Path, approval: Approval) -> Entry:
    """Copy a model file into the store and approve it; returns its entry, of the catalogue if it is known there.

    Raises ModelMissingError, ModelRefusedError or UsageError; nothing is left behind then.
    """
    if approval.template is not None and approval.template not in FAMILIES:
        raise UsageError(f"there is no template {approval.template!r}; choose one of {', '.join(FAMILIES)}")
    descriptor = files.open_regular(path.expanduser())
    try:
        size = os.fstat(descriptor).st_size
        known = [(entry, file) for entry in catalogue().values() for file in entry.files if file.size == size]
        if not known:  # a model of the catalogue needs no more than its hash, and not all of them are GGUF files
            _header(path, descriptor)
        part, digest = _copy(store, descriptor, size)
    finally:
        os.close(descriptor)
    try:
        for entry, file in known:
            if file.sha256 == digest:
                store.admit(part, digest)
                return entry
        if known and not approval.force:
            raise ModelRefusedError(_altered(path, known[0][0]))
        header = _copied_header(path, part)  # of the copy: the original could change at any time
        entry = _entry(store, path, header, File(_plain_name(path), size, digest), approval)
        store.admit(part, digest)
        store.approve(entry)
        return entry
    finally:
        part.unlink(missing_ok=True)


def _copied_header(path: Path, part: Path) -> GgufHeader:
    descriptor = files.open_regular(part)
    try:
        return _header(path, descriptor)
    finally:
        os.close(descriptor)


def _header(path: Path, descriptor: int) -> GgufHeader:
    try:
        return gguf_header.read_header(descriptor)
    except ModelRefusedError as error:
        raise ModelRefusedError(str(error).replace("the file", files.shown(path), 1)) from error


def _copy(store: Store, descriptor: int, size: int) -> tuple[Path, str]:
    """Copy the open file into the store's parts folder; the hash is of the very bytes that were written."""
    for stale in store.parts.glob("add-*"):  # of a run that was killed
        if time.time() - stale.stat().st_mtime > _STALE_S:
            stale.unlink(missing_ok=True)
    files.require_space(store.folder, size, "copying the model")
    target, name = tempfile.mkstemp(dir=store.parts, prefix="add-")
    try:
        with os.fdopen(target, "wb") as file:
            digest = files.sha256_of(descriptor, file.write)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name), digest


def _entry(store: Store, path: Path, header: GgufHeader, file: File, approval: Approval) -> Entry:
    if not approval.force:
        for entry in catalogue().values():
            if entry.general_name and entry.general_name == header.general_name:
                raise ModelRefusedError(_altered(path, entry))
    return Entry(
        name=_name(store, path, file, approval),
        kind="llm",
        files=(file,),
        family=approval.template or _family(path, header),
        architecture=header.architecture,
        n_context=header.n_context_train,
        ram_mb=round(memory.predict_bytes(header, min(4096, header.n_context_train)) / 1e6),
        general_name=header.general_name,
        template_sha256=header.chat_template_sha256,
        untested=True,
        note=approval.note,
    )


def _altered(path: Path, entry: Entry) -> str:
    return (
        f"{files.shown(path)} passes for {entry.name} ({entry.main_file.name}), but its content differs: it is "
        "damaged, altered or another build of that model. "
        f"Get the right one with `assistant models pull {entry.name}`; if you know where this one comes from, add it "
        "with --force"
    )


def _family(path: Path, header: GgufHeader) -> str:
    if family := template_families().get(header.chat_template_sha256):
        return family
    name, families = files.shown(path), ", ".join(FAMILIES)
    if not header.chat_template_sha256:
        raise ModelRefusedError(
            f"{name} carries no chat template, so it may not be trained to chat; if it is, name the family: "
            f"`assistant models add {name} --template FAMILY`, one of {families}"
        )
    likely = next((family for family, mark in _MARKS.items() if mark in header.chat_template), "")
    raise ModelRefusedError(
        f"{name} carries an unknown chat template (SHA-256 {header.chat_template_sha256}). It will never be executed, "
        f"but the model must be addressed in the form it was trained on. Look at it with `assistant models add {name} "
        f"--show-template`, then add the file with --template FAMILY, one of {families}"
        + (f"; it looks like {likely}" if likely else "")
    )


def _name(store: Store, path: Path, file: File, approval: Approval) -> str:
    wanted = approval.name or re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._")[:64] or file.sha256[:12]
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", wanted) or wanted == "auto":
        raise UsageError(f"{files.shown(wanted)!r} cannot be a name: use lower-case letters, digits, dots and hyphens")
    other = store.known().get(wanted)
    if other is not None and (wanted in catalogue() or other.main_file.sha256 != file.sha256):
        raise UsageError(f"there is already a model called {wanted}; choose another name with --name")
    return wanted


def _plain_name(path: Path) -> str:
    """The file's name as the catalogue allows it; what else it contained is replaced."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", path.name).lstrip("._+-")[:200] or "model.gguf"
