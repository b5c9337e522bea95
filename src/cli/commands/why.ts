import type { Command } from 'commander';
import { pathOf } from '../access/api.ts';
import type { Api } from '../access/api.ts';
import type { AccessOptions } from '../access/connect.ts';
import { withAccess, withSystem, writeJson } from '../command.ts';
import { ApiProblem, CommandFailed, EXIT_OK } from '../failure.ts';
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

type TreeJson = LinkJson & { readonly effects: readonly TreeJson[] };

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

export function whyCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withAccess(program.command('why'))
    .summary('show what led to an event, a command or a row of a view')
    .description(
      'Shows the chain that led to an event: events, the reactions that published them, commands. With a view and a key, which events made the row.',
    )
    .argument('<event-or-view>', 'the id of an event or of a command, or the name of a view')
    .argument('[key]', 'of a row of that view')
    .option('--effects', 'what the event led to, in place of what led to it')
    .option('--source <uri>', 'of the event, where events of several sources have the id')
    .action(async (what: string, key: string | undefined, options: WhyOptions) => {
      await withSystem(options, terminal, 'read', async ({ api }) => {
        if (key !== undefined) {
          const found = await api.get<{ view: string; key: string; events: number; last: readonly CausesJson[] }>(
            `/views${pathOf(what, key)}/causes`,
          );
          if (options.json === true) return writeJson(terminal, found);
          await terminal.write(
            `${printable(key)} of ${printable(what)} is made of ${plural(found.events, 'event')}; the last of them, newest first:\n`,
          );
          for (const causes of found.last) await terminal.write(`\n${chainOf(causes)}`);
          return undefined;
        }
        if (options.effects === true) {
          const found = await api.get<{ event: EventJson; effects: readonly TreeJson[]; isWhole: boolean }>(
            `/events${pathOf(what)}/effects`,
            { source: options.source },
          );
          if (options.json === true) return writeJson(terminal, found);
          await terminal.write(`${lineOf({ kind: 'event', event: found.event })}\n${treeOf(found.effects, 1)}`);
          if (found.effects.length === 0) terminal.note('it led to nothing\n');
          if (!found.isWhole) terminal.note('its conversation is long: only its next events were looked at\n');
          return undefined;
        }
        const found = await causesOf(api, what, options.source);
        if (options.json === true) return writeJson(terminal, found);
        if ('command' in found) {
          await terminal.write(commandChainOf(found));
          return undefined;
        }
        await terminal.write(chainOf(found));
        if (found.causes.length === 0) terminal.note('nothing led to it: it came from outside\n');
        return undefined;
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
        const found = await api.get<{
          verdict: string;
          reasons: readonly string[];
          behind?: { position: number; source: string; id: string };
          deadLetter?: string;
          published: readonly EventJson[];
        }>(`/consumers${pathOf(consumer)}/why-not${pathOf(id)}`, { source: options.source });
        if (options.json === true) return writeJson(terminal, found);
        const lines = [
          found.verdict.replaceAll('-', ' '),
          ...found.reasons.map((reason) => `  ${printable(reason)}`),
          ...(found.behind === undefined
            ? []
            : [`  behind: ${printable(found.behind.id)} of ${printable(found.behind.source)}`]),
          ...(found.deadLetter === undefined
            ? []
            : [`  to let it go on: thereupon dead-letters retry ${printable(found.deadLetter)} (or discard)`]),
          ...found.published.map((event) => `  ${lineOf({ kind: 'event', event })}`),
        ];
        await terminal.write(`${lines.join('\n')}\n`);
        return undefined;
      });
      exit(EXIT_OK);
    });
}

/** Of an event, or of a command with that id. */
async function causesOf(api: Api, id: string, source: string | undefined): Promise<CausesJson | CommandCausesJson> {
  try {
    return await api.get<CausesJson>(`/events${pathOf(id)}/causes`, { source });
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.code !== 'not-found' || source !== undefined) throw error;
    return await api.get<CommandCausesJson>(`/outcomes${pathOf(id)}`).catch((failure: unknown) => {
      throw failure instanceof ApiProblem && failure.code === 'not-found'
        ? new CommandFailed(`there is neither an event nor a command ${printable(id)}`)
        : failure;
    });
  }
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

function lineOf(link: LinkJson): string {
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
    case 'unknown':
      return `something outside, or that was removed  ${printable(link.id)}`;
  }
}
