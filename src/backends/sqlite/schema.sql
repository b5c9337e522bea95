PRAGMA application_id = 1416130670;

PRAGMA user_version = 6;

CREATE TABLE kinds (
  kind           INTEGER PRIMARY KEY,
  type           TEXT NOT NULL,
  schema_version INTEGER NOT NULL,
  encoding       TEXT NOT NULL,
  category       TEXT NOT NULL,
  UNIQUE (type, schema_version, encoding, category)
) STRICT;

CREATE INDEX kinds_by_category ON kinds (category);

CREATE TABLE sources (
  source INTEGER PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE events (
  position      INTEGER PRIMARY KEY,
  stream        TEXT NOT NULL,
  version       INTEGER NOT NULL,
  previous      INTEGER NOT NULL, -- position of the stream's event before this one, 0 for its first
  kind          INTEGER NOT NULL,
  source        INTEGER NOT NULL,
  id            TEXT NOT NULL,
  subject       ANY,              -- NULL: the same as the stream; 0: none
  time          TEXT NOT NULL,
  recorded_ms   INTEGER NOT NULL,
  correlationid TEXT,             -- NULL: the event's own id
  causationid   TEXT,
  attributes    TEXT,             -- JSON of the rare attributes
  data          TEXT
) STRICT;

CREATE UNIQUE INDEX events_by_identity ON events (id, source);

CREATE INDEX events_by_kind ON events (kind);

CREATE INDEX events_by_correlation ON events (correlationid) WHERE correlationid IS NOT NULL;

CREATE TABLE stream_heads (
  stream   TEXT PRIMARY KEY,
  version  INTEGER NOT NULL,
  position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE stream_marks (
  stream   TEXT NOT NULL,
  version  INTEGER NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (stream, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE stream_floors (
  stream  TEXT PRIMARY KEY,
  floor   INTEGER NOT NULL,
  deleted INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE held_back (
  stream   TEXT NOT NULL,
  version  INTEGER NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (stream, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE retired (
  id          TEXT NOT NULL,
  source      INTEGER NOT NULL,
  stream      TEXT NOT NULL,
  version     INTEGER NOT NULL,
  position    INTEGER NOT NULL,
  recorded_ms INTEGER NOT NULL,
  digest      TEXT NOT NULL,
  PRIMARY KEY (id, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_state (
  one                 INTEGER PRIMARY KEY CHECK (one = 1),
  heads_upto          INTEGER NOT NULL, -- stream_heads knows every event up to this position
  removed_position    INTEGER NOT NULL, -- the head of the log when events were last removed: positions are not given twice
  removed_recorded_ms INTEGER NOT NULL  -- and its recorded time, which never falls
) STRICT;

CREATE TABLE schemas (
  type          TEXT NOT NULL,
  version       INTEGER NOT NULL,
  summary       TEXT,
  vendor        TEXT NOT NULL,
  json_schema   TEXT,
  on_invalid    TEXT NOT NULL,
  registered_ms INTEGER NOT NULL,
  PRIMARY KEY (type, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE consumers (
  consumer        TEXT PRIMARY KEY,
  form            TEXT NOT NULL, -- JSON: what it was when it last ran
  low             INTEGER NOT NULL,
  done            TEXT NOT NULL, -- JSON: [[from, to], ...] above low
  paused_since_ms INTEGER,
  paused_reason   TEXT,
  created_ms      INTEGER NOT NULL,
  updated_ms      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
  consumer        TEXT NOT NULL,
  position        INTEGER NOT NULL,
  key             TEXT NOT NULL,
  state           TEXT NOT NULL,
  attempts        INTEGER NOT NULL,
  first_failed_ms INTEGER,
  last_failed_ms  INTEGER,
  due_ms          INTEGER,
  priority        REAL NOT NULL,
  error           TEXT,
  edited          TEXT, taken TEXT,
  PRIMARY KEY (consumer, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_by_key ON deliveries (consumer, key, position);

CREATE INDEX deliveries_by_priority ON deliveries (consumer, priority DESC, due_ms, position) WHERE due_ms IS NOT NULL AND state <> 'parked';

CREATE INDEX deliveries_by_due ON deliveries (consumer, due_ms) WHERE due_ms IS NOT NULL AND state <> 'parked';

CREATE INDEX deliveries_by_position ON deliveries (position);

CREATE TABLE namespaces (
  namespace INTEGER PRIMARY KEY,
  name      TEXT UNIQUE -- NULL: it was cleared, and its rows are being removed
) STRICT;

CREATE TABLE rows (
  namespace INTEGER NOT NULL,
  key       TEXT NOT NULL,
  value     TEXT NOT NULL, -- JSON
  indexes   TEXT,          -- JSON of the declared indexes; NULL: none
  PRIMARY KEY (namespace, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE row_indexes (
  row_index INTEGER PRIMARY KEY,
  namespace INTEGER NOT NULL,
  name      TEXT NOT NULL,
  UNIQUE (namespace, name)
) STRICT;

CREATE TABLE row_index_entries (
  row_index INTEGER NOT NULL,
  kind      INTEGER NOT NULL, -- 0 null, 1 boolean, 2 number, 3 string
  value     ANY NOT NULL, -- null and false: 0, true: 1
  key       TEXT NOT NULL,
  PRIMARY KEY (row_index, kind, value, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE holder (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  pid      INTEGER NOT NULL,
  host     TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  url      TEXT
) STRICT;

CREATE VIEW recorded_events AS
SELECT
  e.position, e.stream, e.version, k.type, k.schema_version, k.category, s.name AS source, e.id,
  CASE WHEN e.subject IS NULL THEN e.stream WHEN typeof(e.subject) = 'text' THEN e.subject END AS subject,
  e.time, strftime('%Y-%m-%dT%H:%M:%fZ', e.recorded_ms / 1000.0, 'unixepoch') AS recordedtime,
  coalesce(e.correlationid, e.id) AS correlationid, e.causationid, e.attributes, k.encoding, e.data
FROM events AS e JOIN kinds AS k USING (kind) JOIN sources AS s USING (source);

CREATE TABLE commands (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  digest      TEXT NOT NULL, -- of what it asks for
  outcome     TEXT,          -- JSON: what is to be known of it beside its events
  recorded_ms INTEGER NOT NULL,
  position    INTEGER NOT NULL, -- of its first event, 0: it had none
  events      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE event_tags (
  tag      TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE chain_links (
  number      INTEGER PRIMARY KEY,
  kind        INTEGER NOT NULL, -- 0 began, 1 appended, 2 removed
  place       INTEGER NOT NULL,
  recorded_ms INTEGER NOT NULL,
  entries     BLOB NOT NULL,
  hash        BLOB NOT NULL
) STRICT;

CREATE INDEX chain_removals ON chain_links (number) WHERE kind = 2;

CREATE TABLE tables_of_views (
  name      TEXT PRIMARY KEY,
  namespace TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE kept_apart (
  place INTEGER PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;
