/** RFC 3339 in UTC; undefined stays undefined. */
export function isoTime<Ms extends number | undefined>(ms: Ms): Ms extends number ? string : undefined;
export function isoTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
