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

-- As record_linked, where projections are inline. Their rows, among those that are written, follow from others: it fails with TH002, having changed
-- nothing, where one of these is not as it was read, or other projections are.
CREATE FUNCTION record_projected(
  p_streams text[], p_counts bigint[], p_lowest bigint[], p_highest bigint[], p_claimed text[], p_claimed_lowest bigint[],
  p_claimed_highest bigint[], p_event_streams text[], p_places integer[], p_nths bigint[], p_lanes smallint[], p_types text[],
  p_schema_versions integer[], p_sources text[], p_ids text[], p_subjects text[], p_times text[], p_correlationids text[],
  p_causationids text[], p_encodings text[], p_attributes text[], p_data text[], p_now_ms bigint, p_consumers text[],
  p_first_lanes smallint[], p_tokens bigint[], p_numbers bigint[], p_lows bigint[], p_dones text[], p_removed_from text[],
  p_removed bigint[], p_put jsonb, p_put_tokens bigint[], p_namespaces text[], p_row_places integer[], p_row_keys text[],
  p_row_values text[], p_listener integer, p_flush text, p_after text,
  p_command_ids text[], p_command_names text[], p_command_digests text[], p_command_outcomes text[],
  p_command_firsts bigint[], p_command_events integer[],
  p_event_digests bytea, -- NULL: the log keeps no chain
  p_epoch bigint,         -- for which projections that is
  p_looked_namespaces text[], p_looked_places integer[], p_looked_keys text[], -- rows that it follows from
  p_looked_values text[], p_looked_indexes text[],                            -- NULL: it is not there
  p_row_indexes bigint[],       -- those of the namespaces of the following, ordered
  p_indexed_places integer[], p_indexed_keys text[], p_indexed_values text[], p_indexed_indexes text[], -- rows that have indexes; NULL: removed
  p_entries_removed jsonb, p_entries_added jsonb, -- their entries, or NULL
  OUT head bigint, OUT at_ms bigint, OUT bases bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
  numbers bigint[];
  indexed bigint[];
  number bigint;
BEGIN
  IF (SELECT h.inline FROM log_head AS h FOR UPDATE) IS DISTINCT FROM p_epoch THEN
    RAISE EXCEPTION 'other projections are inline' USING ERRCODE = 'TH002';
  END IF;
  FOR place IN 1 .. cardinality(p_looked_namespaces) LOOP
    SELECT s.namespace INTO number FROM namespaces AS s WHERE s.name = p_looked_namespaces[place];
    numbers[place] := number;
  END LOOP;
  IF EXISTS (
    SELECT FROM unnest(p_looked_places, p_looked_keys, p_looked_values, p_looked_indexes) AS w (place, key, value, indexes)
    WHERE NOT CASE
      WHEN w.value IS NULL THEN NOT EXISTS (SELECT FROM rows AS r WHERE r.namespace = numbers[w.place] AND r.key = w.key)
      ELSE EXISTS (SELECT FROM rows AS r WHERE r.namespace = numbers[w.place] AND r.key = w.key
        AND r.value = w.value AND r.indexes IS NOT DISTINCT FROM w.indexes)
    END
  ) THEN
    RAISE EXCEPTION 'a row has changed since it was read' USING ERRCODE = 'TH002';
  END IF;
  IF cardinality(p_indexed_keys) > 0 THEN
    indexed := ARRAY(SELECT DISTINCT numbers[p.place] FROM unnest(p_indexed_places) AS p (place));
    -- Until the transaction ends they get no index that their rows would have to have entries in.
    PERFORM FROM namespaces AS s WHERE s.namespace = ANY(indexed) ORDER BY s.namespace FOR SHARE;
    IF ARRAY(SELECT i.row_index FROM row_indexes AS i WHERE i.namespace = ANY(indexed) ORDER BY i.row_index) <> p_row_indexes THEN
      RAISE EXCEPTION 'rows have other indexes' USING ERRCODE = 'TH002';
    END IF;
    IF p_entries_removed IS NOT NULL THEN
      DELETE FROM row_index_entries AS e USING jsonb_populate_recordset(NULL::row_index_entries, p_entries_removed) AS n
      WHERE e.row_index = n.row_index AND e.kind = n.kind AND e.number = n.number AND e.string = n.string AND e.key = n.key;
    END IF;
    IF p_entries_added IS NOT NULL THEN
      INSERT INTO row_index_entries SELECT n.* FROM jsonb_populate_recordset(NULL::row_index_entries, p_entries_added) AS n;
    END IF;
    IF array_position(p_indexed_values, NULL) IS NOT NULL THEN
      DELETE FROM rows AS r USING unnest(p_indexed_places, p_indexed_keys, p_indexed_values) AS n (place, key, value)
      WHERE n.value IS NULL AND r.namespace = numbers[n.place] AND r.key = n.key;
    END IF;
    INSERT INTO rows AS r (namespace, key, value, indexes)
    SELECT numbers[n.place], n.key, n.value, n.indexes
    FROM unnest(p_indexed_places, p_indexed_keys, p_indexed_values, p_indexed_indexes) AS n (place, key, value, indexes) WHERE n.value IS NOT NULL
    ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, indexes = excluded.indexes;
  END IF;
  PERFORM set_config('thereupon.projected', p_epoch::text, true);
  IF p_event_digests IS NULL THEN
    SELECT r.head, r.at_ms, r.bases INTO head, at_ms, bases FROM record_commands(
      p_streams, p_counts, p_lowest, p_highest, p_claimed, p_claimed_lowest, p_claimed_highest, p_event_streams,
      p_places, p_nths, p_lanes, p_types, p_schema_versions, p_sources, p_ids, p_subjects,
      p_times, p_correlationids, p_causationids, p_encodings, p_attributes, p_data, p_now_ms, p_consumers,
      p_first_lanes, p_tokens, p_numbers, p_lows, p_dones, p_removed_from, p_removed, p_put,
      p_put_tokens, p_namespaces, p_row_places, p_row_keys, p_row_values, p_listener, p_flush, p_after,
      p_command_ids, p_command_names, p_command_digests, p_command_outcomes, p_command_firsts, p_command_events
    ) AS r;
  ELSE
    SELECT r.head, r.at_ms, r.bases INTO head, at_ms, bases FROM record_linked(
      p_streams, p_counts, p_lowest, p_highest, p_claimed, p_claimed_lowest, p_claimed_highest, p_event_streams,
      p_places, p_nths, p_lanes, p_types, p_schema_versions, p_sources, p_ids, p_subjects,
      p_times, p_correlationids, p_causationids, p_encodings, p_attributes, p_data, p_now_ms, p_consumers,
      p_first_lanes, p_tokens, p_numbers, p_lows, p_dones, p_removed_from, p_removed, p_put,
      p_put_tokens, p_namespaces, p_row_places, p_row_keys, p_row_values, p_listener, p_flush, p_after,
      p_command_ids, p_command_names, p_command_digests, p_command_outcomes, p_command_firsts, p_command_events,
      p_event_digests
    ) AS r;
  END IF;
END
$$;
`;
