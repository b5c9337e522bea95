import type { SchemaRecord, SchemaStore } from '../../schema/schema-store.ts';
import type { Session } from './session.ts';
import { compareText } from './text-order.ts';

/** By type and version, as JSON. */
export type SchemaContent = Map<string, SchemaRecord>;

export class MemorySchemaStore implements SchemaStore {
  readonly #content: SchemaContent;
  readonly #session: Session;

  constructor(content: SchemaContent, session: Session) {
    this.#content = content;
    this.#session = session;
  }

  async put(records: readonly SchemaRecord[]): Promise<void> {
    this.#session.assertOpen();
    for (const record of records)
      this.#content.set(JSON.stringify([record.type, record.version]), structuredClone(record));
  }

  async list(): Promise<readonly SchemaRecord[]> {
    this.#session.assertOpen();
    return structuredClone([...this.#content.values()]).sort(
      (left, right) => compareText(left.type, right.type) || left.version - right.version,
    );
  }
}
