/** Which tables are those of read models, and of which: they are not in this list, since programs declare them. */
export const tablesOfViews = `
CREATE TABLE tables_of_views (
  name      text COLLATE "C" PRIMARY KEY,
  namespace text COLLATE "C" NOT NULL
);
`;
