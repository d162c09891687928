"""A dependency whose native code starts to use the network is noticed when it is upgraded, not by a user."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.privacy import audit

ROOT = Path(__file__).resolve().parent.parent
REVIEWED = ROOT / "docs" / "native-network-imports.txt"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the list is of the Linux wheels")


def test_every_native_library_that_could_connect_was_reviewed() -> None:
    reviewed = {line for line in REVIEWED.read_text().splitlines() if line and not line.startswith("#")}
    distributions = audit.runtime_distributions()
    names = {re.sub(r"[-_.]+", "-", d.name).lower() for d in distributions}
    installed = set(audit.report(distributions))
    reviewed = {line for line in reviewed if line.split()[0] in names}  # an extra may be left out
    assert installed - reviewed == set(), f"look at these, then add them to {REVIEWED.name} with a reason"
    assert reviewed - installed == set(), f"no longer true: take out of {REVIEWED.name}"


def test_the_list_names_what_was_compiled_in(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: `cc` is missing")
    source = tmp_path / "phone.c"
    source.write_text(
        "#include <netdb.h>\n#include <sys/socket.h>\n"
        'int phone(void) { struct addrinfo *a; getaddrinfo("x", 0, 0, &a); return connect(3, 0, 0); }\n'
    )
    library = tmp_path / "phone.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    assert audit.network_imports(library) == ("connect", "getaddrinfo")

    source.write_text("int connect(int a) { return a; }\nint quiet(void) { return connect(1); }\n")
    subprocess.run([compiler, "-shared", "-fPIC", "-fvisibility=hidden", "-o", str(library), str(source)], check=True)
    assert audit.network_imports(library) == ()


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + b"\xff" * 500, b"\x7fELF\x02\x01" + bytes(64)]
)
def test_a_file_that_is_no_library_imports_nothing(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.so"
    file.write_bytes(content)
    assert audit.network_imports(file) == ()


def test_all_that_ships_is_looked_at() -> None:
    names = {re.sub(r"[-_.]+", "-", d.name).lower() for d in audit.runtime_distributions()}
    assert {"homebody", "llama-cpp-python", "numpy", "textual", "sqlcipher3", "cryptography", "urllib3"} <= names
    assert not {"pytest", "mypy", "ruff"} & names
