"""The tables of the history and how an older file becomes a newer one.

`PRAGMA user_version` counts the migrations a file has seen. Rows are numbered as they come and ordered by that number:
a clock set back changes no order. Text being streamed is indexed only once it is final, so that a checkpoint every
0.4 s does not index a growing reply again and again; the full-text index therefore reads the view `final_messages`.
"""

from __future__ import annotations

from typing import Final

_FIRST = """
CREATE TABLE conversations (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    system TEXT NOT NULL,
    head_id TEXT NOT NULL,
    first_kept_id TEXT NOT NULL,
    updated_at_s REAL NOT NULL,
    touched INTEGER NOT NULL             -- counts up with every change of any conversation: the order of the list
);
CREATE INDEX conversations_by_touched ON conversations(touched);

CREATE TABLE messages (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    conversation INTEGER NOT NULL REFERENCES conversations(row) ON DELETE CASCADE,
    parent_id TEXT REFERENCES messages(id) DEFERRABLE INITIALLY DEFERRED,  -- NULL: the first of its conversation
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at_s REAL NOT NULL,
    model TEXT NOT NULL,
    handled_by TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    reply_tokens INTEGER NOT NULL,
    ttft_ms REAL NOT NULL,
    tokens_per_s REAL NOT NULL,
    finish_reason TEXT NOT NULL,
    writer TEXT NOT NULL                 -- who is streaming it (presence.py); "" once it is final
);
CREATE INDEX messages_by_conversation ON messages(conversation, row);
CREATE INDEX messages_by_parent ON messages(parent_id);
CREATE INDEX messages_streaming ON messages(writer) WHERE state = 'streaming';

CREATE VIEW final_messages AS SELECT row, content FROM messages WHERE state <> 'streaming';
CREATE VIRTUAL TABLE message_text USING fts5(
    content, content='final_messages', content_rowid='row', tokenize='unicode61 remove_diacritics 2', prefix='2 3'
);
INSERT INTO message_text(message_text, rank) VALUES ('secure-delete', 1);  -- deleted words leave the index at once
CREATE TRIGGER messages_insert AFTER INSERT ON messages WHEN new.state <> 'streaming' BEGIN
    INSERT INTO message_text(rowid, content) VALUES (new.row, new.content);
END;
CREATE TRIGGER messages_delete AFTER DELETE ON messages WHEN old.state <> 'streaming' BEGIN
    INSERT INTO message_text(message_text, rowid, content) VALUES ('delete', old.row, old.content);
END;
CREATE TRIGGER messages_update AFTER UPDATE OF content, state ON messages BEGIN
    INSERT INTO message_text(message_text, rowid, content)
        SELECT 'delete', old.row, old.content WHERE old.state <> 'streaming';
    INSERT INTO message_text(rowid, content)
        SELECT new.row, new.content WHERE new.state <> 'streaming';
END;

CREATE VIRTUAL TABLE title_text USING fts5(
    title, content='conversations', content_rowid='row', tokenize='unicode61 remove_diacritics 2'
);
INSERT INTO title_text(title_text, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER conversations_insert AFTER INSERT ON conversations BEGIN
    INSERT INTO title_text(rowid, title) VALUES (new.row, new.title);
END;
CREATE TRIGGER conversations_delete AFTER DELETE ON conversations BEGIN
    INSERT INTO title_text(title_text, rowid, title) VALUES ('delete', old.row, old.title);
END;
CREATE TRIGGER conversations_update AFTER UPDATE OF title ON conversations WHEN old.title <> new.title BEGIN
    INSERT INTO title_text(title_text, rowid, title) VALUES ('delete', old.row, old.title);
    INSERT INTO title_text(rowid, title) VALUES (new.row, new.title);
END;
"""

_RECORDS = """
CREATE TABLE records (                   -- what tools keep: timers, lists, notes, facts, the state of the home
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    value TEXT NOT NULL,                 -- JSON
    UNIQUE (kind, id)
);
"""

MIGRATIONS: Final[tuple[str, ...]] = (_FIRST, _RECORDS)  # append only: an old file runs those it has not seen, in order

TEXT_INDEXES: Final = ("message_text", "title_text")
