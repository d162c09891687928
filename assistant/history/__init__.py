"""Past conversations: encrypted on disk, searchable, never lost to a crash.

store.py      History: what everybody else calls
opening.py    open and make the files; replacing.py: restore, re-encrypt; wiping.py; upkeep.py: once a day
database.py   one SQLCipher file: connections, transactions, errors
schema.py     tables and migrations; rows.py: messages as rows
searching.py  full-text search
exchange.py   Markdown and JSON
backups.py    presence.py  ballast.py  cache.py
"""

from assistant.history.cache import StateStore
from assistant.history.opening import ephemeral_history, open_history
from assistant.history.replacing import rekey, restore
from assistant.history.searching import MATCH_END, MATCH_START, Hit
from assistant.history.store import History, Summary
from assistant.history.wiping import wipe

__all__ = [
    "MATCH_END",
    "MATCH_START",
    "History",
    "Hit",
    "StateStore",
    "Summary",
    "ephemeral_history",
    "open_history",
    "rekey",
    "restore",
    "wipe",
]
