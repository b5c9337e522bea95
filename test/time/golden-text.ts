/** What golden files are made of. */

export function jsonLines(text: string): readonly Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** As the golden files write it. */
export function shownTime(time: number | string): string {
  return new Date(time).toISOString().replace(/(?:\.000)?Z$/, '');
}

/** Rows whose order says nothing. */
export function asSet(rows: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  return rows.map((row) => JSON.stringify(Object.entries(row).sort(byName))).sort();
}

function byName([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : 1;
}

/** What a script of sqllogictest does: rows that come together, and what is to be seen then. */
export function scriptOf(
  text: string,
): readonly { readonly rows: readonly (readonly [timeMs: number, foo: number])[]; readonly seen: readonly string[] }[] {
  const parts = text.split(/^statement ok\ninsert into t values$/m).slice(1);
  return parts.map((part) => ({
    rows: [...(part.split(';')[0] ?? '').matchAll(/\('([^']+)', (\d+)\)/g)].map(([, time = '', foo]) => [
      Date.parse(`${time}Z`),
      Number(foo),
    ]),
    seen: /----\n([\s\S]*?)(?:\n\n|$)/.exec(part)?.[1]?.trim().split('\n') ?? [],
  }));
}
