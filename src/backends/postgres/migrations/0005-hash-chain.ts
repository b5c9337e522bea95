/** What attests the log, where that is wished for. */
export const hashChain = `
-- The hash chain over the log: a link for each transaction that appended or removed events. Empty: there is none. As of ChainLink.
CREATE TABLE chain_links (
  number      bigint PRIMARY KEY,
  kind        smallint NOT NULL, -- 0 began, 1 appended, 2 removed
  place       bigint NOT NULL,
  recorded_ms bigint NOT NULL,
  entries     bytea NOT NULL,
  hash        bytea NOT NULL
);
CREATE INDEX chain_removals ON chain_links (number) WHERE kind = 2;
ALTER TABLE log_head ADD COLUMN chained boolean NOT NULL DEFAULT false;

-- Adds a link to the chain. The head of the log is locked before, since links follow one another as appends do.
CREATE FUNCTION add_link(p_kind integer, p_place bigint, p_recorded_ms bigint, p_entries bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  last_number bigint;
  last_hash bytea;
BEGIN
  PERFORM FROM log_head FOR UPDATE;
  SELECT l.number, l.hash INTO last_number, last_hash FROM chain_links AS l ORDER BY l.number DESC LIMIT 1;
  last_number := coalesce(last_number, 0) + 1;
  last_hash := coalesce(last_hash, decode(repeat('00', 32), 'hex'));
  INSERT INTO chain_links (number, kind, place, recorded_ms, entries, hash)
  VALUES (last_number, p_kind, p_place, p_recorded_ms, p_entries, sha256(last_hash || set_byte('\\x00'::bytea, 0, p_kind)
    || int8send(last_number) || int8send(p_place) || int8send(p_recorded_ms) || p_entries));
  PERFORM set_config('thereupon.linked', 'yes', true);
END
$$;

-- Positions are given with a link, or not at all: a program that does not know of the chain yet learns of it.
CREATE FUNCTION require_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('thereupon.linked', true) IS DISTINCT FROM 'yes' THEN
    RAISE EXCEPTION 'this log keeps a hash chain, and nothing is appended to it without a link' USING ERRCODE = 'TH001';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER require_link BEFORE UPDATE OF position ON log_head FOR EACH ROW
WHEN (OLD.chained AND NEW.position <> OLD.position) EXECUTE FUNCTION require_link();

-- As record_commands, with the link that attests the events. p_event_digests: 32 bytes of each, one after the other.
CREATE FUNCTION record_linked(
  p_streams text[], p_counts bigint[], p_lowest bigint[], p_highest bigint[], p_claimed text[], p_claimed_lowest bigint[],
  p_claimed_highest bigint[], p_event_streams text[], p_places integer[], p_nths bigint[], p_lanes smallint[], p_types text[],
  p_schema_versions integer[], p_sources text[], p_ids text[], p_subjects text[], p_times text[], p_correlationids text[],
  p_causationids text[], p_encodings text[], p_attributes text[], p_data text[], p_now_ms bigint, p_consumers text[],
  p_first_lanes smallint[], p_tokens bigint[], p_numbers bigint[], p_lows bigint[], p_dones text[], p_removed_from text[],
  p_removed bigint[], p_put jsonb, p_put_tokens bigint[], p_namespaces text[], p_row_places integer[], p_row_keys text[],
  p_row_values text[], p_listener integer, p_flush text, p_after text,
  p_command_ids text[], p_command_names text[], p_command_digests text[], p_command_outcomes text[],
  p_command_firsts bigint[], p_command_events integer[],
  p_event_digests bytea,
  OUT head bigint, OUT at_ms bigint, OUT bases bigint[]
) LANGUAGE plpgsql AS $$
BEGIN
  -- Until the link is there, which says the versions that the events get.
  PERFORM set_config('thereupon.linked', 'yes', true);
  SELECT r.head, r.at_ms, r.bases INTO head, at_ms, bases FROM record_commands(
    p_streams, p_counts, p_lowest, p_highest, p_claimed, p_claimed_lowest, p_claimed_highest, p_event_streams,
    p_places, p_nths, p_lanes, p_types, p_schema_versions, p_sources, p_ids, p_subjects,
    p_times, p_correlationids, p_causationids, p_encodings, p_attributes, p_data, p_now_ms, p_consumers,
    p_first_lanes, p_tokens, p_numbers, p_lows, p_dones, p_removed_from, p_removed, p_put,
    p_put_tokens, p_namespaces, p_row_places, p_row_keys, p_row_values, p_listener, p_flush, p_after,
    p_command_ids, p_command_names, p_command_digests, p_command_outcomes, p_command_firsts, p_command_events
  ) AS r;
  PERFORM add_link(1, head + 1, at_ms, (
    SELECT string_agg(substr(p_event_digests, (32 * (e.ordinal - 1) + 1)::integer, 32) || int8send(bases[e.place] + e.nth), ''::bytea ORDER BY e.ordinal)
    FROM unnest(p_places, p_nths) WITH ORDINALITY AS e (place, nth, ordinal)
  ));
END
$$;
`;
