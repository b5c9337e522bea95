import type { Field } from './fields.ts';
import { matches } from '../compatibility/evaluate.ts';
import type { DesignRule, Remark } from './rule.ts';

const MONEY = new Set(
  'amount price cost fee salary wage balance revenue budget turnover subtotal premium deposit tip surcharge payout total tax vat discount rebate'.split(
    ' ',
  ),
);

/** Measures, and how they are said with a unit. */
const MEASURES: ReadonlyMap<string, string> = new Map(
  (
    'weight Kg|mass Kg|duration Ms|timeout Ms|delay Ms|interval Ms|ttl Seconds|latency Ms|elapsed Ms|uptime Seconds|downtime Seconds|lifetime Seconds|time Ms|at Ms|timestamp Ms|temperature Celsius|distance Km|length Cm|height Cm|width Cm|' +
    'depth Cm|diameter Mm|radius M|thickness Mm|altitude M|elevation M|size Bytes|filesize Bytes|speed Kmh|velocity Kmh|acceleration Mps2|pressure Hpa|volume Litres|power Watts|energy Kwh|voltage Volts|frequency Hz|bandwidth Mbps|area M2|' +
    'dose Mg|dosage Mg|humidity Percent|mileage Km|consumption Kwh|torque Nm|runtime Ms|age Years|rate Percent|value Celsius'
  )
    .split('|')
    .map((pair) => pair.split(' '))
    .map(([word = '', unit = '']) => [word, unit] as const),
);

const UNITS = new Set(
  (
    'ms millis millisecond milliseconds sec secs second seconds minute minutes mins hour hours hrs hr day days week weeks month months year years nanos ns micros us kg kgs kilogram kilograms gram grams mg milligrams lb lbs pounds oz ounces ton tons tonnes ' +
    'km kilometre kilometres kilometer kilometers metre metres meter meters cm centimetres mm millimetres mile miles mi ft foot feet inch inches yards nm byte bytes kb mb gb tb kib mib gib bits celsius centigrade fahrenheit kelvin cent cents pence penny ' +
    'minor micros eur usd gbp chf jpy cny inr sek nok dkk pln czk cad aud nzd brl mxn euro euros dollar dollars yen francs percent percentage pct ratio px pixel pixels pa hpa kpa bar mbar psi watt watts kw mw kwh wh mwh volt volts mv hz khz mhz ghz rpm ' +
    'kmh kph mph mps mps2 knots litre litres liter liters ml cl dl gallons m2 m3 sqm sqft hectares acres points ppm ppb db mbps kbps gbps kcal joules kj iso epoch unix nm2 lux lumens degrees items pieces units pcs'
  ).split(' '),
);

/** Units of one letter are some only at the end: `lengthM`, `durationS`. */
const SHORT_UNITS = /^[smhdgklctvwfn]$/;

const NAMES_UNIT = new Set('unit units uom currency measure scale'.split(' '));

export const units: DesignRule<'units'> = {
  code: 'units',
  severity: 'error',
  remarks: ({ fields = [] }) =>
    fields.flatMap((field): Remark[] => {
      const measure = measureOf(field);
      if (measure === undefined || saysUnit(field)) return [];
      return [
        {
          place: field.place,
          reason: `"${field.name}" is a number without a unit; one reader takes it for one thing and the next one for another, and both are sure.`,
          example: exampleOf(field.name, measure),
        },
      ];
    }),
};

function measureOf({ words, types, nodes }: Field): string | undefined {
  if (!types.has('number') && !types.has('integer')) return undefined;
  if (nodes.some((node) => node.enum !== undefined || node.const !== undefined)) return undefined;
  const last = words.at(-1) ?? '';
  if (words.length > 1 && /^(?:at|time|age)$/.test(last) && NO_TIMES.has(words.at(-2) ?? '')) return undefined;
  // Whole ones are counted as often as they are paid.
  if (COUNTED.has(last) && !types.has('number')) return undefined;
  if (MONEY.has(last)) return last;
  return MEASURES.has(last) && !(last === 'age' && words.length === 1) ? last : undefined;
}

const COUNTED = new Set(['total', 'value', 'rate']);
const NO_TIMES = new Set('looked good arrived first second third last next each every'.split(' '));

function saysUnit({ words, beside, nodes, name }: Field): boolean {
  const isUnit = (word: string, index: number, all: readonly string[]): boolean =>
    UNITS.has(word) || (index > 0 && index === all.length - 1 && SHORT_UNITS.test(word));
  if (words.some(isUnit)) return true;
  if (beside.some((other) => NAMES_UNIT.has(other.at(-1) ?? ''))) return true;
  return nodes.some(({ description, title }) =>
    [description, title].some(
      (text) =>
        typeof text === 'string' &&
        text !== name &&
        text
          .toLowerCase()
          .split(/[^\p{L}\d]+/u)
          .some((word) => UNITS.has(word)),
    ),
  );
}

