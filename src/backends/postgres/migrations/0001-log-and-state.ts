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
  recorded_ms bigint NOT NULL
);
INSERT INTO log_head VALUES (1, 0, 0);

CREATE TABLE events (
  position       bigint PRIMARY KEY,
  stream         text COLLATE "C" NOT NULL,
  version        bigint NOT NULL,
  category       text COLLATE "C" NOT NULL,
  type           text COLLATE "C" NOT NULL,
  schema_version integer NOT NULL,
  source         text COLLATE "C" NOT NULL,
  id             text COLLATE "C" NOT NULL,
  subject        text COLLATE "C",
  "time"         text COLLATE "C" NOT NULL,
  recorded_ms    bigint NOT NULL,
  correlationid  text COLLATE "C" NOT NULL,
  causationid    text COLLATE "C",
  encoding       text COLLATE "C" NOT NULL,
  attributes     text COLLATE "C", -- JSON of the rare attributes
  data           text COLLATE "C"
);
CREATE INDEX events_by_stream ON events (stream, version);
CREATE INDEX events_by_type ON events (type, position);
CREATE INDEX events_by_category ON events (category, position);
CREATE INDEX events_by_correlation ON events (correlationid, position);

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
  stream   text COLLATE "C" PRIMARY KEY,
  category text COLLATE "C" NOT NULL,
  version  bigint NOT NULL,
  deleted  boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70);
CREATE INDEX streams_by_category ON streams (category, stream);

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
);

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
`;
