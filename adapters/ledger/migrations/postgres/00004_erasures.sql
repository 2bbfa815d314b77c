-- +goose Up

-- Requests to erase the contents of calls. The eraser's role may add one, and
-- nothing else. The gateway answers it: it appends the leaf that says so, and
-- removes the request.
CREATE TABLE erasures (
  call_id  text        PRIMARY KEY CHECK (length(call_id) <= 64),
  reason   text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
  asked_by text        NOT NULL, -- the role that opened the session
  asked_at timestamptz NOT NULL
);

-- The database says which role asks, and when.
-- +goose StatementBegin
CREATE FUNCTION erasure_asked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.asked_by := session_user;
  NEW.asked_at := clock_timestamp();
  RETURN NEW;
END $$;
-- +goose StatementEnd

CREATE TRIGGER erasures_insert BEFORE INSERT ON erasures FOR EACH ROW EXECUTE FUNCTION erasure_asked();

-- A function that runs as its owner must find our tables, and no temporary ones
-- of its caller.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Empties the contents of a call for the gateway, which may not change a row that
-- was written. It takes both: a request of the eraser, and the leaf of the erasure.
-- +goose StatementBegin
CREATE FUNCTION erase_contents(erased text, new_salt bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM erasures WHERE call_id = erased;
  IF NOT FOUND OR NOT EXISTS (SELECT 1 FROM leaves WHERE call_id = erased AND kind = 'erasure') THEN
    RAISE EXCEPTION 'an erasure takes a request of the eraser and a leaf';
  END IF;
  UPDATE contents SET entry = NULL WHERE idx IN (SELECT idx FROM leaves WHERE call_id = erased AND kind <> 'erasure');
  UPDATE salts SET salt = new_salt WHERE call_id = erased;
  DELETE FROM terms WHERE call_id = erased;
END $$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION erase_contents(text, bytea) FROM PUBLIC;
