import { InvalidInput } from '../../errors.ts';
import { assertKnown, isOptions } from '../../system/known-options.ts';
import { consumerField, context, identity } from './contents.ts';
import { fieldsOf } from './fields.ts';
import { timeZone, units } from './measures.ts';
import { segmentsOf } from './names.ts';
import { businessFact, consumerName, genericChange, pastTense } from './naming.ts';
import type { Design, DesignedEvent, Remark } from './rule.ts';

export type { DesignedEvent };

const RULES = [
  pastTense,
  businessFact,
  consumerName,
  genericChange,
  identity,
  context,
  consumerField,
  units,
  timeZone,
] as const;

export type DesignRuleCode = (typeof RULES)[number]['code'];

export const DESIGN_RULES: readonly DesignRuleCode[] = RULES.map(({ code }) => code);

export type DesignSeverity = 'off' | 'warn' | 'error';

/** What each rule counts for; those that are left out are an `error`, `generic-change` a `warn`. */
export type DesignSeverities = Readonly<Partial<Record<DesignRuleCode, DesignSeverity>>>;

/** Which rules of design hold, for all events and for some. */
export interface DesignOptions {
  readonly rules?: DesignSeverities;
  /** By event type; what is left out is as for all. */
  readonly types?: Readonly<Record<string, DesignSeverities>>;
}

/** Something in the design of an event that those who read it will suffer from. */
export interface DesignFinding extends Remark {
  readonly rule: DesignRuleCode;
  readonly severity: 'warn' | 'error';
  readonly type: string;
  readonly version: number;
}

/**
 * Looks at how events are designed: what they are called, and what they carry.
 *
 * Shape     Rules about the data are silent where no JSON Schema is known. Findings come in the order of the events, then of the rules.
 * Errors    InvalidInput names the option.
 */
export function checkDesign(events: readonly DesignedEvent[], options: DesignOptions = {}): readonly DesignFinding[] {
  assertDesignOptions(options, 'design');
  return events.flatMap((event) => {
    const { type, version, jsonSchema } = event;
    const design: Design = {
      event,
      segments: segmentsOf(type),
      fields: jsonSchema === undefined ? undefined : fieldsOf(jsonSchema),
    };
    const own = options.types?.[type];
    return RULES.flatMap((rule) => {
      const severity = own?.[rule.code] ?? options.rules?.[rule.code] ?? rule.severity;
      if (severity === 'off') return [];
      return rule.remarks(design).map((remark) => ({ rule: rule.code, severity, type, version, ...remark }));
    });
  });
}

/** Errors: InvalidInput names the option. */
export function assertDesignOptions(options: unknown, path: string): asserts options is DesignOptions {
  if (!isOptions(options))
    throw new InvalidInput({ path, expected: 'an object with rules, types or both', found: options });
  assertKnown(path, options, ['rules', 'types']);
  const { rules, types } = options as { rules?: unknown; types?: unknown };
  if (rules !== undefined) assertSeverities(rules, `${path}.rules`);
  if (types === undefined) return;
  if (!isOptions(types))
    throw new InvalidInput({ path: `${path}.types`, expected: 'rules by event type', found: types });
  for (const [type, own] of Object.entries(types)) assertSeverities(own, `${path}.types[${JSON.stringify(type)}]`);
}

function assertSeverities(severities: unknown, path: string): void {
  if (!isOptions(severities))
    throw new InvalidInput({
      path,
      expected: "severities by rule, such as { 'past-tense': 'warn' }",
      found: severities,
    });
  for (const [rule, severity] of Object.entries(severities)) {
    if (!DESIGN_RULES.some((known) => known === rule))
      throw new InvalidInput({
        path: `${path}.${rule}`,
        expected: `one of the rules ${DESIGN_RULES.join(', ')}`,
        found: rule,
      });
    if (!['off', 'warn', 'error'].includes(severity as string))
      throw new InvalidInput({ path: `${path}.${rule}`, expected: "'off', 'warn' or 'error'", found: severity });
  }
}
