"""Full-text search. Whatever the user types is data: no text is a syntax error of FTS5.

Words are found without regard to case and accents, the last one also as a beginning. Scripts without spaces between
words (Chinese, Japanese, Thai ...) and signs that are no words (emoji) are searched as substrings instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import sqlcipher3.dbapi2 as sqlcipher

from assistant.errors import HistoryDamaged
from assistant.history import schema
from assistant.history.database import CORRUPT, Connection, Database, check_whole, error_code, transaction

MATCH_START: Final = "⟦"
MATCH_END: Final = "⟧"

MAX_QUERY_CHARS: Final = 500
MAX_TERMS: Final = 16
SNIPPET_WORDS: Final = 16
_CANDIDATES: Final = 200  # of all matches, the newest ones are ranked: searching stays fast for frequent words
_RECENCY_WEIGHT: Final = 0.5  # the newest message counts half as much again as the oldest

_TERM = re.compile(r'"([^"]+)"|(\S+)')
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that matches; its `snippet` has matches between MATCH_START and MATCH_END.

    `role` is "title" where the conversation's title matches; `message_id` is then the last message of its branch.
    """

    conversation_id: str
    message_id: str
    title: str
    snippet: str
    role: str
    created_at_s: float


def search(database: Database, text: str, limit: int) -> list[Hit]:
    """See History.search(). An index out of sync with its table is rebuilt and searched again."""
    terms = _terms(text)
    if not terms or limit < 1:
        return []
    if any(_is_substring(term) for term, _ in terms):
        with database.read() as connection:
            return _by_substring(connection, [term for term, _ in terms], limit)
    expression = match_expression(terms)
    try:
        with database.read() as connection:
            return _by_words(connection, expression, limit)
    except HistoryDamaged:
        if not _is_only_the_index(database):
            raise
        rebuild(database)
        with database.read() as connection:
            return _by_words(connection, expression, limit)


def _is_only_the_index(database: Database) -> bool:
    """Whether the tables are sound: SQLite reports a bad index and a bad file with the same code."""
    with database.read() as connection:
        return not check_whole(connection, has_wal=True)


def in_sync(connection: Connection) -> bool:
    """Compare the full-text indexes with their tables, row by row."""
    for index in schema.TEXT_INDEXES:
        try:
            connection.execute(f"INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1)")  # noqa: S608 - constants
        except sqlcipher.DatabaseError as error:
            if error_code(error) == CORRUPT:
                return False
            raise
    return True


def rebuild(database: Database) -> None:
    with database.outside_transaction() as connection, transaction(connection):
        for index in schema.TEXT_INDEXES:
            connection.execute(f"INSERT INTO {index}({index}) VALUES ('rebuild')")  # noqa: S608 - constants


def match_expression(terms: list[tuple[str, bool]]) -> str:
    """An FTS5 expression in which every term is a quoted string, so that none of its characters is an operator."""
    return " AND ".join('"' + term.replace('"', '""') + '"' + (" *" if prefix else "") for term, prefix in terms)


def _terms(text: str) -> list[tuple[str, bool]]:
    """Words and quoted phrases, and whether each is only the beginning of a word."""
    cleaned = text[:MAX_QUERY_CHARS].replace("\0", " ").encode("utf-8", "ignore").decode()
    found = [(phrase or word, not phrase) for phrase, word in _TERM.findall(cleaned)][:MAX_TERMS]
    words = [(term.replace('"', " ").strip(), is_word) for term, is_word in found]
    wanted = [(t, w) for t, w in words if t and (_is_substring(t) or any(c.isalnum() for c in t))]
    last = len(wanted) - 1
    return [(term, is_word and at == last) for at, (term, is_word) in enumerate(wanted)]


def _is_substring(term: str) -> bool:
    """Whether a term is searched as a substring: the index has no words for it."""
    return bool(_UNSPACED.search(term)) or (not any(c.isalnum() for c in term) and any(ord(c) > 0x2000 for c in term))


_BY_WORDS: Final = """
    SELECT c.id, m.id, c.title, found.snippet, m.role, m.created_at_s
    FROM (
        SELECT rowid AS row,
               bm25(message_text) * (1.0 + :weight * rowid / (SELECT max(row) FROM messages)) AS score,
               snippet(message_text, 0, :start, :end, '…', :words) AS snippet
        FROM message_text WHERE message_text MATCH :expression ORDER BY rowid DESC LIMIT :candidates
    ) AS found
    JOIN messages m ON m.row = found.row JOIN conversations c ON c.row = m.conversation
    ORDER BY found.score, found.row DESC LIMIT :limit
"""

_TITLES: Final = """
    SELECT c.id, c.head_id, c.title, highlight(title_text, 0, :start, :end), 'title', c.updated_at_s
    FROM title_text JOIN conversations c ON c.row = title_text.rowid
    WHERE title_text MATCH :expression ORDER BY title_text.rowid DESC LIMIT :limit
"""


def _by_words(connection: Connection, expression: str, limit: int) -> list[Hit]:
    values: dict[str, Any] = {
        "expression": expression,
        "limit": limit,
        "candidates": max(limit, _CANDIDATES),
        "weight": _RECENCY_WEIGHT,
        "start": MATCH_START,
        "end": MATCH_END,
        "words": SNIPPET_WORDS,
    }
    messages = [Hit(*row) for row in connection.execute(_BY_WORDS, values)]
    found = {hit.conversation_id for hit in messages}
    titles = [hit for row in connection.execute(_TITLES, values) if (hit := Hit(*row)).conversation_id not in found]
    return (titles + messages)[:limit]


def _by_substring(connection: Connection, terms: list[str], limit: int) -> list[Hit]:
    """Newest first, without the index: it takes a scan, which is fast enough for what it is needed for."""
    where = " AND ".join("m.content LIKE ? ESCAPE '\\'" for _ in terms)
    patterns = ["%" + re.sub(r"([\\%_])", r"\\\1", term) + "%" for term in terms]
    rows = connection.execute(
        f"""SELECT c.id, m.id, c.title, m.content, m.role, m.created_at_s
            FROM messages m JOIN conversations c ON c.row = m.conversation
            WHERE m.state <> 'streaming' AND {where} ORDER BY m.row DESC LIMIT ?""",  # noqa: S608 - constants
        (*patterns, limit),
    )
    return [Hit(i, m, title, _marked(content, terms), role, at_s) for i, m, title, content, role, at_s in rows]


def _marked(content: str, terms: list[str]) -> str:
    """The surroundings of the first match, with all matches in it marked."""
    pattern = re.compile("|".join(re.escape(term) for term in sorted(terms, key=len, reverse=True)), re.IGNORECASE)
    first = pattern.search(content)
    start = max(0, first.start() - 40) if first else 0
    end = start + 160
    shown = pattern.sub(lambda match: f"{MATCH_START}{match[0]}{MATCH_END}", content[start:end])
    return ("…" if start else "") + shown + ("…" if end < len(content) else "")
