"""The private folder that holds verified model files, named by their SHA-256.

    blobs/<sha256>      the files, mode 0400, moved in by one rename after their hash was checked
    sets/<name>/        models of several files, under their published names: hard links to the blobs
    parts/ locks/       what is on its way in (downloads under the name of their model), and who is at it
    added.toml          models that the user approved with `models add`
    verified.json       when each file was last hashed
    quarantine.json     which files crashed the process that loaded them, see quarantine.py

Covered: a changed, swapped, cut-off or linked file is refused before anything parses it, at every load.
Not covered: somebody who already runs programs as this user.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from assistant import durable, paths
from assistant.errors import ModelMissingError, ModelRefusedError
from assistant.models import files, opening
from assistant.models.catalogue import Entry, File, catalogue, encode_entries, read_entries
from assistant.models.quarantine import Quarantine, SetAside
from assistant.models.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Check:
    """The result of hashing one file again: `problem` is "" when it is what it should be."""

    model: str
    file_name: str
    path: Path
    problem: str


class Store:
    """The models of one home. Creating it makes the folders; no file is read before it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = paths.private_folder(folder)
        self.blobs = paths.private_folder(folder / "blobs")
        self.parts = paths.private_folder(folder / "parts")
        self.verifications = files.Verifications(folder / "verified.json")
        self._quarantine = Quarantine(folder / "quarantine.json")

    # What is known and what is here

    def added(self) -> dict[str, Entry]:
        """Models approved with `models add`. Raises ModelRefusedError when added.toml was damaged."""
        path = self.folder / "added.toml"
        try:
            return read_entries(path.read_text(encoding="utf-8"), files.shown(path))[0]
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise ModelRefusedError(f"{files.shown(path)} cannot be read: {error}; delete it and add again") from error

    def known(self) -> dict[str, Entry]:
        """The catalogue and what was added, by name."""
        return self.added() | catalogue()

    def entry(self, name: str) -> Entry:
        """The entry of that name. Raises ModelMissingError that suggests the nearest name."""
        known = self.known()
        if name in known:
            return known[name]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `assistant models list` shows all names"
        raise ModelMissingError(f"there is no model called {files.shown(name)[:80]!r}{hint}")

    def installed(self) -> list[Entry]:
        """Entries whose files are all here. Looks at sizes only; resolve() and verify() check the content."""
        return [entry for entry in self.known().values() if self.is_installed(entry)]

    def is_installed(self, entry: Entry) -> bool:
        return all(self._has(file) for file in entry.kept)

    def is_damaged(self, entry: Entry) -> bool:
        """Whether a file of it is here with another size than it should have: cut off, on a bad disk or by a copy."""
        return any(os.path.lexists(self.blob(file)) and not self._has(file) for file in entry.kept)

    def where(self) -> Path:
        """The folder that holds everything."""
        return self.folder

    def blob(self, file: File) -> Path:
        """Where the file is, or would be."""
        return self.blobs / file.sha256

    def path_of(self, entry: Entry) -> Path:
        """What ModelSpec.path will be: the file of an installed model, or the folder of several. Verifies nothing."""
        if len(entry.kept) == 1:
            return self.blob(entry.main_file)
        return self.fetched_folder(entry)

    def fetched_folder(self, entry: Entry) -> Path:
        """The fetched files of a model under their published names."""
        sets = paths.private_folder(self.folder / "sets")
        return files.linked_folder(sets / entry.name, {file.name: self.blob(file) for file in entry.files})

    def drop_fetched(self, entry: Entry) -> None:
        """Delete what a converted model was made from, unless another model needs it too."""
        shared = {file.sha256 for other in self.installed() for file in other.kept}
        shutil.rmtree(self.folder / "sets" / entry.name, ignore_errors=True)
        for file in entry.files:
            if file.sha256 not in shared:
                self.blob(file).unlink(missing_ok=True)

    # Opening

    def resolve(self, name_or_path: str | Path) -> ModelSpec:
        """Verify a model, given by name or by the path of a file, and return what an engine needs to load it.

        Raises ModelMissingError (not known or not fetched) or ModelRefusedError (anything about it is not as it should
        be, or it is set aside); both name the file and say what to do.
        """
        spec, descriptor = self.open_verified(name_or_path)
        os.close(descriptor)
        if (aside := self._quarantine.reason(spec.sha256)) is not None:
            raise ModelRefusedError(
                f"{spec.name} ({spec.file_name}) is set aside: {aside}. It stays on the disk and is not loaded; to try "
                f"it again run `assistant models release {spec.name}`, or choose another model"
            )
        return spec

    def open_verified(self, name_or_path: str | Path) -> tuple[ModelSpec, int]:
        """As resolve(), and hand over the open descriptor of the main file: the very bytes that were verified.

        A path is accepted when its hash is in the catalogue or was approved with `models add`. The caller closes it.
        """
        return opening.verified(self, name_or_path)

    def open_file(self, entry: Entry, file: File, always: bool = False) -> int:
        """Open one file of a model after checking its size and hash; the caller closes the descriptor.

        Raises ModelMissingError or ModelRefusedError. `always` hashes it whatever was recorded.
        """
        return opening.file_of(self, entry, file, always)

    def base_of(self, entry: Entry) -> Entry | None:
        """The model whose weights were rounded again for this one, if it is still known."""
        return next((e for e in self.known().values() if entry.made_from in {f.sha256 for f in e.files}), None)

    # Models whose process crashed

    def set_aside(self, spec: ModelSpec, how: str) -> None:
        """Do not load this file again until release(): its process died while it loaded it."""
        self._quarantine.put(spec.sha256, f"its process crashed while it loaded ({how})")

    def why_aside(self, entry: Entry) -> SetAside | None:
        return self._quarantine.reason(entry.main_file.sha256)

    def release(self, name: str) -> bool:
        """Let a model that was set aside be loaded again; False if it was not. Raises ModelMissingError."""
        return self._quarantine.clear(self.entry(name).main_file.sha256)

    # Changing what is here

    def admit(self, part: Path, sha256: str) -> Path:
        """Move a file of the store's parts folder in among the blobs, after hashing it once more on its descriptor.

        Raises ModelRefusedError when its hash is another; the part is deleted then.
        """
        descriptor = files.open_regular(part)
        try:
            if files.sha256_of(descriptor) != sha256:
                part.unlink()
                raise ModelRefusedError(f"{files.shown(part)} does not have the expected SHA-256 {sha256}")
            os.fchmod(descriptor, 0o400)
            os.fsync(descriptor)
            blob = self.blobs / sha256
            part.replace(blob)
            durable.sync_folder(self.blobs)
            self.verifications.record(descriptor, sha256)
        finally:
            os.close(descriptor)
        return blob

    def holds(self, file: File) -> bool:
        """True when the blob is here and its whole content is right. A damaged one is deleted."""
        try:
            descriptor = files.open_regular(self.blob(file))
        except ModelMissingError:
            return False
        except ModelRefusedError:
            self.blob(file).unlink()
            return False
        try:
            sound = self.verifications.sha256_of(self.blob(file), descriptor, always=True) == file.sha256
        finally:
            os.close(descriptor)
        if not sound:
            self.blob(file).unlink(missing_ok=True)
        return sound

    def approve(self, entry: Entry) -> None:
        """Write an entry into added.toml, replacing one of the same name."""
        entries = self.added() | {entry.name: entry}
        durable.write_private(self.folder / "added.toml", tomli_w.dumps(encode_entries(entries.values())).encode())

    def add(self, path: Path, template: str | None = None, name: str | None = None, force: bool = False) -> Entry:
        """Approve a model file of the user's and copy it into the store; see admission.py."""
        from assistant.models import admission

        return admission.add(self, path, admission.Approval(template=template, name=name, force=force))

    def remove(self, name: str) -> int:
        """Delete a model's files that no other installed model shares, and its approval. Returns the bytes freed.

        Raises ModelMissingError when there is nothing to remove.
        """
        entry = self.entry(name)
        was_added = name in self.added()
        unfinished = self.parts / name
        if not was_added and not unfinished.exists() and not self._has_any(entry):
            raise ModelMissingError(f"{name} is not installed; `assistant models list` shows what is")
        kept = {file.sha256 for other in self.installed() if other.name != name for file in other.kept}
        shutil.rmtree(self.folder / "sets" / name, ignore_errors=True)
        mine = dict.fromkeys((*entry.files, *entry.kept))
        gone = [self.blob(file) for file in mine if file.sha256 not in kept and self._has_any(entry)]
        gone += list(unfinished.glob("*"))
        freed = sum(os.lstat(path).st_blocks * 512 for path in gone if os.path.lexists(path))
        for path in gone:
            path.unlink(missing_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        self._quarantine.clear(entry.main_file.sha256)
        if was_added:
            left = [other for other in self.added().values() if other.name != name]
            durable.write_private(self.folder / "added.toml", tomli_w.dumps(encode_entries(left)).encode())
        return freed

    def verify(self, name: str | None = None) -> list[Check]:
        """Hash every byte of one installed model, or of all, whatever was recorded before.

        Raises ModelMissingError for a name that is unknown or not here.
        """
        entries = [e for e in self.known().values() if self._has_any(e)] if name is None else [self.entry(name)]
        if name is not None and not self._has_any(entries[0]):
            raise ModelMissingError(f"{name} is not installed; `assistant models list` shows what is")
        checks = []
        for entry in entries:
            for file in entry.kept:
                problem = ""
                try:
                    os.close(self.open_file(entry, file, always=True))
                except (ModelMissingError, ModelRefusedError) as error:
                    problem = str(error)
                checks.append(Check(entry.name, file.name, self.blob(file), problem))
        return checks

    def bundle(self, names: list[str], target: Path) -> list[str]:
        """Write models into one file for a machine without network; see bundle.py."""
        from assistant.models import bundle

        return bundle.write(self, names, target)

    def unbundle(self, source: Path, approve_added: bool = False) -> list[str]:
        """Install the models of a bundle; see bundle.py."""
        from assistant.models import bundle

        return bundle.read(self, source, approve_added)

    def lock(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Only one process at a time fetches a model; the others wait."""
        return files.exclusive(paths.private_folder(self.folder / "locks") / name)

    @contextlib.contextmanager
    def incoming(self, name: str) -> Iterator[Path]:
        """The folder for what is being fetched of a model; what is in it at the end stays for the next run."""
        folder = paths.private_folder(self.parts / name)
        try:
            yield folder
        finally:
            with contextlib.suppress(OSError):
                folder.rmdir()

    # Inside

    def _has(self, file: File) -> bool:
        try:
            status = os.lstat(self.blob(file))
        except OSError:
            return False
        return status.st_size == file.size

    def _has_any(self, entry: Entry) -> bool:
        return any(os.path.lexists(self.blob(file)) for file in (*entry.files, *entry.kept))
