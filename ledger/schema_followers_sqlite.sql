-- Where whoever follows the log stands. It proves nothing and is no part of
-- the log. Ledgers of earlier versions get it when they are opened.
CREATE TABLE followers (
  name     TEXT    PRIMARY KEY,
  position INTEGER NOT NULL CHECK (position >= 0) -- of the leaf to be read next
) STRICT, WITHOUT ROWID;
