-- +goose Up

-- Which manifest owns what. What it declares is in the tables of the rooms; "declares" lists, as JSON, the fields
-- that it could have left to commands and did not.
CREATE TABLE owners (
    kind     TEXT NOT NULL,
    key      TEXT NOT NULL,
    source   TEXT NOT NULL,
    name     TEXT NOT NULL,
    declares TEXT NOT NULL,
    PRIMARY KEY (kind, key)
);
