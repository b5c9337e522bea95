import type { ImportedEvent } from './async-api-import.ts';
import { declarationsOf } from './schema-types.ts';
import { commentOn, Names, textLiteral, typeName, valueLiteral } from './source-text.ts';

/**
 * TypeScript source that defines events: a type of the data and a definition for each, and `events`, the list of them all.
 *
 * Guarantee Compiles under the strictest options, whatever types are called and schemas say.
 */
export function eventSource(events: readonly ImportedEvent[], about: string): string {
  const names = new Names();
  const named = events.map((event) => {
    const name = names.take(`${typeName(event.type)}${event.version === 1 ? '' : `V${event.version}`}`);
    return { event, name, data: names.take(`${name}Data`) };
  });
  const definitions = named.map(
    ({ event, name, data }) => `${declarationsOf(event.jsonSchema, data, names)}
${commentOn(remarksOn(event), '')}export const ${name} = defineEvent({
  type: ${textLiteral(event.type)},
${event.version === 1 ? '' : `  version: ${event.version},\n`}${summaryOf(event)}  schema: jsonSchema<${data}>(
    ${valueLiteral(event.jsonSchema, '    ')},
    { formats: 'assert' },
  ),
});
`,
  );
  return [
    commentOn(about, ''),
    `import { defineEvent, jsonSchema } from 'thereupon';\n`,
    ...definitions,
    `/** For \`events\` in thereupon.config.ts. */\nexport const events = [${named.map(({ name }) => name).join(', ')}];\n`,
  ].join('\n');
}

function summaryOf({ summary }: ImportedEvent): string {
  return summary === undefined ? '' : `  summary: ${textLiteral(summary.trim())},\n`;
}

function remarksOn({ channels, remarks }: ImportedEvent): string {
  const where =
    channels.length === 0 ? [] : [`${channels.length === 1 ? 'Channel' : 'Channels'}: ${channels.join(', ')}.`];
  return [...where, ...remarks.map((remark) => `Note: ${remark}.`)].join('\n');
}
