-- +goose Up

-- How strongly a person proved who they are, in the provider's words (the claim acr).
ALTER TABLE sessions ADD COLUMN acr TEXT NOT NULL DEFAULT '';
