import type { Command } from 'commander';
import { pathOf } from '../access/api.ts';
import type { Api } from '../access/api.ts';
import type { AccessOptions } from '../access/connect.ts';
import { withAccess, withSystem, writeJson } from '../command.ts';
import { ApiProblem, CommandFailed, EXIT_OK, UsageError } from '../failure.ts';
import type { ConsumerJson } from './consumers.ts';
import type { EventJson } from '../output/event-line.ts';
import { plural, printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

interface WhyOptions extends AccessOptions {
  readonly source?: string;
  readonly effects?: boolean;
}

type LinkJson =
  | { readonly kind: 'event'; readonly event: EventJson; readonly publishedBy?: string }
  | {
      readonly kind: 'command';
      readonly id: string;
      readonly name: string;
      readonly time: string;
      readonly accepted: boolean;
      readonly reason?: string;
      readonly actor?: { readonly type: string; readonly id?: string };
      readonly because?: string;
      readonly caller?: { readonly key?: string; readonly address?: string };
    }
  | { readonly kind: 'unknown'; readonly id: string };

type TreeJson = (LinkJson | { readonly kind: 'row'; readonly view: string; readonly key: string }) & {
  readonly effects: readonly TreeJson[];
};

interface CausesJson {
  readonly event: EventJson;
  readonly publishedBy?: string;
  readonly causes: readonly LinkJson[];
}

interface CommandCausesJson {
  readonly command: LinkJson;
  readonly causes: readonly LinkJson[];
  readonly events: readonly {
    readonly type: string;
    readonly stream: string;
    readonly version: number;
    readonly id: string;
  }[];
}

interface WhyNotJson {
  readonly verdict: string;
  readonly reasons: readonly string[];
  readonly behind?: { readonly position: number; readonly source: string; readonly id: string };
  readonly deadLetter?: string;
  readonly published: readonly EventJson[];
}

interface RowCausesJson {
  readonly events: number;
  readonly lost: readonly string[];
  readonly last: readonly CausesJson[];
}

/** Some of them may be in the row. */
function lossOf({ lost }: RowCausesJson): string {
  return lost.length === 0
    ? ''
    : ` that the log has, and maybe of some that were removed (of ${lost.map(printable).join(', ')})`;
}

interface EffectsJson {
  readonly event: EventJson;
  readonly effects: readonly TreeJson[];
  readonly isWhole: boolean;
}

export function whyCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withAccess(program.command('why'))
    .summary('show what led to an event, a command, a run or a row of a view')
    .description(
      'Shows the chain that led to an event: events, the reactions that published them, commands. With a view and a key, which events made the row; with a consumer and an event, what came of that run.',
    )
    .argument('<what>', 'the id of an event or of a command, or the name of a view or of what else reacts')
    .argument('[key-or-event]', 'the key of a row of that view, or the id of the event that it reacted to')
    .option('--effects', 'what the event or the command led to, in place of what led to it')
    .option('--source <uri>', 'of the event, where events of several sources have the id')
    .action(async (what: string, which: string | undefined, options: WhyOptions) => {
      await withSystem(options, terminal, 'read', async ({ api }) => {
        if (which !== undefined) return whyOf(api, [what, which], options, terminal);
        return options.effects === true
          ? showEffects(api, what, options, terminal)
          : showCauses(api, what, options, terminal);
      });
      exit(EXIT_OK);
    });
  withAccess(program.command('why-not'))
    .summary('show what kept a consumer from acting on an event')
    .description(
      'Shows what became of an event at a consumer: filtered by which condition, waiting or parked behind which event, paused, not yet reached, or handled.',
    )
    .argument('<event>', 'its id')
    .argument('<consumer>', 'a consumer, projection or automation')
    .option('--source <uri>', 'of the event, where events of several sources have the id')
    .action(async (id: string, consumer: string, options: WhyOptions) => {
      await withSystem(options, terminal, 'read', async ({ api }) => {
        const found = await api.get<WhyNotJson>(`/consumers${pathOf(consumer)}/why-not${pathOf(id)}`, {
          source: options.source,
        });
        await (options.json === true ? writeJson(terminal, found) : terminal.write(verdictOf(found)));
      });
      exit(EXIT_OK);
    });
}

