import type { InvalidDataPolicy } from '../event/define-event.ts';
import type { JsonValue } from '../event/json.ts';

/** One version of one event type as the store remembers it. */
export interface SchemaRecord {
  readonly type: string;
  readonly version: number;
  readonly summary: string | undefined;
  /** The name of the library that the schema came from, as its Standard Schema says. */
  readonly vendor: string;
  /** Derived where the library gives it. */
  readonly jsonSchema: JsonValue | undefined;
  readonly onInvalid: InvalidDataPolicy;
  readonly registeredMs: number;
}

/**
 * Remembers event types and their versions.
 *
 * Guarantee `put` replaces the record of the same (type, version), durable on return; safe concurrently.
 */
export interface SchemaStore {
  put(records: readonly SchemaRecord[]): Promise<void>;
  /** By type, then version, ascending. */
  list(): Promise<readonly SchemaRecord[]>;
}
