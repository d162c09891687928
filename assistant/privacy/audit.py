"""Which native libraries of our dependencies could open a connection: those that import connect(), a resolver or TLS.

The lock stops them all the same; this list is how a dependency that starts to phone home is noticed when it is
upgraded, and not by a user (onnxruntime 1.29 did). It is compared with the reviewed docs/native-network-imports.txt.

Not seen: a library that makes the system calls itself, or finds the functions by name at run time (dlsym).
Source: elf(5), the ELF gABI chapter "Symbol Table".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

NETWORK_SYMBOLS = frozenset(
    {"connect", "getaddrinfo", "gethostbyname", "gethostbyname_r", "res_query", "res_search", "__res_query", "sendto"}
    | {"sendmsg", "sendmmsg", "SSL_connect", "curl_easy_perform", "curl_multi_perform", "gnutls_handshake"}
)
WORKSHOPS = ("quantize", "evals")  # extras of which nothing is loaded where a conversation is
_SECTION_DYNSYM = 11
_UNDEFINED = 0


def network_imports(library: Path) -> tuple[str, ...]:
    """The symbols of NETWORK_SYMBOLS that a 64-bit little-endian ELF file imports, sorted; none for any other file."""
    content = library.read_bytes()
    if content[:6] != b"\x7fELF\x02\x01":
        return ()
    return tuple(sorted(NETWORK_SYMBOLS.intersection(_undefined_symbols(content))))


def runtime_distributions(name: str = "homebody") -> list[metadata.Distribution]:
    """The distribution with the extras that run in the assistant, and everything these need, as far as installed."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [_normal(name)]
    while waiting:
        wanted = waiting.pop()
        if wanted in found:
            continue
        try:
            found[wanted] = metadata.distribution(wanted)
        except metadata.PackageNotFoundError:  # for another system, or an extra that is not installed
            continue
        for requirement in found[wanted].requires or ():
            extra = re.search(r"extra == ['\"](\w+)", requirement)
            ours = wanted == _normal(name)  # extras of others: not asked for
            if extra is None or (ours and extra[1] not in WORKSHOPS):
                waiting.append(_normal(re.split(r"[^\w.-]", requirement, maxsplit=1)[0]))
    return [found[key] for key in sorted(found)]


def report(distributions: Iterable[metadata.Distribution]) -> list[str]:
    """One line a library, "distribution library: symbols", sorted. Names without what changes with every build."""
    lines = set()
    for distribution in distributions:
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            if (".so" in path.suffixes or path.suffix == "") and path.is_file() and (found := network_imports(path)):
                lines.add(f"{_normal(distribution.name)} {_plain(path.name)}: {' '.join(found)}")
    return sorted(lines)


def _undefined_symbols(content: bytes) -> Iterator[str]:
    """Names that the file expects from others, by its dynamic symbol table; nothing if the table is malformed."""
    try:
        (offset,) = struct.unpack_from("<Q", content, 40)  # e_shoff
        entry_size, count = struct.unpack_from("<HH", content, 58)  # e_shentsize, e_shnum
        headers = [struct.unpack_from("<IIQQQQIIQQ", content, offset + i * entry_size) for i in range(count)]
        for header in headers:
            if header[1] != _SECTION_DYNSYM:
                continue
            strings = headers[header[6]][4]  # sh_link names the string table
            for at in range(header[4], header[4] + header[5], 24):
                name, _, _, section = struct.unpack_from("<IBBH", content, at)
                if section == _UNDEFINED and name:
                    end = content.index(b"\0", strings + name)
                    yield content[strings + name : end].decode(errors="replace").partition("@")[0]
    except (struct.error, IndexError, ValueError, OverflowError):
        return


def _plain(file_name: str) -> str:
    """libfoo-3f2a9c11.so.1.2 and _x.cpython-311-x86_64-linux-gnu.so without hash, version and platform."""
    stem = re.sub(r"-[0-9a-f]{8}(?=[.-]|$)", "", file_name.partition(".so")[0])
    return re.sub(r"\.(cpython-\d+\w*|abi3|pypy\d+\w*)(-[\w-]+)?$", "", stem) + ".so" * (".so" in file_name)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
