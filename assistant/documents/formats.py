"""Which files are documents, by the end of their names, and how large they may be."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_CODE: Final = (
    "py pyi js mjs ts tsx jsx c h cc cpp hpp cs java kt kts go rs rb php pl lua r jl swift scala sh bash zsh fish ps1 "
    "sql css scss less json jsonl yaml yml toml ini cfg conf xml tex bib asm zig nim ex exs erl hs ml clj el vim diff "
    "patch make cmake gradle proto graphql tf dockerfile"
)
_KINDS: Final = {
    "text": "txt text log rst org adoc asc",
    "markdown": "md markdown mdx",
    "html": "html htm xhtml",
    "pdf": "pdf",
    "docx": "docx docm",
    "pptx": "pptx pptm",
    "xlsx": "xlsx xlsm",
    "csv": "csv tsv",
    "epub": "epub",
    "code": _CODE,
}
KIND_OF: Final = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}
_NAMES: Final = {"readme": "text", "licence": "text", "license": "text", "makefile": "code", "dockerfile": "code"}

_STREAMED: Final = frozenset({"pdf", "docx", "pptx", "xlsx", "epub"})  # read piece by piece, not as a whole
MAX_BYTES: Final = 50 * 1000**2
MAX_STREAMED_BYTES: Final = 500 * 1000**2


def kind_of(path: Path) -> str:
    """ "pdf", "text", ... or "" for a file that is no document."""
    return KIND_OF.get(path.suffix.removeprefix(".").lower(), "") or _NAMES.get(path.name.lower(), "")


def max_bytes(kind: str) -> int:
    return MAX_STREAMED_BYTES if kind in _STREAMED else MAX_BYTES
