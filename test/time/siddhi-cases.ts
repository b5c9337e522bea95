/** As ../../../shared/data/cep-siddhi/SOURCE.md describes them. */
export interface SiddhiCase {
  readonly name: string;
  readonly siddhi_app: string;
  readonly events: readonly { readonly t: number; readonly stream: string; readonly data: readonly unknown[] }[];
  readonly advance_to: number;
  readonly expected_rows: readonly (readonly unknown[] | null)[] | null;
  readonly expected_count: number;
}

export const SIDDHI_FILES = [
  'AbsentPattern',
  'CountPattern',
  'EveryPattern',
  'LogicalPattern',
  'Sequence',
  'WithinPattern',
].map((name) => `cep-siddhi/${name}.json`);

/** What is not matched as there: why, and how often it matches here. */
export const DIFFERENT: Readonly<Record<string, { readonly reason: string; readonly count: number }>> = {
  'AbsentPattern.testQueryAbsent41': {
    reason: 'for a second nothing came, three times after each other: here three matches (CE1), there none is expected',
    count: 3,
  },
};

export function casesOf(texts: readonly string[]): readonly SiddhiCase[] {
  return texts.flatMap((text) => JSON.parse(text) as readonly SiddhiCase[]);
}

/** What is asserted of the outcome: null is not. `anything` stands for that. */
export function outcomeOf(one: SiddhiCase, anything: unknown): { readonly count: number; readonly rows: unknown } {
  const { expected_count: count, expected_rows: rows } = one;
  return { count, rows: rows === null ? anything : rows.map((row) => row ?? anything) };
}
