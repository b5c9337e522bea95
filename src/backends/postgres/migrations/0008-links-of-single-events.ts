/** What records a few events where the log keeps a hash chain. */
export const linksOfSingleEvents = `
-- As record_event, with the link that attests the event. p_digest: its 32 bytes.
CREATE FUNCTION record_event_linked(
  p_stream text, p_lowest bigint, p_highest bigint, p_lane smallint, p_type text, p_schema_version integer, p_source text, p_id text,
  p_subject text, p_time text, p_correlationid text, p_causationid text, p_encoding text, p_attributes text, p_data text, p_now_ms bigint,
  p_listener integer,
  p_digest bytea,
  OUT head bigint, OUT at_ms bigint, OUT bases bigint[]
) LANGUAGE plpgsql AS $$
BEGIN
  -- Until the link is there, which says the version that the event gets.
  PERFORM set_config('thereupon.linked', 'yes', true);
  SELECT r.head, r.at_ms, r.bases INTO head, at_ms, bases FROM record_event(
    p_stream, p_lowest, p_highest, p_lane, p_type, p_schema_version, p_source, p_id, p_subject, p_time, p_correlationid, p_causationid,
    p_encoding, p_attributes, p_data, p_now_ms, p_listener
  ) AS r;
  PERFORM add_link(1, head + 1, at_ms, p_digest || int8send(bases[1] + 1));
END
$$;
`;
