-- +goose Up

-- directory: the public keys of service accounts. The private halves are never here.
CREATE TABLE account_keys (
    id       TEXT PRIMARY KEY,
    account  TEXT NOT NULL REFERENCES accounts (email),
    public   BYTEA NOT NULL,
    created  BIGINT NOT NULL,
    expires  BIGINT,
    uploaded BOOLEAN NOT NULL,
    disabled BOOLEAN NOT NULL
);
CREATE INDEX account_keys_by_account ON account_keys (account);

-- oauthserver. A code and a refresh token are stored as their hashes, and go with the session of the auth host that they
-- come from. A grant remembers the code that it was given for: a second use of that ends it.
CREATE TABLE oauth_codes (
    hash         BYTEA PRIMARY KEY,
    session      BYTEA NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    client       TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge    TEXT NOT NULL,
    scope        TEXT NOT NULL,
    nonce        TEXT NOT NULL,
    offline      BOOLEAN NOT NULL,
    expires      BIGINT NOT NULL
);
CREATE INDEX oauth_codes_by_session ON oauth_codes (session);

CREATE TABLE oauth_grants (
    id           BYTEA PRIMARY KEY,
    session      BYTEA NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    client       TEXT NOT NULL,
    scope        TEXT NOT NULL,
    code_hash    BYTEA NOT NULL UNIQUE,
    refresh_hash BYTEA UNIQUE,
    created      BIGINT NOT NULL,
    expires      BIGINT NOT NULL
);
CREATE INDEX oauth_grants_by_session ON oauth_grants (session);
