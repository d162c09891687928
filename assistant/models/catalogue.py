"""The models this product knows: names, hashes, licences and where to get them. Facts in catalogue.toml, types here."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from assistant.errors import ModelRefusedError

# The families of chat templates the engine can render (assistant/engines/templates.py implements exactly these).
FAMILIES = ("chatml", "llama3", "gemma", "mistral", "phi")

Kind = Literal["llm", "asr", "tts", "turn", "embedding"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")


class WheelMember(msgspec.Struct, frozen=True):
    """One file inside one wheel on the package index."""

    package: str
    version: str
    member: str


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a model: its published name, size in bytes and SHA-256.

    `hub_path` is its place in the repository when that is not simply its name. `wheels` are byte-identical copies on
    the package index as "package==version:member", to be concatenated in order; with `n_parts`, the one string given
    is a pattern with `{n}`.
    """

    name: str
    size: int
    sha256: str
    hub_path: str = ""
    wheels: tuple[str, ...] = ()
    n_parts: int = 0

    def wheel_members(self) -> tuple[WheelMember, ...]:
        """The wheels in the order in which their members make up the file."""
        numbered = [self.wheels[0].format(n=n) for n in range(1, self.n_parts + 1)] if self.n_parts else self.wheels
        return tuple(_wheel_member(text) for text in numbered)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model, of the catalogue or added by the user.

    `n_context` is the trained context in tokens, `ram_mb` what it needs at 4,096 tokens of context (memory.py),
    `general_name` what the GGUF header calls the model, `template_sha256` the hash of the chat template in the file
    (shown, never executed), `hub` the original as "repository@revision", `hash_source` where the hash was published
    when nobody computed it here. `converted` is the one file that is made of `files` and kept instead of them
    (engines/conversion.py). `made_from` is the SHA-256 of the file whose weights were rounded again on this machine
    (engines/requantising.py).
    """

    name: str
    kind: Kind
    files: tuple[File, ...]
    licence: str = ""
    family: str = ""
    architecture: str = ""
    n_context: int = 0
    ram_mb: int = 0
    general_name: str = ""
    template_sha256: str = ""
    hub: str = ""
    untested: bool = False
    note: str = ""
    hash_source: str = ""
    converted: File | None = None
    made_from: str = ""

    @property
    def kept(self) -> tuple[File, ...]:
        """The files of an installed model."""
        return (self.converted,) if self.converted else self.files

    @property
    def main_file(self) -> File:
        """The file that carries the weights: the largest of those that are kept."""
        return max(self.kept, key=lambda file: file.size)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


class Adapter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A low-rank adapter that comes with this package (adapters/`file`) for the base file with SHA-256 `base`."""

    file: str
    base: str
    size: int
    sha256: str
    note: str = ""


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: tuple[Entry, ...] = ()
    template: dict[str, tuple[str, ...]] = {}
    adapter: tuple[Adapter, ...] = ()


def read_entries(text: str, origin: str) -> tuple[dict[str, Entry], dict[str, str]]:
    """Parse a catalogue: entries by name, and the family of each known chat template by its SHA-256.

    Raises ModelRefusedError that names `origin` when a field is unknown, missing or malformed.
    """
    document = _document(text, origin)
    for entry in document.model:
        if what := problem(entry):
            raise ModelRefusedError(f"{origin}: model {entry.name!r}: {what}")
    families = {digest: family for family, digests in document.template.items() for digest in digests}
    return {entry.name: entry for entry in document.model}, families


def _document(text: str, origin: str) -> _Document:
    try:
        return msgspec.convert(tomllib.loads(text), _Document)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ModelRefusedError(
            f"{origin} cannot be read: {error}; correct it, or delete it and add the models again"
        ) from error


def encode_entries(entries: Iterable[Entry]) -> dict[str, Any]:
    """The table that read_entries() reads back, without fields that have their defaults."""
    table = []
    for entry in entries:
        fields = {k: v for k, v in msgspec.to_builtins(entry).items() if v not in ("", 0, False, (), None)}
        fields["files"] = [
            {k: v for k, v in msgspec.to_builtins(f).items() if v not in ("", 0, ())} for f in entry.files
        ]
        table.append(fields)
    return {"model": table}


@functools.cache
def _packaged() -> tuple[dict[str, Entry], dict[str, str]]:
    path = Path(__file__).with_name("catalogue.toml")
    return read_entries(path.read_text(encoding="utf-8"), path.name)


def catalogue() -> dict[str, Entry]:
    """The models that come with the product, by name, in the order in which they are shown."""
    return dict(_packaged()[0])


@functools.cache
def adapters() -> dict[str, Adapter]:
    """The adapters that come with the product, by the SHA-256 of the base file they were trained on."""
    path = Path(__file__).with_name("catalogue.toml")
    return {adapter.base: adapter for adapter in _document(path.read_text(encoding="utf-8"), path.name).adapter}


def template_families() -> dict[str, str]:
    """Family by the SHA-256 of a chat template as model files carry it. The text itself is never executed."""
    return dict(_packaged()[1])


def _wheel_member(text: str) -> WheelMember:
    requirement, member = text.split(":", 1)
    package, version = requirement.split("==", 1)
    return WheelMember(package, version, member)


def problem(entry: Entry) -> str:
    """What is wrong with an entry, or "". File names become paths, so nothing but plain names is let through."""
    if not _NAME.fullmatch(entry.name):
        return "the name may hold lower-case letters, digits, dots, hyphens and underscores only"
    if not entry.files or len({file.name for file in entry.files}) != len(entry.files):
        return "it needs files with distinct names"
    for file in (*entry.files, *entry.kept):
        if not _FILE_NAME.fullmatch(file.name) or not _SHA256.fullmatch(file.sha256) or not 0 < file.size < 1 << 40:
            return f"file {file.name!r} needs a plain name, a size in bytes and a SHA-256 in lower-case hex"
    if entry.made_from and not _SHA256.fullmatch(entry.made_from):
        return "what it was made from needs a SHA-256 in lower-case hex"
    if entry.kind == "llm" and entry.family not in FAMILIES:
        return f"family {entry.family!r} is none of {', '.join(FAMILIES)}"
    return ""
