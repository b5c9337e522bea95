import { existsSync, globSync, readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defineEvent, EventDataInvalid, jsonSchema, open } from '../../src/index.ts';
import type { JsonSchemaDocument, JsonSchemaOptions } from '../../src/index.ts';
import { testSharedFiles } from '../cloudevents/shared-data.ts';

interface Group {
  readonly description: string;
  readonly schema: JsonSchemaDocument;
  readonly tests: readonly { readonly description: string; readonly data: unknown; readonly valid: boolean }[];
}

const SUITE = 'json-schema-test-suite';
const REMOTES = new URL(`../../../shared/data/${SUITE}/remotes/`, import.meta.url);

/** The schemas that the suite refers to, by the addresses that it does so with. */
const references: Record<string, JsonSchemaDocument> = {};
if (existsSync(REMOTES))
  for (const name of globSync('**/*.json', { cwd: REMOTES.pathname })) {
    const schema = JSON.parse(readFileSync(new URL(name, REMOTES), 'utf8')) as Record<string, unknown>;
    const isOurs = schema['$schema'] === undefined || name.startsWith('draft2020-12/');
    if (isOurs) references[`http://localhost:1234/${name}`] = schema;
  }

function testGroups(text: string, options: JsonSchemaOptions): void {
  for (const { description, schema, tests } of JSON.parse(text) as Group[])
    describe(description, () => {
      for (const { description: what, data, valid } of tests)
        it(`${valid ? 'records' : 'refuses'} ${what}`, async () => {
          const Told = defineEvent({ type: 'suite.case.told', schema: jsonSchema(schema, options) });
          const system = await open({ store: 'memory:', events: [Told] });
          onTestFinished(() => system.close());
          const recorded = system.publish(Told, data).then(
            () => true,
            (error: unknown) => {
              if (error instanceof EventDataInvalid) return false;
              throw error;
            },
          );
          expect(await recorded).toBe(valid);
          const { events } = await system.events.read({ types: ['suite.case.told'] });
          expect(events.map((event) => event.data)).toEqual((await recorded) ? [data] : []);
        });
    });
}

describe('the JSON Schema Test Suite, draft 2020-12, through the gate of a system', () => {
  testSharedFiles(`${SUITE}/draft2020-12`, '', (text, name) => {
    if (name.endsWith('.json')) describe(name, () => testGroups(text, { references }));
  });
});

describe('its formats, where they are asserted', () => {
  testSharedFiles(`${SUITE}/draft2020-12/optional/format`, '', (text, name) => {
    describe(name, () => testGroups(text, { references, formats: 'assert' }));
  });
});
