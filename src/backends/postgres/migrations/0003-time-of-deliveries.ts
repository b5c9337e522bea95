/**
 * How far event time had come when an event was taken that is set aside. Of those from before it is not known. The function that writes units
 * is as it was, but for the column.
 */
export const timeOfDeliveries = `
ALTER TABLE deliveries ADD COLUMN taken text COLLATE "C";

DO $migration$
DECLARE
  definition text;
BEGIN
  SELECT pg_get_functiondef(p.oid) INTO STRICT definition FROM pg_proc AS p
  WHERE p.pronamespace = current_schema()::regnamespace AND p.prosrc LIKE '%INSERT INTO deliveries%';
  definition := replace(definition, 'priority, error, edited)', 'priority, error, edited, taken)');
  definition := replace(definition, 'n.priority, n.error, n.edited', 'n.priority, n.error, n.edited, n.taken');
  definition := replace(definition, 'edited = excluded.edited;', 'edited = excluded.edited, taken = excluded.taken;');
  EXECUTE definition;
END
$migration$;
`;
