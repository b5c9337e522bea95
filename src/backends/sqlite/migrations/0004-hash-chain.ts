/** What attests the log, where that is wished for. */
export const hashChain = `
-- The hash chain over the log: a link for each transaction that appended or removed events. Empty: there is none. As of ChainLink.
CREATE TABLE chain_links (
  number      INTEGER PRIMARY KEY,
  kind        INTEGER NOT NULL, -- 0 began, 1 appended, 2 removed
  place       INTEGER NOT NULL,
  recorded_ms INTEGER NOT NULL,
  entries     BLOB NOT NULL,
  hash        BLOB NOT NULL
) STRICT;
CREATE INDEX chain_removals ON chain_links (number) WHERE kind = 2;
`;