/** Of a row of a view, or of a run. */
async function whyOf(
  api: Api,
  [name, which]: readonly [string, string],
  options: WhyOptions,
  terminal: Terminal,
): Promise<void> {
  const row = await maybe(api.get<RowCausesJson>(`/views${pathOf(name, which)}/causes`));
  if (row.found !== undefined) {
    if (options.json === true) return writeJson(terminal, row.found);
    await terminal.write(
      `${printable(which)} of ${printable(name)} is made of ${plural(row.found.events, 'event')}${lossOf(row.found)}; the last of them, newest first:\n`,
    );
    for (const causes of row.found.last) await terminal.write(`\n${chainOf(causes)}`);
    return undefined;
  }
  const run = await maybe(
    api.get<CausesJson & WhyNotJson>(`/consumers${pathOf(name)}/runs${pathOf(which)}`, { source: options.source }),
  );
  if (run.found === undefined) throw missingOf(row, run);
  if (options.json === true) return writeJson(terminal, run.found);
  return terminal.write(`${printable(name)}: ${verdictOf(run.found)}\n${chainOf(run.found)}`);
}

/** Of a view rows are asked for first. */
function missingOf(row: Maybe<unknown>, run: Maybe<unknown>): Error {
  const isView = row.missing !== undefined && row.missing.problem['kind'] !== 'view';
  return (isView ? row.missing : run.missing) ?? new CommandFailed('there is nothing of that name');
}

async function showEffects(api: Api, id: string, options: WhyOptions, terminal: Terminal): Promise<void> {
  const effectsOf = (of: string, source?: string) =>
    api.get<EffectsJson>(`/events${pathOf(of)}/effects`, source === undefined ? {} : { source });
  const event = await maybe(effectsOf(id, options.source));
  let trees: readonly TreeJson[];
  let isWhole: boolean;
  let root: LinkJson;
  if (event.found === undefined) {
    const { found: command } = await maybe(api.get<CommandCausesJson>(`/outcomes${pathOf(id)}`));
    if (command === undefined || options.source !== undefined) throw await unknown(api, id, event.missing);
    const facts = await Promise.all(command.events.map((fact) => effectsOf(fact.id)));
    trees = facts.map((each): TreeJson => ({ kind: 'event', event: each.event, effects: each.effects }));
    isWhole = facts.every((each) => each.isWhole);
    root = command.command;
    if (options.json === true) return writeJson(terminal, { command: root, effects: trees, isWhole });
  } else {
    if (options.json === true) return writeJson(terminal, event.found);
    trees = event.found.effects;
    isWhole = event.found.isWhole;
    root = { kind: 'event', event: event.found.event };
  }
  await terminal.write(`${lineOf(root)}\n${treeOf(trees, 1)}`);
  if (trees.length === 0) terminal.note('it led to nothing\n');
  if (!isWhole) terminal.note('its conversation is long: only its next events were looked at\n');
}

async function showCauses(api: Api, id: string, options: WhyOptions, terminal: Terminal): Promise<void> {
  const { found, missing } = await causesOf(api, id, options.source);
  if (found === undefined) throw await unknown(api, id, missing);
  if (options.json === true) return writeJson(terminal, found);
  if ('command' in found) return terminal.write(commandChainOf(found));
  await terminal.write(chainOf(found));
  if (found.causes.length === 0) terminal.note('nothing led to it: it came from outside\n');
}

/** Of an event, or of a command with that id. */
async function causesOf(
  api: Api,
  id: string,
  source: string | undefined,
): Promise<Maybe<CausesJson | CommandCausesJson>> {
  const event = await maybe(api.get<CausesJson>(`/events${pathOf(id)}/causes`, { source }));
  if (event.found !== undefined || source !== undefined) return event;
  const command = await maybe(api.get<CommandCausesJson>(`/outcomes${pathOf(id)}`));
  return command.found === undefined ? event : command;
}

interface Maybe<Found> {
  readonly found?: Found;
  readonly missing?: ApiProblem;
}

async function maybe<Found>(asked: Promise<Found>): Promise<Maybe<Found>> {
  try {
    return { found: await asked };
  } catch (error) {
    if (error instanceof ApiProblem && error.code === 'not-found') return { missing: error };
    throw error;
  }
}

