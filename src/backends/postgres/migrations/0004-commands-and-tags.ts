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
`;
