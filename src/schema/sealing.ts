import { EventDataInvalid, InvalidDefinition, InvalidEvent, InvalidInput } from '../errors.ts';
import type { SchemaIssue } from '../errors.ts';
import type { EventDraft } from '../event/create-event.ts';
import type { EventDefinition } from '../event/define-event.ts';
import { EventOpening } from '../event/event-opening.ts';
import type { OpeningKeys, PersonalTypes } from '../event/event-opening.ts';
import { assertJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { OPENING } from '../event/opening.ts';
import { ERASED, placeIn, replacePersonal } from '../event/personal-fields.ts';
import type { PersonalFields } from '../event/personal-fields.ts';
import { redacted, textsIn } from '../event/redaction.ts';
import { seal } from '../event/sealed-value.ts';
import type { SealedValue, SubjectKey } from '../event/sealed-value.ts';

/** Where what is sealed gets its keys from. */
export interface Sealing {
  /** How events of the program are opened. */
  readonly types: PersonalTypes;
  /** A key of theirs, where it is known at once. */
  current(subject: string): SubjectKey | undefined;
  /** A key of theirs: durable, and made where there is none. */
  obtain(subject: string): Promise<SubjectKey>;
  /** Whether their keys are being deleted: what was made of what was read of them may not be kept. */
  isForgetting(subject: string): boolean;
  /** Rises whenever somebody is forgotten. */
  readonly forgettings: number;
  /** Keys by their ids, also of those that are gone. */
  fetch(ids: ReadonlySet<string>): Promise<OpeningKeys>;
  /** For one sealing. */
  nonce(): Uint8Array;
}

/** An event on its way in whose data is not sealed yet. */
export interface Unsealed {
  readonly draft: EventDraft;
  /** JSON. */
  readonly data: unknown;
  /** What its schema objects to; undefined: nothing. */
  readonly issues: readonly SchemaIssue[] | undefined;
  /** What of it came sealed already, and stays as it came. */
  readonly kept?: KeptSealed | undefined;
}

/** Values that came sealed, by their places, and the keys of those that can be opened. */
export interface KeptSealed {
  readonly values: ReadonlyMap<string, SealedValue>;
  readonly keys: OpeningKeys;
}

interface SealedDraft {
  readonly draft: EventDraft;
  readonly issues: readonly SchemaIssue[] | undefined;
}

/**
 * Seals the personal fields of an event with a key of their subject; of data that does not fit its schema, all of it, for nobody can tell then
 * what is personal.
 *
 * Shape     At once where the key is known.
 * Errors    InvalidDefinition when a name in the log, or the subject, would be made of a personal field; InvalidInput (subject, `$sealed`);
 *           EventDataInvalid where data that does not fit does not say whose it is.
 */
export function sealDraft(
  definition: EventDefinition,
  personal: PersonalFields,
  unsealed: Unsealed,
  sealing: Sealing | undefined,
): SealedDraft | Promise<SealedDraft> {
  if (sealing === undefined)
    throw new InvalidDefinition(
      `event ${definition.type}`,
      'has personal fields, and there is nothing to seal them with',
    );
  if (unsealed.draft.encoding !== 'json')
    throw new InvalidEvent({
      attribute: 'datacontenttype',
      expected: `JSON, in which the personal fields of ${definition.type} can be found`,
      found: unsealed.draft.attributes?.datacontenttype,
    });
  assertJson(unsealed.data, 'data', 0);
  const subject = subjectOf(definition, personal, unsealed);
  const { kept } = unsealed;
  const whole =
    kept === undefined || unsealed.issues !== undefined
      ? unsealed
      : { ...unsealed, data: withKept(unsealed.data, kept) };
  // Nobody gets a key for nothing: that somebody has one says that something is sealed with it.
  if (unsealed.issues === undefined && isWithout(personal, whole.data)) return withoutKey(definition, whole);
  const known = sealing.current(subject);
  const finish = (key: SubjectKey) => sealedWith(key, definition, personal, whole, sealing);
  return known === undefined ? sealing.obtain(subject).then(finish) : finish(known);
}

/** What came sealed, and nobody can read, stands where it stood: nothing else was there that could be sealed. */
function withKept(value: unknown, kept: KeptSealed, place = ''): unknown {
  if (value === null) return kept.values.get(place) ?? value;
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item, index) => withKept(item, kept, placeIn(place, index)));
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([name, child]) => [name, withKept(child, kept, placeIn(place, name))]));
}

