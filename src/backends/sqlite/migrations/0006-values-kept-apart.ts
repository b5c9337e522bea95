/** Values that leave nothing behind when they are removed: the keys of people, which were rows like all others. */
export const valuesKeptApart = `
CREATE TABLE kept_apart (
  place INTEGER PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;

PRAGMA secure_delete = 1;

INSERT INTO kept_apart (value)
SELECT CAST(r.value AS BLOB) FROM rows AS r JOIN namespaces AS n USING (namespace)
WHERE n.name = 'thereupon.subject-keys' ORDER BY r.key;

UPDATE rows SET value = '@' || kept.place
FROM (
  SELECT namespace, key, row_number() OVER (ORDER BY key) AS place
  FROM rows JOIN namespaces AS n USING (namespace) WHERE n.name = 'thereupon.subject-keys'
) AS kept
WHERE rows.namespace = kept.namespace AND rows.key = kept.key;

PRAGMA secure_delete = 0;
`;
