-- The SQL here and in storage/*.go is read by SQLite and PostgreSQL alike: times are microseconds since 1970
-- in BIGINT, documents are JSON in TEXT. Migrations only add: release N must run on the schema of N+1.

-- +goose Up

-- The change feed. Its position is one row, counted up in the transaction that makes the change: the row lock
-- makes commit order and seq order the same, which a sequence does not.
CREATE TABLE feed (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    seq BIGINT NOT NULL
);
INSERT INTO feed (one, seq) VALUES (1, 0);

CREATE TABLE changes (
    seq  BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    key  TEXT NOT NULL
);

-- What the server keeps about the store itself, such as the check value of the root key.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

-- audit
CREATE TABLE entries (
    seq         BIGINT PRIMARY KEY,
    time        BIGINT NOT NULL,
    actor_kind  TEXT NOT NULL,
    actor_name  TEXT NOT NULL,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    before_json TEXT,
    after_json  TEXT
);

-- catalog
CREATE TABLE services (
    resource TEXT PRIMARY KEY,
    document TEXT NOT NULL
);

-- policy/iam
CREATE TABLE policies (
    resource TEXT PRIMARY KEY,
    etag     TEXT NOT NULL,
    document TEXT NOT NULL
);

-- directory
CREATE TABLE accounts (
    email         TEXT PRIMARY KEY,
    kind          TEXT NOT NULL,
    subject       TEXT NOT NULL UNIQUE,
    hosted_domain TEXT NOT NULL,
    display_name  TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled      BOOLEAN NOT NULL,
    created       BIGINT NOT NULL
);

-- id is the position of the change that made the group: short, and never used again.
CREATE TABLE groups (
    email       TEXT PRIMARY KEY,
    id          BIGINT NOT NULL UNIQUE,
    description TEXT NOT NULL
);

CREATE TABLE group_members (
    group_id BIGINT NOT NULL,
    member   TEXT NOT NULL,
    PRIMARY KEY (group_id, member)
);

-- issuer
CREATE TABLE signing_keys (
    id            TEXT PRIMARY KEY,
    purpose       TEXT NOT NULL,
    sealed        BYTEA NOT NULL,
    public        BYTEA NOT NULL,
    created       BIGINT NOT NULL,
    sign_from     BIGINT NOT NULL,
    sign_until    BIGINT,
    publish_until BIGINT,
    revoked       BIGINT
);

-- session
CREATE TABLE sessions (
    id            BYTEA PRIMARY KEY,
    parent        BYTEA REFERENCES sessions (id),
    resource      TEXT NOT NULL,
    kind          TEXT NOT NULL,
    provider      TEXT NOT NULL,
    subject       TEXT NOT NULL,
    email         TEXT NOT NULL,
    hosted_domain TEXT NOT NULL,
    amr           TEXT NOT NULL,
    auth_time     BIGINT NOT NULL,
    created       BIGINT NOT NULL,
    expires       BIGINT NOT NULL,
    last_seen     BIGINT NOT NULL
);
CREATE INDEX sessions_by_parent ON sessions (parent);
CREATE INDEX sessions_by_email ON sessions (email);

-- signin
CREATE TABLE handoffs (
    token_hash   BYTEA PRIMARY KEY,
    browser_hash BYTEA NOT NULL,
    host         TEXT NOT NULL,
    resource     TEXT NOT NULL,
    parent       BYTEA NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    origin_url   TEXT NOT NULL,
    expires      BIGINT NOT NULL
);
CREATE INDEX handoffs_by_parent ON handoffs (parent);
