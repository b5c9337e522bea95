import type { Reaction } from './consumer/reaction.ts';
import type { DeciderDefinition } from './decider/define-decider.ts';
import type { EventDefinition } from './event/define-event.ts';
import type { JsonValue } from './event/json.ts';
import { versionsBelow } from './event/upcasters.ts';
import type { SchemaRecord } from './schema/schema-store.ts';

export interface CatalogEvent {
  readonly type: string;
  readonly version: number;
  readonly summary: string | undefined;
  readonly onInvalid: string;
  /** The name of the library that the schema came from. */
  readonly vendor: string;
  readonly jsonSchema: JsonValue | undefined;
  /** Older versions whose data this one reads by upcasters; undefined: the running program defines none. */
  readonly upcastsFrom: readonly number[] | undefined;
  /** Whether the running program defines it, or only the store remembers it. */
  readonly defined: boolean;
  /** Reactions that publish it, and deciders that may decide it; outside publishers are not known. */
  readonly publishedBy: readonly string[];
  /** Reactions that get it, and deciders whose states are made of it. */
  readonly consumedBy: readonly string[];
}

export interface CatalogReaction {
  readonly name: string;
  readonly kind: Reaction['kind'];
  readonly summary: string | undefined;
  /** Undefined: every type. */
  readonly consumes: readonly string[] | undefined;
  readonly publishes: readonly string[];
}

/** What is produced and consumed by whom, in which versions. */
export interface Catalog {
  readonly events: readonly CatalogEvent[];
  readonly reactions: readonly CatalogReaction[];
}

export function catalogOf(
  records: readonly SchemaRecord[],
  defined: ReadonlyMap<string, EventDefinition>,
  reactions: readonly Reaction[],
  deciders: readonly DeciderDefinition[] = [],
): Catalog {
  const visible = reactions.filter(({ kind }) => kind !== 'system');
  return {
    events: records.map((record) => {
      const definition = defined.get(`${record.type} ${record.version}`);
      return {
        type: record.type,
        version: record.version,
        summary: record.summary,
        onInvalid: record.onInvalid,
        vendor: record.vendor,
        jsonSchema: record.jsonSchema,
        upcastsFrom: definition?.upcasting && versionsBelow(definition.upcasting),
        defined: definition !== undefined,
        publishedBy: [
          ...visible.filter(({ publishes }) => publishes.some(({ type }) => type === record.type)),
          ...deciders.filter(({ publishes }) => publishes.some(({ type }) => type === record.type)),
        ].map(({ name }) => name),
        consumedBy: [
          ...visible.filter(({ consumes }) => consumes?.includes(record.type) ?? true),
          ...deciders.filter(({ on }) => on.some(({ type }) => type === record.type)),
        ].map(({ name }) => name),
      };
    }),
    reactions: visible.map(({ name, kind, summary, consumes, publishes }) => ({
      name,
      kind,
      summary,
      consumes,
      publishes: publishes.map(({ type }) => type),
    })),
  };
}
