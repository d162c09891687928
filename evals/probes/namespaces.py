"""Private network and mount namespaces: as root, or unprivileged in a user namespace where the system allows one."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_CAN_SYS_ADMIN = 1 << 21


@functools.cache
def command() -> list[str]:
    """What to put before a program so that it runs alone in its network and mount namespaces, as their root.

    Raises OSError that names what is missing.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        raise OSError("the program `unshare` is missing (package util-linux)")
    if shutil.which("ip", path=search_path()) is None:
        raise OSError("the program `ip` is missing (package iproute2)")
    wanted = ["--net", "--mount", "--"]
    prefix = [unshare, *wanted] if _may_make_namespaces() else [unshare, "--map-root-user", *wanted]
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise OSError(f"this system lets nobody like us make namespaces: {tried.stderr.strip()}")
    return prefix


def search_path() -> str:
    """PATH with the folders of system tools, which other users than root often lack."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def run_tool(*command: str, stdin: str = "") -> str:
    """Run a system tool, return its output. Raises OSError with what it said."""
    environment = {**os.environ, "PATH": search_path()}
    done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def empty_run_folder() -> None:
    """Inside our mount namespace: hide the sockets of the machine's name service helpers."""
    resolver = Path("/etc/resolv.conf").resolve()
    run_tool("mount", "-t", "tmpfs", "none", "/run")
    if resolver.is_relative_to("/run"):  # as systemd-resolved links it
        resolver.parent.mkdir(parents=True)
        resolver.touch()


def bind_file(text: str, over: Path) -> None:
    """Inside our mount namespace: show `text` in place of a file. A link is followed: resolv.conf often is one."""
    with tempfile.NamedTemporaryFile("w", delete=False, suffix=".probe") as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    run_tool("mount", "--bind", file.name, str(over.resolve()))
    Path(file.name).unlink()


def _may_make_namespaces() -> bool:
    with open("/proc/self/status") as file:  # noqa: PTH123 - one line of a kernel file
        effective = next(line.split()[1] for line in file if line.startswith("CapEff:"))
    return bool(int(effective, 16) & _CAN_SYS_ADMIN)
