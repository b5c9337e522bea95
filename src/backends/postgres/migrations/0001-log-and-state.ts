/**
 * The log and the state store. Never changed after a release: a later form is a later migration.
 *
 * Text is ordered by code point (collation "C"), as everywhere in this package.
 */
export const logAndState = `
-- The end of the log. Its row is locked by whoever appends, until it commits: positions become visible in order, without gaps.
CREATE TABLE log_head (
  one         integer PRIMARY KEY CHECK (one = 1),
  position    bigint NOT NULL,
  recorded_ms bigint NOT NULL,
  alone       integer -- the only process that listens, if it is one: what itself appends it need not be told
);
INSERT INTO log_head VALUES (1, 0, 0, NULL);

-- Who listens holds a lock of this class, under a number of its own ("Thpl").
CREATE FUNCTION only_listener() RETURNS integer LANGUAGE sql VOLATILE AS $$
  SELECT CASE WHEN count(*) = 1 THEN min(listeners.number) END
  FROM (
    SELECT DISTINCT l.objid::bigint::integer AS number FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.classid = ((x'5468706c'::integer # hashtext(current_schema()))::bigint & 4294967295)::oid
  ) AS listeners
$$;
CREATE FUNCTION listen_lock(p_number integer) RETURNS void LANGUAGE sql AS $$
  SELECT pg_advisory_lock_shared(x'5468706c'::integer # hashtext(current_schema()), p_number)
$$;
-- To be called when somebody listens who did not before, after it has the lock: then every later append tells of itself. Also of who may only read.
CREATE FUNCTION count_listeners() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  PERFORM FROM log_head FOR UPDATE;
  UPDATE log_head SET alone = only_listener();
END
$$;
-- It runs as the owner: temporary tables of the caller are not to be taken for those of the schema.
DO $$ BEGIN EXECUTE format('ALTER FUNCTION count_listeners() SET search_path = %I, pg_temp', current_schema()); END $$;

-- Numbers first: without gaps between them a row is shorter.
CREATE TABLE events (
  position       bigint PRIMARY KEY,
  version        bigint NOT NULL,
  recorded_ms    bigint NOT NULL,
  schema_version integer NOT NULL,
  lane           smallint NOT NULL, -- of its ordering key
  stream         text COLLATE "C" NOT NULL,
  type           text COLLATE "C" NOT NULL,
  source         text COLLATE "C" NOT NULL,
  id             text COLLATE "C" NOT NULL,
  subject        text COLLATE "C", -- U+0001 alone: its stream
  "time"         text COLLATE "C" NOT NULL,
  correlationid  text COLLATE "C", -- NULL: its own id
  causationid    text COLLATE "C",
  encoding       text COLLATE "C", -- NULL: json
  attributes     text COLLATE "C", -- JSON of the rare attributes
  data           text COLLATE "C"
) PARTITION BY RANGE (position);
CREATE INDEX events_by_stream ON events (stream, version);
CREATE INDEX events_by_type ON events (type, position);
-- The first event of a conversation, which has its own id for one, is found by its identity.
CREATE INDEX events_by_correlation ON events (correlationid, position) WHERE correlationid IS NOT NULL;

-- The tables of events: made by whoever comes to the end of the last one.
CREATE TABLE partitions (
  first    bigint PRIMARY KEY,
  last     bigint NOT NULL,
  name     text NOT NULL,
  dropping boolean NOT NULL DEFAULT false -- no event of it is needed any more
);

-- Every identity that was ever recorded. Of removed events also what a duplicate is told and compared with.
CREATE TABLE identities (
  id          text COLLATE "C" NOT NULL,
  source      text COLLATE "C" NOT NULL,
  position    bigint NOT NULL,
  stream      text COLLATE "C",
  version     bigint,
  recorded_ms bigint,
  digest      text COLLATE "C", -- NULL: the event is there
  PRIMARY KEY (id, source)
);

CREATE TABLE streams (
  stream  text COLLATE "C" PRIMARY KEY, -- those of a category follow one another
  version bigint NOT NULL,
  deleted boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70);

-- What callers have published in transactions of their own: visible here when these have committed, and then moved to the log.
CREATE TABLE pending (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  events text COLLATE "C" NOT NULL -- JSON
);

CREATE TABLE schemas (
  type          text COLLATE "C" NOT NULL,
  version       integer NOT NULL,
  summary       text COLLATE "C",
  vendor        text COLLATE "C" NOT NULL,
  json_schema   text COLLATE "C",
  on_invalid    text COLLATE "C" NOT NULL,
  registered_ms bigint NOT NULL,
  PRIMARY KEY (type, version)
);

CREATE TABLE consumers (
  consumer        text COLLATE "C" PRIMARY KEY,
  form            text COLLATE "C" NOT NULL, -- JSON: what it was when it last ran
  paused_since_ms bigint,
  paused_reason   text COLLATE "C",
  created_ms      bigint NOT NULL
);

-- The lanes of each consumer, in groups that have one checkpoint and one holder.
CREATE TABLE lanes (
  consumer   text COLLATE "C" NOT NULL,
  first_lane smallint NOT NULL,
  lanes      smallint[] NOT NULL,
  low        bigint NOT NULL,
  done       text COLLATE "C" NOT NULL, -- JSON: [[from, to], ...] above low
  holder     integer,                   -- a node; NULL or one that is not there any more: nobody
  token      bigint NOT NULL,           -- what an earlier holder commits is refused
  commits    bigint NOT NULL DEFAULT 0, -- of the present holder: what reaches the server late changes nothing
  updated_ms bigint NOT NULL,
  PRIMARY KEY (consumer, first_lane)
) WITH (fillfactor = 50);
-- Of consumers that are forgotten and made again the tokens go on to rise.
CREATE SEQUENCE lane_tokens;

CREATE SEQUENCE node_numbers AS integer CYCLE;
CREATE TABLE nodes (
  node      integer PRIMARY KEY,
  host      text NOT NULL,
  pid       integer NOT NULL,
  consumers text[] NOT NULL,
  receiving text[] NOT NULL, -- of these queues, from which somebody receives there
  until     timestamptz NOT NULL -- by the clock of the server
) WITH (fillfactor = 50);

CREATE TABLE deliveries (
  consumer        text COLLATE "C" NOT NULL,
  position        bigint NOT NULL,
  key             text COLLATE "C" NOT NULL,
  lane            smallint NOT NULL,
  state           text COLLATE "C" NOT NULL,
  attempts        integer NOT NULL,
  first_failed_ms bigint,
  last_failed_ms  bigint,
  due_ms          bigint,
  priority        double precision NOT NULL,
  error           text COLLATE "C",
  edited          text COLLATE "C",
  PRIMARY KEY (consumer, position)
);
CREATE INDEX deliveries_by_key ON deliveries (consumer, key, position);
CREATE INDEX deliveries_by_priority ON deliveries (consumer, priority DESC, due_ms, position) WHERE due_ms IS NOT NULL AND state <> 'parked';
CREATE INDEX deliveries_by_due ON deliveries (consumer, due_ms) WHERE due_ms IS NOT NULL AND state <> 'parked';
CREATE INDEX deliveries_by_position ON deliveries (position);

CREATE TABLE namespaces (
  namespace bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name      text COLLATE "C" UNIQUE -- NULL: it was cleared, and its rows are being removed
);

CREATE TABLE rows (
  namespace bigint NOT NULL,
  key       text COLLATE "C" NOT NULL,
  value     text COLLATE "C" NOT NULL, -- JSON
  indexes   text COLLATE "C",          -- JSON of the declared indexes; NULL: none
  PRIMARY KEY (namespace, key)
) WITH (fillfactor = 80);

CREATE TABLE row_indexes (
  row_index bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  namespace bigint NOT NULL,
  name      text COLLATE "C" NOT NULL,
  UNIQUE (namespace, name)
);

-- One entry for every row of a namespace in every index that the namespace knows; without a value: null.
CREATE TABLE row_index_entries (
  row_index bigint NOT NULL,
  kind      smallint NOT NULL,         -- 0 null, 1 boolean, 2 number, 3 string
  number    double precision NOT NULL, -- of a number; null and false: 0, true: 1; of a string: 0
  string    text COLLATE "C" NOT NULL, -- of a string; else empty
  key       text COLLATE "C" NOT NULL,
  PRIMARY KEY (row_index, kind, number, string, key)
);

-- Statements of a session are sent before those ahead of them are answered. What is behind one that failed fails too: the writes of a process keep
-- their order. With the transaction the name is taken back.
CREATE FUNCTION follow(p_flush text, p_after text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_after IS DISTINCT FROM coalesce(current_setting('thereupon.flush', true), '') AND p_after IS NOT NULL THEN
    RAISE EXCEPTION 'what was to come before was refused' USING ERRCODE = 'TH001';
  END IF;
  PERFORM set_config('thereupon.flush', p_flush, false);
END
$$;

-- The checkpoints of holders who still are those of their lanes.
CREATE FUNCTION advance(
  p_consumers text[], p_first_lanes smallint[], p_tokens bigint[], p_numbers bigint[], p_lows bigint[], p_dones text[], p_now_ms bigint
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- In their order, in which everybody locks them.
  FOR place IN 1 .. cardinality(p_consumers) LOOP
    UPDATE lanes AS l SET low = p_lows[place], done = p_dones[place], commits = p_numbers[place], updated_ms = p_now_ms
    WHERE l.consumer = p_consumers[place] AND l.first_lane = p_first_lanes[place] AND l.token = p_tokens[place] AND l.commits = p_numbers[place] - 1;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'lanes have another holder' USING ERRCODE = 'TH001';
    END IF;
  END LOOP;
END
$$;

-- Nothing but checkpoints: what follows is much more than that for a connection that does it for the first time.
CREATE FUNCTION record_checkpoints(
  p_consumers text[], p_first_lanes smallint[], p_tokens bigint[], p_numbers bigint[], p_lows bigint[], p_dones text[], p_now_ms bigint,
  p_flush text, p_after text,
  OUT head bigint, OUT at_ms bigint, OUT bases bigint[]
) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM follow(p_flush, p_after);
  PERFORM advance(p_consumers, p_first_lanes, p_tokens, p_numbers, p_lows, p_dones, p_now_ms);
  at_ms := p_now_ms;
END
$$;

-- Records events that are all new, of writers whose claims all hold, and the checkpoints of holders, in one statement; otherwise it fails with
-- TH001 or a unique violation, having changed nothing. Whoever is stopped while it runs holds up nobody.
CREATE FUNCTION record_events(
  p_streams text[], p_counts bigint[],        -- each stream once, with the number of events for it
  p_lowest bigint[], p_highest bigint[],      -- bounds on the version that it must have before
  p_claimed text[], p_claimed_lowest bigint[], p_claimed_highest bigint[], -- the same of streams that get no event
  p_event_streams text[], p_places integer[], p_nths bigint[], -- of each event: its stream, which of the streams, its number among the events for it
  p_lanes smallint[],
  p_types text[], p_schema_versions integer[], p_sources text[], p_ids text[], p_subjects text[], p_times text[],
  p_correlationids text[], p_causationids text[], p_encodings text[], p_attributes text[], p_data text[],
  p_now_ms bigint,
  p_consumers text[], p_first_lanes smallint[], p_tokens bigint[], p_numbers bigint[], p_lows bigint[], p_dones text[], -- ordered
  p_removed_from text[], p_removed bigint[],  -- deliveries: of which consumer, at which position
  p_put jsonb, p_put_tokens bigint[],         -- rows of deliveries, and the token of the lanes of whoever puts them; or NULL
  p_namespaces text[], p_row_places integer[], p_row_keys text[], p_row_values text[], -- rows: in which of the namespaces; NULL: removed
  p_listener integer,                         -- the number under which this process listens
  p_flush text, p_after text,                 -- its name in this session; the one that must have been the last there, NULL: any
  OUT head bigint, OUT at_ms bigint, OUT bases bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
  refused boolean := false;
  names text[];
  ends bigint[];
  numbers bigint[];
  number bigint;
  alone integer;
BEGIN
  PERFORM follow(p_flush, p_after);
  at_ms := p_now_ms;
  IF cardinality(p_ids) > 0 THEN
    SELECT l.position, greatest(l.recorded_ms, p_now_ms), l.alone INTO head, at_ms, alone FROM log_head AS l FOR UPDATE;
  END IF;
  IF p_put IS NOT NULL THEN
    -- Lanes may have to be taken from somebody: see below.
    PERFORM FROM consumers AS c WHERE c.consumer IN (SELECT n.consumer FROM jsonb_populate_recordset(NULL::deliveries, p_put) AS n)
    ORDER BY c.consumer FOR UPDATE;
  END IF;
  IF cardinality(p_consumers) > 0 THEN
    PERFORM advance(p_consumers, p_first_lanes, p_tokens, p_numbers, p_lows, p_dones, p_now_ms);
  END IF;
  IF cardinality(p_removed) > 0 THEN
    DELETE FROM deliveries AS d USING unnest(p_removed_from, p_removed) AS n (consumer, position)
    WHERE d.consumer = n.consumer AND d.position = n.position;
  END IF;
  IF p_put IS NOT NULL THEN
    INSERT INTO deliveries AS d (consumer, position, key, lane, state, attempts, first_failed_ms, last_failed_ms, due_ms, priority, error, edited)
    SELECT n.consumer, n.position, n.key, n.lane, n.state, n.attempts, n.first_failed_ms, n.last_failed_ms, n.due_ms, n.priority, n.error, n.edited
    FROM jsonb_populate_recordset(NULL::deliveries, p_put) AS n
    ON CONFLICT (consumer, position) DO UPDATE SET key = excluded.key, lane = excluded.lane, state = excluded.state,
      attempts = excluded.attempts, first_failed_ms = excluded.first_failed_ms, last_failed_ms = excluded.last_failed_ms,
      due_ms = excluded.due_ms, priority = excluded.priority, error = excluded.error, edited = excluded.edited;
    -- Something of these lanes changed: who else holds them does not know of it.
    UPDATE lanes AS l SET holder = NULL, token = l.token + 1
    FROM unnest(p_put_tokens) WITH ORDINALITY AS t (token, place), jsonb_populate_recordset(NULL::deliveries, p_put) WITH ORDINALITY AS n
    WHERE n.ordinality = t.place AND l.consumer = n.consumer AND l.token <> t.token AND n.lane = ANY(l.lanes);
    IF FOUND THEN
      PERFORM pg_notify('thereupon_' || current_schema(), 'nodes');
    END IF;
  END IF;
  IF cardinality(p_namespaces) > 0 THEN
    -- Until the transaction ends they get no index that their rows would have to have entries in.
    PERFORM FROM namespaces AS s WHERE s.name = ANY(p_namespaces) ORDER BY s.namespace FOR SHARE;
    FOR place IN 1 .. cardinality(p_namespaces) LOOP
      SELECT s.namespace INTO number FROM namespaces AS s WHERE s.name = p_namespaces[place];
      IF number IS NULL OR EXISTS (SELECT FROM row_indexes AS i WHERE i.namespace = number) THEN
        RAISE EXCEPTION 'rows that need more than to be written' USING ERRCODE = 'TH001';
      END IF;
      numbers[place] := number;
    END LOOP;
    IF array_position(p_row_values, NULL) IS NOT NULL THEN
      DELETE FROM rows AS r USING unnest(p_row_places, p_row_keys, p_row_values) AS n (place, key, value)
      WHERE n.value IS NULL AND r.namespace = numbers[n.place] AND r.key = n.key;
    END IF;
    INSERT INTO rows AS r (namespace, key, value)
    SELECT numbers[n.place], n.key, n.value FROM unnest(p_row_places, p_row_keys, p_row_values) AS n (place, key, value) WHERE n.value IS NOT NULL
    ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, indexes = NULL;
  END IF;
  FOR place IN 1 .. cardinality(p_claimed) LOOP
    refused := refused OR EXISTS (SELECT FROM streams AS s WHERE s.stream = p_claimed[place]
      AND (s.deleted OR s.version < p_claimed_lowest[place] OR s.version > p_claimed_highest[place]))
      OR (p_claimed_lowest[place] > 0 AND NOT EXISTS (SELECT FROM streams AS s WHERE s.stream = p_claimed[place]));
  END LOOP;
  IF cardinality(p_ids) > 0 THEN
    WITH ended AS (
      INSERT INTO streams AS s (stream, version) SELECT * FROM unnest(p_streams, p_counts)
      ON CONFLICT (stream) DO UPDATE SET version = s.version + excluded.version RETURNING s.stream, s.version, s.deleted
    )
    SELECT array_agg(e.stream), array_agg(e.version), bool_or(e.deleted) OR refused INTO names, ends, refused FROM ended AS e;
    SELECT array_agg(n.ended - n.events ORDER BY n.place),
      refused OR names <> p_streams OR bool_or(n.ended - n.events < n.lowest OR n.ended - n.events > n.highest)
    INTO bases, refused
    FROM unnest(ends, p_counts, p_lowest, p_highest) WITH ORDINALITY AS n (ended, events, lowest, highest, place);
  END IF;
  IF refused THEN
    RAISE EXCEPTION 'a claim about a stream does not hold' USING ERRCODE = 'TH001';
  END IF;
  IF cardinality(p_ids) > 0 THEN
    INSERT INTO identities (id, source, position)
    SELECT e.id, e.source, head + e.ordinal FROM unnest(p_ids, p_sources) WITH ORDINALITY AS e (id, source, ordinal);
    INSERT INTO events (position, stream, version, lane, type, schema_version, source, id, subject, "time", recorded_ms, correlationid,
      causationid, encoding, attributes, data)
    SELECT head + e.ordinal, e.stream, bases[e.place] + e.nth, e.lane, e.type, e.schema_version, e.source, e.id, e.subject, e."time", at_ms,
      e.correlationid, e.causationid, e.encoding, e.attributes, e.data
    FROM unnest(p_event_streams, p_places, p_nths, p_lanes, p_types, p_schema_versions, p_sources, p_ids, p_subjects, p_times, p_correlationids, p_causationids,
      p_encodings, p_attributes, p_data) WITH ORDINALITY AS e (stream, place, nth, lane, type, schema_version, source, id, subject, "time", correlationid,
      causationid, encoding, attributes, data, ordinal);
    UPDATE log_head AS l SET position = record_events.head + cardinality(p_ids), recorded_ms = at_ms;
    IF alone IS DISTINCT FROM p_listener THEN
      PERFORM pg_notify('thereupon_' || current_schema(), (head + cardinality(p_ids))::text);
    END IF;
  END IF;
END
$$;

-- The same of one event, behind which nothing is sent before it is answered: a third of the cost.
CREATE FUNCTION record_event(
  p_stream text, p_lowest bigint, p_highest bigint, p_lane smallint, p_type text, p_schema_version integer, p_source text, p_id text,
  p_subject text, p_time text, p_correlationid text, p_causationid text, p_encoding text, p_attributes text, p_data text, p_now_ms bigint,
  p_listener integer,
  OUT head bigint, OUT at_ms bigint, OUT bases bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
  place bigint;
  reached bigint;
  gone boolean;
  alone integer;
BEGIN
  UPDATE log_head AS l SET position = l.position + 1, recorded_ms = greatest(l.recorded_ms, p_now_ms)
  RETURNING l.position, l.recorded_ms, l.alone INTO place, at_ms, alone;
  INSERT INTO streams AS s (stream, version) VALUES (p_stream, 1)
  ON CONFLICT (stream) DO UPDATE SET version = s.version + 1 RETURNING s.version, s.deleted INTO reached, gone;
  IF gone OR reached - 1 < p_lowest OR reached - 1 > p_highest THEN
    RAISE EXCEPTION 'a claim about the stream does not hold' USING ERRCODE = 'TH001';
  END IF;
  INSERT INTO identities (id, source, position) VALUES (p_id, p_source, place);
  INSERT INTO events (position, stream, version, lane, type, schema_version, source, id, subject, "time", recorded_ms, correlationid,
    causationid, encoding, attributes, data)
  VALUES (place, p_stream, reached, p_lane, p_type, p_schema_version, p_source, p_id, p_subject, p_time, at_ms, p_correlationid,
    p_causationid, p_encoding, p_attributes, p_data);
  IF alone IS DISTINCT FROM p_listener THEN
    PERFORM pg_notify('thereupon_' || current_schema(), place::text);
  END IF;
  head := place - 1;
  bases := ARRAY[reached - 1];
END
$$;
`;
