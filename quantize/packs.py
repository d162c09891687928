"""Packs: the texts a model is calibrated on, trained on and measured on, disjoint by hash.

A pack is a JSONL file. A row is a conversation, {"kind": "chat", "messages": [{"role", "content"}, ...]}, or text,
{"kind": "text", "text": ...}. Training text comes from three places that exist on every machine:
- conversations: requests from grammar.toml, answered by a local teacher model; tool calls answered by the grammar;
- articles: prose that the teacher writes itself, sampled (LLM-QAT, arXiv 2305.17888, does the same);
- documentation: what the installed Python packages say about themselves.

Phrases of the grammar are split by hash into training and evaluation, and `overlap` proves a pair of packs disjoint.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import itertools
import random
import re
import sysconfig
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from assistant.errors import UsageError
from quantize.runtime import Runtime, Sampler, Tokens

SYSTEM = "You are a helpful assistant that runs on this computer. Answer briefly."
TOOL_SYSTEM = (
    "You control a home. Answer with one JSON tool call. Tools: set_timer(minutes), light(room, state), "
    "shopping_list_add(item), reminder(text, minutes)."
)
EVALUATION_SHARE = 5  # one phrase in five belongs to evaluation


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation or one text, as token ids and a mask of the tokens that are scored (the assistant's own)."""

    tokens: Tokens
    scored: np.ndarray[Any, np.dtype[np.bool_]]


def _grammar() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "data" / "grammar.toml").read_text("utf-8"))


def _split(phrase: str) -> str:
    digest = hashlib.sha256(phrase.encode()).digest()
    return "evaluation" if digest[0] % EVALUATION_SHARE == 0 else "training"


def _fillings(template: str, slots: dict[str, list[str]], split: str) -> list[str]:
    """Every filling of the template whose phrases all belong to the split.

    Numbers belong to both, so a template of numbers alone is for training only.
    """
    names = re.findall(r"{(\w+)}", template)
    if split == "evaluation" and set(names) == {"number"}:
        return []
    choices = [[p for p in slots[name] if name == "number" or _split(p) == split] for name in names]
    parts = re.split(r"{\w+}", template)
    return [
        "".join(itertools.chain.from_iterable(itertools.zip_longest(parts, filling, fillvalue="")))
        for filling in itertools.product(*choices)
    ]


def requests(split: str, n: int, seed: int) -> list[str]:
    """`n` distinct requests for the teacher, a fixed shuffle of the grammar's language."""
    grammar = _grammar()
    templates = [t for entry in grammar["teacher"] for t in entry["templates"]]
    picker = random.Random(seed)  # noqa: S311 - a reproducible shuffle, not a secret
    by_template = [_fillings(template, grammar["slots"], split) for template in templates]
    for texts in by_template:
        picker.shuffle(texts)
    mixed = [text for column in itertools.zip_longest(*by_template) for text in column if text is not None]
    return mixed[:n]


def tool_rows(split: str, n: int, seed: int) -> list[dict[str, Any]]:
    """`n` tool-call conversations: request and JSON reply both from the grammar."""
    grammar = _grammar()
    picker = random.Random(seed)  # noqa: S311
    rows = []
    for _ in range(n):
        entry = picker.choice(grammar["tool"])
        values = {
            name: picker.choice([p for p in phrases if name == "number" or _split(p) == split])
            for name, phrases in grammar["slots"].items()
        }
        request, reply = picker.choice(entry["templates"]).format(**values), entry["reply"].format(**values)
        rows.append(_chat(TOOL_SYSTEM, request, reply))
    return rows


def _chat(system: str, request: str, reply: str) -> dict[str, Any]:
    roles = (("system", system), ("user", request), ("assistant", reply))
    return {"kind": "chat", "messages": [{"role": role, "content": content} for role, content in roles]}