/** What to ask instead, where the name is that of something that reacts. */
async function unknown(api: Api, id: string, missing: ApiProblem | undefined): Promise<Error> {
  const { found } = await maybe(api.get<ConsumerJson>(`/consumers${pathOf(id)}`));
  const name = printable(id);
  if (found?.kind === 'projection')
    return new UsageError(
      `${name} is a view; give the key of a row (thereupon why ${name} KEY), or an event that it took in`,
    );
  if (found !== undefined)
    return new UsageError(
      `${name} is a reaction (${found.kind}); give the event of a run: thereupon why ${name} EVENT (thereupon tail shows ids of events)`,
    );
  return missing?.problem['kind'] === 'event'
    ? new CommandFailed(`there is neither an event nor a command ${name}`)
    : (missing ?? new CommandFailed(`there is no ${name}`));
}

function verdictOf({ verdict, reasons, behind, deadLetter, published }: WhyNotJson): string {
  const lines = [
    verdict.replaceAll('-', ' '),
    ...reasons.map((reason) => `  ${printable(reason)}`),
    ...(behind === undefined ? [] : [`  behind: ${printable(behind.id)} of ${printable(behind.source)}`]),
    ...(deadLetter === undefined
      ? []
      : [`  to let it go on: thereupon dead-letters retry ${printable(deadLetter)} (or discard)`]),
    ...published.map((event) => `  ${lineOf({ kind: 'event', event })}`),
  ];
  return `${lines.join('\n')}\n`;
}

function commandChainOf({ command, causes, events }: CommandCausesJson): string {
  const facts = events.map(
    ({ type, stream, version, id }) => `  ↳ ${printable(type)}  ${printable(stream)}@${version}  ${printable(id)}\n`,
  );
  const chain = causes.map((link, depth) => `${'  '.repeat(depth + 1)}↑ ${lineOf(link)}\n`);
  return `${lineOf(command)}\n${facts.join('')}${chain.join('')}`;
}

/** Through what it came, and why. */
function howOf(key: unknown, address: unknown, reason: unknown): string {
  const said = [
    ['with key', key],
    ['from', address],
    ['because', reason],
  ] as const;
  return said.map(([how, what]) => (what === undefined ? '' : `, ${how} ${printable(textOf(what))}`)).join('');
}

/** Attributes are texts, numbers or booleans. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function whoOf(type: unknown, id: unknown): string {
  return printable(
    [type, id]
      .filter((part) => part !== undefined)
      .map(String)
      .join(' '),
  );
}

function chainOf({ event, publishedBy, causes }: CausesJson): string {
  const links: readonly LinkJson[] = [
    { kind: 'event', event, ...(publishedBy === undefined ? {} : { publishedBy }) },
    ...causes,
  ];
  return links.map((link, depth) => `${'  '.repeat(depth)}${depth === 0 ? '' : '↑ '}${lineOf(link)}\n`).join('');
}

function treeOf(effects: readonly TreeJson[], depth: number): string {
  return effects.map((link) => `${'  '.repeat(depth)}↳ ${lineOf(link)}\n${treeOf(link.effects, depth + 1)}`).join('');
}

function lineOf(link: LinkJson | Omit<Extract<TreeJson, { kind: 'row' }>, 'effects'>): string {
  switch (link.kind) {
    case 'event': {
      const { type, stream, version, recordedtime, id, authtype, authid, authkey, authaddress, authreason } =
        link.event;
      const who = authtype === undefined ? '' : `, for ${whoOf(authtype, authid)}`;
      const by = link.publishedBy === undefined ? '' : `, by ${printable(link.publishedBy)}`;
      return `${printable(type)}  ${printable(stream)}@${version}${by}${who}${howOf(authkey, authaddress, authreason)}  ${recordedtime}  ${printable(id)}`;
    }
    case 'command': {
      const outcome = link.accepted ? '' : `, refused: ${printable(link.reason ?? '')}`;
      const who = link.actor === undefined ? '' : `, for ${whoOf(link.actor.type, link.actor.id)}`;
      return `command ${printable(link.name)}${who}${howOf(link.caller?.key, link.caller?.address, link.because)}${outcome}  ${link.time}  ${printable(link.id)}`;
    }
    case 'row':
      return `row ${printable(link.key)} of ${printable(link.view)}`;
    case 'unknown':
      return `something outside, or that was removed  ${printable(link.id)}`;
  }
}
