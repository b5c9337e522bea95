/** Projections whose rows are changed where events are recorded. */
export const inlineRows = `
-- Names those that there are now: whoever appends says for which of them. NULL: there are none.
ALTER TABLE log_head ADD COLUMN inline bigint;
-- Such a consumer has one group of lanes, without a holder, and its checkpoint is the head of the log.
ALTER TABLE lanes ADD COLUMN inline boolean NOT NULL DEFAULT false;
CREATE INDEX lanes_inline ON lanes (consumer) WHERE inline;

-- Lets go of these: from now on their checkpoints are their own. The head of the log is locked before.
CREATE FUNCTION end_inline(p_consumers text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  epoch bigint;
BEGIN
  SELECT h.inline INTO epoch FROM log_head AS h FOR UPDATE;
  UPDATE lanes AS l SET inline = false, low = h.position, done = '[]', updated_ms = greatest(l.updated_ms, h.recorded_ms)
  FROM log_head AS h WHERE l.inline AND l.consumer = ANY(p_consumers);
  IF FOUND THEN
    epoch := CASE WHEN EXISTS (SELECT FROM lanes AS l WHERE l.inline) THEN nextval('lane_tokens') END;
    UPDATE log_head SET inline = epoch;
    PERFORM pg_notify('thereupon_' || current_schema(), 'nodes');
  END IF;
  RETURN epoch;
END
$$;

-- Whoever appends and says nothing of them ends them: a fact is recorded, and their rows follow.
CREATE FUNCTION require_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('thereupon.projected', true) IS DISTINCT FROM OLD.inline::text THEN
    UPDATE lanes AS l SET inline = false, low = OLD.position, done = '[]', updated_ms = greatest(l.updated_ms, OLD.recorded_ms) WHERE l.inline;
    NEW.inline := NULL;
    PERFORM pg_notify('thereupon_' || current_schema(), 'nodes');
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER require_rows BEFORE UPDATE OF position ON log_head FOR EACH ROW
WHEN (OLD.inline IS NOT NULL AND NEW.position <> OLD.position) EXECUTE FUNCTION require_rows();

-- Nobody takes their lanes, whose rows do not say how far they are, without ending them before; programs of the forms before do not know that.
CREATE FUNCTION require_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the rows of consumer % are changed where events are recorded', OLD.consumer USING ERRCODE = 'TH003';
END
$$;
CREATE TRIGGER require_ended BEFORE UPDATE ON lanes FOR EACH ROW WHEN (OLD.inline AND NEW.inline) EXECUTE FUNCTION require_ended();
CREATE TRIGGER require_ended_first BEFORE DELETE ON lanes FOR EACH ROW WHEN (OLD.inline) EXECUTE FUNCTION require_ended();
`;
