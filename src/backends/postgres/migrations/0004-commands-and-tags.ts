/** What was asked for, and what events concern beside their streams. */
export const commandsAndTags = `
-- Every command that had an outcome: the same again has the same, for ever.
CREATE TABLE commands (
  id          text COLLATE "C" PRIMARY KEY,
  name        text COLLATE "C" NOT NULL,
  digest      text COLLATE "C" NOT NULL, -- of what it asks for
  outcome     text COLLATE "C",          -- JSON: what is to be known of it beside its events
  recorded_ms bigint NOT NULL,
  position    bigint NOT NULL, -- of its first event, 0: it had none
  events      integer NOT NULL
);

-- Events that have tags, by each of them.
CREATE TABLE event_tags (
  tag      text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  PRIMARY KEY (tag, position)
);
CREATE INDEX event_tags_by_position ON event_tags (position);

-- As record_events, with the commands whose outcomes these events are. It fails with a unique violation where one of them is known.
CREATE FUNCTION record_commands(
  p_streams text[], p_counts bigint[], p_lowest bigint[], p_highest bigint[], p_claimed text[], p_claimed_lowest bigint[],
  p_claimed_highest bigint[], p_event_streams text[], p_places integer[], p_nths bigint[], p_lanes smallint[], p_types text[],
  p_schema_versions integer[], p_sources text[], p_ids text[], p_subjects text[], p_times text[], p_correlationids text[],
  p_causationids text[], p_encodings text[], p_attributes text[], p_data text[], p_now_ms bigint, p_consumers text[],
  p_first_lanes smallint[], p_tokens bigint[], p_numbers bigint[], p_lows bigint[], p_dones text[], p_removed_from text[],
  p_removed bigint[], p_put jsonb, p_put_tokens bigint[], p_namespaces text[], p_row_places integer[], p_row_keys text[],
  p_row_values text[], p_listener integer, p_flush text, p_after text,
  p_command_ids text[], p_command_names text[], p_command_digests text[], p_command_outcomes text[],
  p_command_firsts bigint[], p_command_events integer[], -- which of the events is its first, 0: it has none; and how many there are
  OUT head bigint, OUT at_ms bigint, OUT bases bigint[]
) LANGUAGE plpgsql AS $$
BEGIN
  SELECT r.head, r.at_ms, r.bases INTO head, at_ms, bases FROM record_events(
    p_streams, p_counts, p_lowest, p_highest, p_claimed, p_claimed_lowest, p_claimed_highest, p_event_streams,
    p_places, p_nths, p_lanes, p_types, p_schema_versions, p_sources, p_ids, p_subjects,
    p_times, p_correlationids, p_causationids, p_encodings, p_attributes, p_data, p_now_ms, p_consumers,
    p_first_lanes, p_tokens, p_numbers, p_lows, p_dones, p_removed_from, p_removed, p_put,
    p_put_tokens, p_namespaces, p_row_places, p_row_keys, p_row_values, p_listener, p_flush, p_after
  ) AS r;
  -- What has no event is not before what is recorded already either.
  SELECT greatest(l.recorded_ms, at_ms) INTO at_ms FROM log_head AS l;
  INSERT INTO commands (id, name, digest, outcome, recorded_ms, position, events)
  SELECT c.id, c.name, c.digest, c.outcome, at_ms, CASE WHEN c.first = 0 THEN 0 ELSE head + c.first END, c.events
  FROM unnest(p_command_ids, p_command_names, p_command_digests, p_command_outcomes, p_command_firsts, p_command_events)
    AS c (id, name, digest, outcome, first, events);
END
$$;
`;
