import type { StandardSchemaV1 } from '@standard-schema/spec';
import { EventDataInvalid, InvalidDefinition, UnknownEventType } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { SchemaIssue } from '../errors.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { JsonValue } from '../event/json.ts';
import { sameJson } from '../event/json.ts';
import { issuesOf } from '../event/schema-issues.ts';
import { versionsBelow } from '../event/upcasters.ts';
import type { Environment } from '../system/environment.ts';
import type { KnownSchema } from './compatibility/histories.ts';
import { jsonSchemaOf } from './json-schema.ts';
import { assertPersonalPaths } from './personal-paths.ts';
import type { SchemaRecord, SchemaStore } from './schema-store.ts';

/** What happens to events of a type that nobody defined. */
export type UnknownTypePolicy = 'reject' | 'accept';

/** What the gate says of some data. */
export type Validation =
  | { readonly ok: true; readonly data: unknown }
  | { readonly ok: false; readonly issues: readonly SchemaIssue[] };

/**
 * The gate: is this a fact we know?
 *
 * Shape     Several versions of one type may be defined; the highest is the current one.
 * Guarantee Definitions do not change while the system is open.
 */
export class SchemaRegistry {
  readonly unknownTypes: UnknownTypePolicy;
  readonly #versions = new Map<string, ReadonlyMap<number, EventDefinition>>();
  readonly #current = new Map<string, EventDefinition>();

  /** Errors: InvalidDefinition when two different definitions claim one (type, version), or a path of a personal field leads nowhere. */
  constructor(definitions: readonly EventDefinition[], unknownTypes: UnknownTypePolicy) {
    this.unknownTypes = unknownTypes;
    for (const definition of definitions) this.#add(definition);
  }

  #add(definition: EventDefinition): void {
    const versions = new Map(this.#versions.get(definition.type));
    const known = versions.get(definition.version);
    if (known === definition) return;
    if (known !== undefined) {
      throw new InvalidDefinition(
        `event ${definition.type}`,
        `version ${definition.version} is defined twice; give the new shape a new version`,
      );
    }
    assertPersonalPaths(definition);
    versions.set(definition.version, definition);
    this.#versions.set(definition.type, versions);
    const current = this.#current.get(definition.type);
    if (current === undefined || current.version < definition.version) this.#current.set(definition.type, definition);
  }

  definitions(): readonly EventDefinition[] {
    return [...this.#versions.values()].flatMap((versions) => [...versions.values()]);
  }

  /** The definition of a type in a version, or its current one. Undefined when unknown. */
  find(type: string, version?: number): EventDefinition | undefined {
    return version === undefined ? this.#current.get(type) : this.#versions.get(type)?.get(version);
  }

  /** As `find`; an unknown type is an error unless unknown types are accepted. */
  require(type: string, version?: number): EventDefinition | undefined {
    const found = this.find(type, version);
    if (found === undefined && this.unknownTypes === 'reject') throw new UnknownEventType(type);
    return found;
  }

  /** Whether this very definition, and not another of the same name, belongs to the system. */
  assertKnown(definition: EventDefinition): void {
    if (this.find(definition.type, definition.version) !== definition) throw new UnknownEventType(definition.type);
  }

  /** What this program defines, to be compared with what a store remembers. */
  schemas(): readonly KnownSchema[] {
    return this.definitions().map((definition) => ({
      type: definition.type,
      version: definition.version,
      vendor: definition.schema['~standard'].vendor,
      jsonSchema: jsonSchemaOf(definition),
      upcastsFrom: definition.upcasting && versionsBelow(definition.upcasting),
    }));
  }

  /** Writes the definitions to the store, and says which stored versions have changed their shape without a new number. */
  async persist(store: SchemaStore, environment: Environment): Promise<void> {
    const stored = new Map((await store.list()).map((record) => [`${record.type} ${record.version}`, record]));
    const changed: SchemaRecord[] = [];
    for (const definition of this.definitions()) {
      const known = stored.get(`${definition.type} ${definition.version}`);
      const record = recordOf(definition, known?.registeredMs ?? environment.clock.now());
      if (known === undefined || !sameRecord(known, record)) changed.push(record);
      if (known !== undefined && !sameJson(known.jsonSchema, record.jsonSchema)) {
        environment.logger.warn(
          { type: definition.type, version: definition.version },
          'the schema of this event changed without a new version; events already recorded keep their old shape',
        );
      }
    }
    if (changed.length > 0) await store.put(changed);
  }
}

/** Checks data against a definition's schema. Synchronous where the schema library is. */
export function validate(definition: EventDefinition, data: unknown): Validation | Promise<Validation> {
  try {
    const result = definition.schema['~standard'].validate(data);
    return result instanceof Promise ? result.then(validationOf, thrown) : validationOf(result);
  } catch (error) {
    return thrown(error);
  }
}

/** What the schema cannot even look at is not valid, whoever is to blame: it is refused, or set aside, with the reason. */
function thrown(error: unknown): Validation {
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : describeValue(error);
  return { ok: false, issues: [{ path: 'data', message: `its schema throws when it looks at it: ${reason}` }] };
}

/** As `validate`, throwing EventDataInvalid. */
export function dataInvalid(definition: EventDefinition, issues: readonly SchemaIssue[]): EventDataInvalid {
  return new EventDataInvalid(definition.type, definition.version, issues);
}

function validationOf(result: StandardSchemaV1.Result<unknown>): Validation {
  if (result.issues === undefined) return { ok: true, data: result.value };
  return { ok: false, issues: issuesOf(result.issues) };
}

function recordOf(definition: EventDefinition, registeredMs: number): SchemaRecord {
  return {
    type: definition.type,
    version: definition.version,
    summary: definition.summary,
    vendor: definition.schema['~standard'].vendor,
    jsonSchema: jsonSchemaOf(definition),
    onInvalid: definition.onInvalid,
    registeredMs,
  };
}

function sameRecord(left: SchemaRecord, right: SchemaRecord): boolean {
  return sameJson(comparable(left), comparable(right));
}

function comparable(record: SchemaRecord): JsonValue {
  return {
    summary: record.summary ?? null,
    vendor: record.vendor,
    jsonSchema: record.jsonSchema ?? null,
    onInvalid: record.onInvalid,
  };
}
