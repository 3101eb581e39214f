-- +goose Up

-- What a provider, or the directory, says about a person besides who they are: a JSON list of name and values.
ALTER TABLE sessions ADD COLUMN attributes TEXT NOT NULL DEFAULT 'null';
ALTER TABLE accounts ADD COLUMN attributes TEXT NOT NULL DEFAULT 'null';
