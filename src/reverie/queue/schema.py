"""The tables of the journal."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    craft TEXT NOT NULL,
    request TEXT NOT NULL,
    plan TEXT NOT NULL,
    title TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    progress REAL NOT NULL DEFAULT 0,
    place TEXT NOT NULL DEFAULT '',
    wish TEXT,
    error TEXT,
    reason TEXT,
    priority INTEGER NOT NULL DEFAULT 0,
    position REAL NOT NULL,
    starred INTEGER NOT NULL DEFAULT 0,
    batch TEXT,
    preview INTEGER NOT NULL DEFAULT 0,
    tile INTEGER,
    deaths INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    began REAL,
    ended REAL
);
CREATE INDEX IF NOT EXISTS jobs_in_order ON jobs (state, priority DESC, position);
CREATE INDEX IF NOT EXISTS jobs_alike ON jobs (fingerprint);
CREATE TABLE IF NOT EXISTS files (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    seconds REAL,
    job TEXT REFERENCES jobs (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS files_alike ON files (sha256);
CREATE INDEX IF NOT EXISTS files_of_jobs ON files (job);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT REFERENCES jobs (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_of_jobs ON events (job, number);
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    varied TEXT NOT NULL,
    jobs TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
"""
ADDED = {"seconds": "REAL"}
"""Columns of `files` that journals of earlier versions lack."""
