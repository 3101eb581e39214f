-- +goose Up

-- identityprovider. disabled is in the document too; here, opening a session can ask for it.
CREATE TABLE identity_providers (
    name     TEXT PRIMARY KEY,
    disabled BOOLEAN NOT NULL,
    document TEXT NOT NULL
);

-- Who is who: what an issuer calls a person, and the number that names that person here.
CREATE TABLE federated_subjects (
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    number       TEXT NOT NULL UNIQUE,
    email        TEXT NOT NULL,
    created      BIGINT NOT NULL,
    last_sign_in BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX federated_subjects_by_email ON federated_subjects (email);

-- session: what the provider says of the person, and what asking it again needs. checked and ask_after are NULL
-- where nobody has to be asked; whoever asks first moves ask_after on, and so has the asking to itself.
ALTER TABLE sessions ADD COLUMN claim_groups TEXT NOT NULL DEFAULT 'null';
ALTER TABLE sessions ADD COLUMN provider_subject TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN provider_session TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN provider_tokens BYTEA;
ALTER TABLE sessions ADD COLUMN checked BIGINT;
ALTER TABLE sessions ADD COLUMN silent BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sessions ADD COLUMN ask_after BIGINT;
CREATE INDEX sessions_by_provider ON sessions (provider, provider_subject);
CREATE INDEX sessions_by_ask_after ON sessions (ask_after);

-- signin: logout tokens that were used, until they would be refused for their age.
CREATE TABLE logout_tokens (
    id      TEXT PRIMARY KEY,
    expires BIGINT NOT NULL
);
