import type { Catalog, Config, EventDefinition, JsonValue, System } from '../../index.ts';
import { pathOf } from '../access/api.ts';
import { sampleOf } from './sample-data.ts';

/** A request to try: a command, a fact that something reacts to, or, where none can be made up, a look at what happens. */
export interface ExampleRequest {
  /** False: nothing could be made up. */
  readonly isExample: boolean;
  readonly curl: string;
}

/** A `curl` line that works as it is. */
export async function exampleRequest(
  url: string,
  { system, config, catalog }: { readonly system: System; readonly config: Config; readonly catalog: Catalog },
  options: { readonly id: string; readonly apiKey: string | undefined },
): Promise<ExampleRequest> {
  const key = options.apiKey === undefined ? '' : ` -H "authorization: Bearer $THEREUPON_API_KEY"`;
  const command = await exampleCommand(system);
  if (command !== undefined)
    return {
      isExample: true,
      curl: `curl ${url}/commands${pathOf(command.name)}${key} -H 'content-type: application/json' -d ${quoted(JSON.stringify(command.data))}`,
    };
  for (const definition of promising(config, catalog)) {
    const schema = catalog.events.find(
      ({ type, version }) => type === definition.type && version === definition.version,
    )?.jsonSchema;
    const data = sampleOf(schema);
    if (schema === undefined || !(await fits(definition, data))) continue;
    const event = { specversion: '1.0', id: options.id, source: '/me', type: definition.type, data };
    return {
      isExample: true,
      curl: `curl ${url}/events${key} -H 'content-type: application/cloudevents+json' -d ${quoted(JSON.stringify(event))}`,
    };
  }
  return { isExample: false, curl: `curl -N ${url}/events${key} -H 'accept: text/event-stream'` };
}

/** Facts from outside that an automation reacts to come first: they show the most. */
function promising(config: Config, catalog: Catalog): readonly EventDefinition[] {
  const reactions = [
    ...(config.automations ?? []),
    ...(config.consumers ?? []),
    ...(config.windows ?? []),
    ...(config.monitors ?? []),
    ...(config.projections ?? []),
  ];
  const known = [
    ...new Set([
      ...(config.automations ?? []).flatMap(({ on }) => on),
      ...(config.events ?? []),
      ...reactions.flatMap(({ on }) => on),
    ]),
  ];
  const made = new Set(catalog.reactions.flatMap(({ publishes }) => publishes));
  return known.toSorted((left, right) => Number(made.has(left.type)) - Number(made.has(right.type)));
}

/** Where a program has commands, facts are decided, and not told. */
async function exampleCommand(
  system: System,
): Promise<{ readonly name: string; readonly data: JsonValue } | undefined> {
  for (const { name, jsonSchema } of system.deciders.commands()) {
    const definition = system.deciders.command(name);
    const data = sampleOf(jsonSchema);
    if (jsonSchema !== undefined && definition !== undefined && (await fits(definition, data))) return { name, data };
  }
  return undefined;
}

async function fits(definition: Pick<EventDefinition, 'schema' | 'streamOf'>, data: JsonValue): Promise<boolean> {
  try {
    const result = await definition.schema['~standard'].validate(data);
    if (result.issues !== undefined) return false;
    // The names that it derives must exist, too.
    definition.streamOf(result.value);
    return true;
  } catch {
    return false;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
