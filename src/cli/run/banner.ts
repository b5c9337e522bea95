import path from 'node:path';
import type { Config, System } from '../../index.ts';
import { count, paintFor, plural } from '../output/text.ts';
import type { Ink } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import { packageVersion } from '../version.ts';
import { exampleRequest } from './example-request.ts';

export interface BannerOptions {
  readonly system: System;
  readonly config: Config;
  readonly file: string | undefined;
  readonly url: string;
  readonly rate: number;
  readonly apiKey: string | undefined;
}

/** What a person wants to know who has just started a program: what runs, on what, where to look, what to try. */
export async function banner(options: BannerOptions, terminal: Terminal): Promise<void> {
  const { system, config, url, rate } = options;
  const paint = paintFor(terminal.out);
  const line = (name: string, value: string, ink?: Ink) =>
    `  ${paint('dim', name.padEnd(8))}${ink === undefined ? value : paint(ink, value)}\n`;
  const head = await system.events.head();
  const catalog = await system.catalog();
  const request = await exampleRequest(
    url,
    { system, config, catalog },
    {
      id: `try-${terminal.now().toString(36)}`,
      apiKey: options.apiKey,
    },
  );
  const store = displayPath(system.location, terminal.cwd);
  const reactions = describeReactions(config);
  const decided = system.deciders.commands().length;
  await terminal.write(
    [
      `\n${paint('bold', `thereupon ${packageVersion()}`)} ${paint('dim', `on Node ${process.versions.node}`)}\n\n`,
      options.file === undefined ? '' : line('program', displayPath(options.file, terminal.cwd)),
      line('store', `${store} (${head === 0 ? 'empty' : `up to position ${count(head)}`})`),
      line('reacts', reactions),
      decided === 0 ? '' : line('decides', plural(decided, 'command')),
      rate > 0 ? line('feed', `${plural(rate, 'event')} a second (--feed off ends it)`) : '',
      line('open', url, 'cyan'),
      options.apiKey === undefined ? '' : line('key', 'needed: Authorization: Bearer …'),
      `\n  ${paint('dim', !request.isExample ? 'follow what happens, from another terminal:' : 'try this, from another terminal:')}\n\n`,
      `${request.curl}\n\n`,
    ].join(''),
  );
}

function describeReactions(config: Config): string {
  const parts = [
    [config.automations?.length ?? 0, 'automation'],
    [config.projections?.length ?? 0, 'projection'],
    [config.windows?.length ?? 0, 'window'],
    [config.monitors?.length ?? 0, 'monitor'],
    [config.consumers?.length ?? 0, 'consumer'],
  ] as const;
  const given = parts.filter(([number]) => number > 0).map(([number, word]) => plural(number, word));
  return given.length === 0 ? 'nothing: events are recorded and can be read' : given.join(', ');
}

/** Relative where that is shorter and still says where it is. */
function displayPath(file: string, cwd: string): string {
  const relative = path.relative(cwd, file);
  return path.isAbsolute(file) && !relative.startsWith('..') && relative !== '' ? relative : file;
}