def conversation_rows(teacher: Runtime, split: str, start: int, n: int, seed: int) -> Iterator[dict[str, Any]]:
    """Conversations number start .. start + n - 1 of the split, answered by the teacher; after every fourth a tool
    call."""
    asked = requests(split, start + n, seed)[start:]
    tools = iter(tool_rows(split, (start + n) // 4 + 1, seed)[start // 4 :])
    prompts = [
        teacher.tokenize(chatml([("system", SYSTEM), ("user", text)]) + "<|im_start|>assistant\n", True)
        for text in asked
    ]
    replies = teacher.sample(prompts, 200, Sampler(0.8, 0.05), seed + start)
    for number, (text, reply) in enumerate(zip(asked, replies, strict=True), start=start):
        yield _chat(SYSTEM, text, teacher.detokenize([t for t in reply if t != teacher.end_token]).strip())
        if number % 4 == 3:
            yield next(tools)


def article_rows(teacher: Runtime, split: str, start: int, n: int, seed: int) -> Iterator[dict[str, Any]]:
    """Texts number start .. start + n - 1 that the teacher writes by itself, without the chat template."""
    grammar = _grammar()
    picker = random.Random(seed)  # noqa: S311
    openings = [f for opening in grammar["article"]["openings"] for f in _fillings(opening, grammar["slots"], split)]
    picker.shuffle(openings)
    begun = [openings[i % len(openings)] for i in range(start, start + n)]
    texts = teacher.sample([teacher.tokenize(text) for text in begun], 240, Sampler(0.9, 0.02), seed + start)
    for opening, text in zip(begun, texts, strict=True):
        yield {"kind": "text", "text": opening + teacher.detokenize([t for t in text if t != teacher.end_token])}


def documentation_rows(max_characters: int) -> Iterator[dict[str, Any]]:
    """Prose that ships with Python: the language reference, package descriptions, docstrings; longest-lived first."""
    budget = max_characters
    for text in itertools.chain(_descriptions(), _reference_topics(), _docstrings()):
        if budget <= 0:
            return
        budget -= len(text)
        yield {"kind": "text", "text": text}


def _reference_topics() -> Iterator[str]:
    from pydoc_data.topics import topics

    for _, text in sorted(topics.items()):
        yield text


def _descriptions() -> Iterator[str]:
    for distribution in sorted(importlib.metadata.distributions(), key=lambda d: d.metadata["Name"] or ""):
        description = str(distribution.metadata.json.get("description", ""))
        if len(description) > 500:
            yield re.sub(r"[^\n]*(?:https?://|!\[|</?\w)[^\n]*\n", "", description)[:8000]


def _docstrings() -> Iterator[str]:
    """Docstrings of the standard library of at least 400 characters, in the order of the files' names."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        tree = ast.parse(path.read_text("utf-8", errors="replace"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                docstring = ast.get_docstring(node)
                if docstring and len(docstring) > 400:
                    yield docstring


def chatml(messages: Sequence[tuple[str, str]]) -> str:
    return "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in messages)


def write_pack(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    """Write the rows; returns how many. The file appears only when complete."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        n = 0
        for n, row in enumerate(rows, start=1):  # noqa: B007 - the count is the result
            file.write(msgspec.json.encode(row) + b"\n")
    partial.replace(path)
    return n


def read_pack(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL pack; a .txt file is one text row. Raises UsageError for a row that is neither, and for none."""
    if path.suffix == ".txt":
        try:
            rows: list[Any] = [{"kind": "text", "text": text}] if (text := path.read_text("utf-8")).strip() else []
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not text in UTF-8 ({error.reason}); convert it first") from error
    else:
        rows = []
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            try:
                row = msgspec.json.decode(line) if line.strip() else None
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise UsageError(f"{path} line {number}: no JSON ({error}); plain text must be a .txt file") from error
            if row is not None and not (isinstance(row, dict) and ("text" in row or "messages" in row)):
                raise UsageError(f"{path} line {number}: a row needs `text` or `messages`")
            rows += [] if row is None else [row]
    if not rows:
        raise UsageError(f"{path} holds no text")
    return rows


def encode(row: dict[str, Any], runtime: Runtime) -> Row:
    """Token ids and the mask of scored tokens: everything in a text, only the assistant's words in a conversation."""
    if "text" in row:
        tokens = runtime.tokenize(row["text"])
        return Row(tokens, np.ones(len(tokens), bool))
    pieces, masks = [], []
    for message in row["messages"]:
        head = runtime.tokenize(f"<|im_start|>{message['role']}\n", True)
        body = np.concatenate([runtime.tokenize(message["content"]), runtime.tokenize("<|im_end|>\n", True)])
        pieces += [head, body]
        masks += [np.zeros(len(head), bool), np.full(len(body), message["role"] == "assistant")]
    return Row(np.concatenate(pieces), np.concatenate(masks))


def paragraph_hashes(rows: Sequence[dict[str, Any]]) -> set[str]:
    """SHA-256 of every paragraph of at least 40 characters, whitespace and case folded; system prompts left out."""
    hashes = set()
    for row in rows:
        contents = [row["text"]] if "text" in row else [m["content"] for m in row["messages"] if m["role"] != "system"]
        for paragraph in itertools.chain.from_iterable(content.split("\n") for content in contents):
            folded = " ".join(paragraph.lower().split())
            if len(folded) >= 40:
                hashes.add(hashlib.sha256(folded.encode()).hexdigest())
    return hashes


def overlap(training: Sequence[dict[str, Any]], evaluation: Sequence[dict[str, Any]]) -> int:
    """How many paragraphs occur in both packs."""
    return len(paragraph_hashes(training) & paragraph_hashes(evaluation))


def without_overlap(training: Sequence[dict[str, Any]], evaluation: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The training rows that share no paragraph with the evaluation pack."""
    held_out = paragraph_hashes(evaluation)
    return [row for row in training if not paragraph_hashes([row]) & held_out]
