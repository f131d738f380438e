-- Moments are Unix milliseconds, truth values 0 or 1, hashes 32 bytes. A `key_id` says which key the texts of its row
-- are sealed with; 0 is plain UTF-8. Texts a visitor or the agent wrote are bytes, so that sealing them needs no rewrite.

CREATE TABLE conversations (
    id TEXT NOT NULL PRIMARY KEY,
    site_id TEXT NOT NULL,
    visitor_id TEXT NOT NULL,
    turn_count INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id_hash BLOB NOT NULL PRIMARY KEY,
    site_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    visitor_id TEXT NOT NULL,
    is_returning INTEGER NOT NULL,
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    resume_hash BLOB NOT NULL,
    previous_resume_hash BLOB,
    resume_rotated_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;

CREATE TABLE turns (
    id TEXT NOT NULL PRIMARY KEY,
    site_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    session_id_hash BLOB NOT NULL,
    number INTEGER NOT NULL,
    state TEXT NOT NULL,
    message_id TEXT NOT NULL,
    answer_id TEXT NOT NULL,
    idempotency_key_hash BLOB,
    body_hash BLOB,
    page_url BLOB,
    user_agent BLOB,
    key_id INTEGER NOT NULL,
    client_ip_hash BLOB,
    -- What the agent had said at the last checkpoint, while it is still answering.
    partial_answer BLOB,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    UNIQUE (conversation_id, number),
    UNIQUE (conversation_id, idempotency_key_hash)
) STRICT;

-- At most one turn of a conversation is being answered, and those left behind are found without reading the rest.
CREATE UNIQUE INDEX turns_answering ON turns (state, conversation_id) WHERE state = 'answering';

CREATE TABLE messages (
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    number INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    turn_id TEXT NOT NULL REFERENCES turns (id),
    turn_number INTEGER NOT NULL,
    role TEXT NOT NULL,
    content BLOB NOT NULL,
    key_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, number),
    UNIQUE (turn_id, role)
) STRICT;

-- No reference to the turn: the figures stay when its words are erased.
CREATE TABLE usage_events (
    turn_id TEXT NOT NULL PRIMARY KEY,
    site_id TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT,
    message_chars INTEGER NOT NULL,
    answer_chars INTEGER NOT NULL,
    deltas INTEGER NOT NULL,
    first_piece_ms INTEGER,
    duration_ms INTEGER NOT NULL
) STRICT;

-- One row, written to learn whether the disk still takes writes.
CREATE TABLE write_checks (
    id INTEGER NOT NULL PRIMARY KEY,
    checks INTEGER NOT NULL
) STRICT;

INSERT INTO write_checks (id, checks) VALUES (1, 0);

PRAGMA user_version = 1;
