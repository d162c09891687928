"""Runs a recipe. Each stage's folder is named by the hash of all that goes into it, and appears only when complete.

    OUT/reference-4f1c.../   manifest.json (SHA-256 of every file, parameters, inputs), and the files
    OUT/.qad-99ab....partial/ a stage in progress, with its checkpoint
    OUT/run.json             which folders belong to the last run

A finished stage is never run again: same inputs, same folder. `kill -9` at any point leaves a .partial folder;
--resume goes on inside it (from the last checkpoint where a stage has one), without --resume it starts afresh.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import psutil

from assistant.errors import AlreadyRunningError, NotEnoughMemoryError, UsageError
from quantize.crew import ALONE, Crew, gather_crew
from quantize.recipe import Recipe, Step

Report = Callable[[str], None]
SCRATCH = "scratch"  # a folder inside the stage's for checkpoints: removed before the stage is sealed


@dataclass(frozen=True, slots=True)
class Place:
    """What a stage may see: the source, the folders of finished stages by name, its own folder, the seed, and the
    processes that run it."""

    source: Path
    results: dict[str, Path]
    folder: Path
    seed: int
    report: Report
    crew: Crew = ALONE

    def result(self, stage: str, file: str) -> Path:
        """A file of an earlier stage, or of a folder given by its path. Raises UsageError when there is no such
        thing."""
        return _found(stage, self.results) / file

    def model(self, name: str) -> Path:
        """`source`, a path, or the model.gguf of an earlier stage."""
        if name == "source":
            return self.source
        return self.result(name, "model.gguf") if name in self.results else Path(name)

    @property
    def scratch(self) -> Path:
        path = self.folder / SCRATCH
        path.mkdir(exist_ok=True)
        return path


class Stage(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Base of the stages: the fields are the parameters. A stage writes into `place.folder` and nowhere else.

    A `collective` stage is run by all processes of a launcher and lets only the leader write; the leader alone runs
    the others.
    """

    collective: ClassVar[bool] = False

    def inputs(self) -> list[str]:
        """Names of the earlier stages, or paths of files, that this one reads."""
        return []

    def memory_bytes(self, place: Place) -> int:
        """Predicted peak of anonymous memory."""
        return 0

    def run(self, place: Place) -> None:
        raise NotImplementedError


