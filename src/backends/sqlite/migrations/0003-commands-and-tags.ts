/** What was asked for, and what events concern beside their streams. */
export const commandsAndTags = `
-- Every command that had an outcome: the same again has the same, for ever.
CREATE TABLE commands (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  digest      TEXT NOT NULL, -- of what it asks for
  outcome     TEXT,          -- JSON: what is to be known of it beside its events
  recorded_ms INTEGER NOT NULL,
  position    INTEGER NOT NULL, -- of its first event, 0: it had none
  events      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Events that have tags, by each of them.
CREATE TABLE event_tags (
  tag      TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;
`;