function exampleOf(name: string, measure: string): string {
  const joined = /[_-]/.exec(name)?.[0];
  if (MONEY.has(measure))
    return `${joined === undefined ? `${name}Cents` : `${name}${joined}cents`}: 1999, or ${name}: { amount: 1999, currency: 'EUR' }, in the smallest unit`;
  if (measure === 'at' || measure === 'timestamp')
    return `${name}: '2026-03-01T09:30:00Z' with format: 'date-time', in place of a number of seconds or milliseconds`;
  if (measure === 'value') return `${name}: 21.5 with unit: 'celsius' beside it, or ${name}Celsius: 21.5`;
  const unit = MEASURES.get(measure) ?? '';
  return `${joined === undefined ? name + unit : `${name}${joined}${unit.toLowerCase()}`}: ${AMOUNTS.get(unit) ?? 250}`;
}

/** Where 250 of it would surprise. */
const AMOUNTS: ReadonlyMap<string, number> = new Map([
  ['Celsius', 21.5],
  ['Percent', 12.5],
  ['Years', 42],
  ['Hpa', 1013],
  ['Mps2', 9.8],
]);

const LOCAL = '2026-03-01T09:30:00';
const WITH_ZONE = ['2026-03-01T09:30:00Z', '2026-03-01T09:30:00.000Z', '2026-03-01T09:30:00+01:00'];
const LOCAL_TEXT = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/;

export const timeZone: DesignRule<'time-zone'> = {
  code: 'time-zone',
  severity: 'error',
  remarks: ({ fields = [] }) =>
    fields.flatMap((field): Remark[] => {
      const reason = zoneless(field);
      if (reason === undefined) return [];
      const isDate = field.words.at(-1) === 'date';
      return [
        {
          place: field.place,
          reason,
          example: isDate
            ? `${field.name}: '2026-03-01' with format: 'date'; if the instant matters, '2026-03-01T09:30:00Z' with format: 'date-time'`
            : `${field.name}: '2026-03-01T09:30:00Z' with format: 'date-time' (in zod: z.iso.datetime({ offset: true }))`,
        },
      ];
    }),
};

function zoneless({ name, words, types, nodes, beside }: Field): string | undefined {
  const isText = types.has('string') || (types.size === 0 && nodes.some(({ format }) => format !== undefined));
  if (!isText || types.has('object')) return undefined;
  if (nodes.some((node) => node.enum !== undefined || node.const !== undefined)) return undefined;
  if (beside.some((other) => /^(?:zone|timezone|tz|offset)$/.test(other.at(-1) ?? ''))) return undefined;
  const formats = nodes.flatMap(({ format }) => (typeof format === 'string' ? [format] : []));
  const patterns = nodes.flatMap(({ pattern }) => (typeof pattern === 'string' ? [pattern] : []));
  if (formats.some((format) => /local|naive/.test(format)))
    return `"${name}" is a local time without its zone; every reader reads it in the zone of its own machine.`;
  const isNamedSo = isTime(words) || isEndOfSpan(words, beside);
  if (formats.includes('date-time') || isNamedSo) {
    if (patterns.some((pattern) => matches(pattern, LOCAL) === true))
      return `"${name}" may be a local time without its zone; every reader reads it in the zone of its own machine.`;
    const shown = nodes.flatMap(({ examples, example, default: standard }) => [examples, example, standard]).flat();
    if (shown.some((text) => typeof text === 'string' && LOCAL_TEXT.test(text)))
      return `the examples of "${name}" are local times without a zone; every reader reads them in the zone of its own machine.`;
  }
  if (formats.length > 0 || !(isNamedSo || words.at(-1) === 'date')) return undefined;
  if (patterns.some((pattern) => WITH_ZONE.some((text) => matches(pattern, text) === true))) return undefined;
  if (words.at(-1) === 'date')
    return patterns.some((pattern) => matches(pattern, '2026-03-01') === true)
      ? undefined
      : `"${name}" is any string: 03/04/2026 is in March for some readers and in April for others.`;
  return `"${name}" is any string, which does not say in which form and in which time zone; readers guess.`;
}

const OTHER_ENDS: ReadonlyMap<string, string> = new Map([
  ['start', 'end'],
  ['end', 'start'],
]);

function isTime(words: readonly string[]): boolean {
  const last = words.at(-1) ?? '';
  if (/^(?:timestamp|datetime|when|deadline)$/.test(last)) return true;
  return /^(?:at|time)$/.test(last) && !NO_TIMES.has(words.at(-2) ?? '');
}

/** `start` may be a place, and so may `end`; beside each other they say when. */
function isEndOfSpan(words: Field['words'], beside: Field['beside']): boolean {
  const other = OTHER_ENDS.get(words.at(-1) ?? '');
  return other !== undefined && beside.some((each) => each.at(-1) === other);
}
