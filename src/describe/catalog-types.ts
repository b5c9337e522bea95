import type { Catalog } from '../catalog.ts';
import { schemaUri } from '../event/recorded-event.ts';
import { declarationsOf } from './schema-types.ts';
import { commentOn, memberName, Names, textLiteral, typeName } from './source-text.ts';

const FACT = `/** An event as \`GET /events\`, server-sent events and exports give it. */
export interface Fact<Type extends string, Schema extends string, Data> {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: Type;
  readonly dataschema: Schema;
  readonly subject?: string;
  readonly time: string;
  readonly recordedtime: string;
  readonly correlationid: string;
  readonly causationid?: string;
  readonly stream: string;
  readonly version: number;
  readonly position: number;
  readonly data: Data;
}
`;

/**
 * TypeScript types of the events of a catalog: one for the data of each type and version, and the union of them all as facts, told apart by
 * \`type\` and, where a type has several versions, by \`dataschema\`.
 */
export function catalogTypes({ events }: Catalog): string {
  const names = new Names(['EventData', 'Fact', 'RecordedFact']);
  // Those of events come first, so that they do not depend on what schemas call their parts.
  const named = events.map((event) => ({ ...event, name: names.take(`${typeName(event.type)}V${event.version}`) }));
  const data = named.map(({ type, version, summary, jsonSchema, name }) => {
    const about = `\`${type}\`, version ${version}.`;
    return declarationsOf(jsonSchema ?? true, name, names, summary === undefined ? about : `${summary}\n\n${about}`);
  });
  const current = new Map(named.map((event) => [event.type, event]));
  for (const event of named)
    if ((current.get(event.type)?.version ?? 0) < event.version) current.set(event.type, event);
  const members = [...current.values()].map(
    ({ type, name, summary }) => `${commentOn(summary, '  ')}  ${memberName(type)}: ${name};\n`,
  );
  const facts = named.map(
    ({ type, version, name }) => `\n  | Fact<${textLiteral(type)}, ${textLiteral(schemaUri(type, version))}, ${name}>`,
  );
  return [
    '// Written by `thereupon catalog --format types`. What is changed here is lost the next time.\n',
    ...data,
    `/** The data of each event type in its current version. */\nexport interface EventData {\n${members.join('')}}\n`,
    FACT,
    `/** Any event that is known here. */\nexport type RecordedFact =${facts.length === 0 ? ' never' : facts.join('')};\n`,
  ].join('\n');
}