def _found(name: str, results: dict[str, Path]) -> Path:
    if name in results:
        return results[name]
    if Path(name).exists():
        return Path(name)
    raise UsageError(f"{name!r} is no earlier stage ({', '.join(results) or 'there is none'}) and no such file exists")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_hash(path: Path) -> str:
    """SHA-256 of a file, or of a directory's file hashes in name order."""
    if path.is_file():
        return sha256(path)
    listing = "".join(f"{p.relative_to(path)} {sha256(p)}\n" for p in sorted(path.rglob("*")) if p.is_file())
    return hashlib.sha256(listing.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Folders by stage name, and the hash over all results."""

    folders: dict[str, Path]
    final_hash: str


def run_recipe(recipe: Recipe, source: Path, out: Path, report: Report, resume: bool = False) -> Outcome:
    """Run all stages in order. Raises UsageError for a bad stage, AlreadyRunningError when `out` is in use, and
    NotEnoughMemoryError before a stage that would not fit."""
    from quantize.stages import STAGES

    stages = [_typed(step, STAGES) for step in recipe.stages]
    crew = gather_crew()
    out.mkdir(parents=True, exist_ok=True)
    with _exclusive(out) if crew.leads else contextlib.nullcontext():
        origin = source_hash(source)
        folders: dict[str, Path] = {}
        for step, stage in zip(recipe.stages, stages, strict=True):
            key = _key(step, stage, origin, recipe.seed, folders)
            folder = out / f"{step.name}-{key[:16]}"
            if not folder.exists():
                report(f"{step.name}: {step.do}")
                crew.wait()  # everybody has looked for the folder before the leader makes it
                partial = out / f".{folder.name}.partial"
                _run_stage(stage, Place(source, dict(folders), partial, recipe.seed, report, crew), resume)
                if crew.leads:
                    _seal(partial, folder, {"stage": step.do, "key": key, "parameters": step.parameters})
                crew.wait()
            report(f"{step.name}: {folder}")
            folders[step.name] = folder
        final = hashlib.sha256("".join(_content_hash(folder) for folder in folders.values()).encode()).hexdigest()
        run = {
            "recipe": recipe.name,
            "source": origin,
            "stages": {n: f.name for n, f in folders.items()},
            "hash": final,
        }
        if crew.leads:
            _write_atomically(out / "run.json", msgspec.json.format(msgspec.json.encode(run)))
    return Outcome(folders, final)


def finished(out: Path) -> dict[str, Path] | None:
    """The folders of the last complete run in `out` by stage; None when there was none or a folder is gone."""
    try:
        run = msgspec.json.decode((out / "run.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    folders = {name: out / folder for name, folder in run["stages"].items()}
    return folders if all((folder / "manifest.json").exists() for folder in folders.values()) else None


def _typed(step: Step, stages: dict[str, type[Stage]]) -> Stage:
    if step.do not in stages:
        raise UsageError(f"unknown stage {step.do!r}; there are: {', '.join(stages)}")
    try:
        return msgspec.convert(step.parameters, stages[step.do])
    except msgspec.ValidationError as error:
        raise UsageError(f"stage {step.name!r}: {error}; `quantize {step.do} --help` lists its parameters") from error


def _key(step: Step, stage: Stage, origin: str, seed: int, folders: dict[str, Path]) -> str:
    """Hash of everything that determines the result: stage, all parameters, source, seed, content of the inputs."""
    wanted = [name for name in stage.inputs() if name != "source"]
    seen = [_content_hash(folders[n]) if n in folders else source_hash(_found(n, folders)) for n in wanted]
    description = {"do": step.do, "with": msgspec.to_builtins(stage), "source": origin, "seed": seed, "inputs": seen}
    return hashlib.sha256(msgspec.json.encode(description, order="sorted")).hexdigest()


def _content_hash(folder: Path) -> str:
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
    return hashlib.sha256(msgspec.json.encode(manifest["files"], order="sorted")).hexdigest()


def _run_stage(stage: Stage, place: Place, resume: bool) -> None:
    if place.crew.leads:
        if place.folder.exists() and not resume:
            shutil.rmtree(place.folder)
        place.folder.mkdir(exist_ok=True)
    needed, free = stage.memory_bytes(place), psutil.virtual_memory().available
    if needed > free:
        raise NotEnoughMemoryError(
            f"this stage needs about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free; "
            "close other programs, or lower `batch_size` or `length` in the recipe"
        )
    place.crew.wait()
    if place.crew.leads or stage.collective:
        stage.run(place)
    place.crew.wait()


def _seal(partial: Path, folder: Path, description: dict[str, Any]) -> None:
    """Drop the scratch folder and half-written files, record every file's hash, and name the folder by one rename."""
    shutil.rmtree(partial / SCRATCH, ignore_errors=True)
    for half in list(partial.rglob("*.partial")):  # a kill between the manifest and its own rename leaves one
        half.unlink()
    files = {str(p.relative_to(partial)): sha256(p) for p in sorted(partial.rglob("*")) if p.is_file()}
    files.pop("manifest.json", None)
    _write_atomically(
        partial / "manifest.json", msgspec.json.format(msgspec.json.encode({**description, "files": files}))
    )
    partial.rename(folder)


def _write_atomically(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def _exclusive(out: Path) -> Iterator[None]:
    """One run at a time in a folder; the lock goes with the process, however it ends."""
    with (out / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"another `quantize run` is working in {out}") from None
        yield
