-- +goose Up

-- settings
CREATE TABLE iap_settings (
    resource TEXT PRIMARY KEY,
    etag     TEXT NOT NULL,
    document TEXT NOT NULL
);