function isWithout(personal: PersonalFields, data: unknown): boolean {
  let found = false;
  replacePersonal(data, personal, (value) => {
    found = true;
    return value;
  });
  return !found;
}

function withoutKey({ type }: EventDefinition, { draft, data, kept }: Unsealed): SealedDraft {
  const text = JSON.stringify(data);
  if (timesSealed(text) !== 0 || (kept?.values.size ?? 0) > 0) throw foreignSealed(type);
  return { draft: { ...draft, data: text }, issues: undefined };
}

function foreignSealed(type: string): InvalidInput {
  return new InvalidInput({
    path: 'data',
    expected: `no member $sealed but in place of a personal field of ${type}: it is the system’s own`,
    found: '$sealed',
  });
}

function subjectOf(definition: EventDefinition, personal: PersonalFields, { data, issues }: Unsealed): string {
  if (issues === undefined) {
    assertNamesHold(definition, personal, data);
    return personal.subjectOf(data);
  }
  try {
    return personal.subjectOf(data);
  } catch {
    const whose = { path: 'data', message: 'does not say whose it is, and what is personal is kept for nobody else' };
    throw new EventDataInvalid(definition.type, definition.version, [...issues, whose]);
  }
}

function sealedWith(
  key: SubjectKey,
  { type }: EventDefinition,
  personal: PersonalFields,
  { draft, data, issues, kept }: Unsealed,
  sealing: Sealing,
): SealedDraft {
  let count = 0;
  let used = 0;
  const sealValue = (value: unknown, place: string): SealedValue => {
    count += 1;
    const known = kept?.values.get(place);
    if (known !== undefined) used += 1;
    return known ?? seal(value as JsonValue, key, { of: type, place }, sealing.nonce());
  };
  const sealed = issues === undefined ? replacePersonal(data, personal, sealValue) : sealValue(data, '');
  const text = JSON.stringify(sealed);
  if (timesSealed(text) !== count || used !== (kept?.values.size ?? 0)) throw foreignSealed(type);
  const keys = new Map([...(kept?.keys ?? []), [key.id, key]]);
  const texts = issues === undefined ? [] : textsIn(data);
  return {
    draft: { ...draft, data: text, [OPENING]: new EventOpening(keys, sealing.types) },
    issues: issues?.map(({ path, message }) => ({ path, message: redacted(message, texts) })),
  };
}

/** How often there is a member `$sealed` in some JSON. */
function timesSealed(text: string): number {
  let times = 0;
  for (let at = text.indexOf('"$sealed":'); at !== -1; at = text.indexOf('"$sealed":', at + 1)) times += 1;
  return times;
}

/** Names in the log are not erased, so none may be made of what is. Errors: InvalidDefinition. */
function assertNamesHold(definition: EventDefinition, personal: PersonalFields, data: unknown): void {
  const without = replacePersonal(data, personal, (value) => (typeof value === 'string' ? ERASED : null));
  for (const [name, derive] of [
    ['personal.subject', (from: unknown) => personal.subjectOf(from)],
    ['stream', (from: unknown) => definition.streamOf(from)],
    ['subject', (from: unknown) => definition.subjectOf(from)],
    ['partitionKey', (from: unknown) => definition.partitionKeyOf(from)],
    ['tags', (from: unknown) => definition.tagsOf(from)?.join(' ')],
  ] as const) {
    const said = derive(data);
    let left: unknown;
    try {
      left = derive(without);
    } catch {
      left = undefined;
    }
    if (said !== left)
      throw new InvalidDefinition(
        `event ${definition.type}`,
        `its ${name} function reads a personal field, and what it gives stays readable in the log when that is erased; make it of something else`,
      );
  }
}
