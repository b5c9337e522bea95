import { Option } from 'commander';
import type { Command } from 'commander';
import { checkDesign, checkRecorded, COMPATIBILITY_MODES, compareHistories } from '../../index.ts';
import type { Catalog, CompatibilityMode, DesignedEvent } from '../../index.ts';
import type { AccessOptions } from '../access/connect.ts';
import { openProgram } from '../access/open-program.ts';
import { loadProgram } from '../access/program-file.ts';
import type { Program } from '../access/program-file.ts';
import { samplesOf, withHistories } from '../check/samples.ts';
import { showRecorded } from '../check/show-recorded.ts';
import { showComparison, showDesign } from '../check/show.ts';
import { wholeNumber, withAccess, withSystem, writeJson } from '../command.ts';
import { EXIT_INCOMPATIBLE, EXIT_OK, UsageError } from '../failure.ts';
import { printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

interface CheckOptions extends AccessOptions {
  readonly mode?: CompatibilityMode;
  readonly design?: boolean;
  readonly sample?: number;
}

/** Events of each type and version. */
const SAMPLE = 20;

const EXAMPLES = `
Examples:
  thereupon check                                      may the program's schemas take the place of those in its store?
  thereupon check --mode full-transitive
  thereupon check --url https://events.example.com     … of those in production
  thereupon check --sample 200                         … and look at up to 200 events of each version
  thereupon check --design                             are the events well designed? Needs no store

Exit code 0: nothing is wrong (warnings may be); 5: something is.
What is compared and how: docs/guides/schemas.md`;

export function checkCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withAccess(program.command('check'))
    .summary('compare the schemas of events with those in the store, or look at how events are designed')
    .description(
      'Compares the schemas of the program with the versions of them that the store remembers; with --design, looks at how its events are designed. Changes nothing.',
    )
    .addOption(
      new Option('--mode <mode>', 'what is demanded; default as configured (compatibility), else backward').choices(
        COMPATIBILITY_MODES,
      ),
    )
    .option(
      '--sample <n>',
      'look at up to so many recorded events of each type and version; 0: at none. Default 20',
      wholeNumber('--sample', 0, 10_000),
    )
    .option('--design', 'look at what events are called and what they carry')
    .addHelpText('after', EXAMPLES)
    .action(async (options: CheckOptions) => {
      if (options.design === true && options.mode !== undefined)
        throw new UsageError('--mode is about schemas in the store, and --design about events; give one of them');
      if (options.design === true && options.sample !== undefined)
        throw new UsageError('--sample is about events in the store, and --design about definitions; give one of them');
      const isFine = await (options.design === true ? design(options, terminal) : compatibility(options, terminal));
      exit(isFine ? EXIT_OK : EXIT_INCOMPATIBLE);
    });
}

async function compatibility(options: CheckOptions, terminal: Terminal): Promise<boolean> {
  const program = await programOf(options, terminal);
  const own = program && (await catalogOf(program));
  const { remembered, samples } = await withSystem(
    { ...options, withoutDefinitions: true, orDefinitions: true },
    terminal,
    'read',
    async ({ api }) => {
      const known = await api.get<Catalog>('/catalog');
      const most = options.sample ?? SAMPLE;
      const defined = new Set(own?.events.map(({ type }) => type));
      const looked = known.events.filter(({ type }) => defined.has(type));
      if (own === undefined || most === 0) return { remembered: known, samples: undefined };
      const found = await samplesOf(api, looked, most);
      return { remembered: known, samples: await withHistories(api, found, most) };
    },
  );
  const mode = options.mode ?? program?.config.compatibility ?? 'backward';
  const comparison = compareHistories(remembered.events, own?.events, mode);
  const recorded = program && samples && (await checkRecorded({ ...program.config, compatibility: mode }, samples));
  const ok = comparison.ok && recorded?.ok !== false;
  if (options.json === true) await writeJson(terminal, { ...comparison, ok, recorded });
  else {
    await showComparison(comparison, terminal);
    if (recorded !== undefined) await showRecorded(recorded, options.sample ?? SAMPLE, terminal);
  }
  return ok;
}

async function design(options: CheckOptions, terminal: Terminal): Promise<boolean> {
  // A server that was named is asked about the events that it knows.
  const program =
    options.url !== undefined && options.config === undefined ? undefined : await programOf(options, terminal);
  const { events, reactions } = program
    ? await catalogOf(program)
    : await withSystem(options, terminal, 'read', ({ api }) => api.get<Catalog>('/catalog'));
  const current = events.filter(
    ({ type, version }) => !events.some((other) => other.type === type && other.version > version),
  );
  const designed = current.map(({ type, version, summary, jsonSchema, consumedBy, publishedBy }): DesignedEvent => ({
    type,
    version,
    summary,
    jsonSchema,
    // A decider is of the business that its events speak of, and may be called as they are.
    consumers: consumedBy.filter((name) => reactions.some((reaction) => reaction.name === name)),
    publishers: publishedBy,
  }));
  const rules = program?.config.design ?? {};
  const findings = checkDesign(designed, rules);
  const unknown = Object.keys(rules.types ?? {}).filter((type) => !designed.some((event) => event.type === type));
  if (unknown.length > 0)
    terminal.note(`design.types names what this program does not define: ${unknown.map(printable).join(', ')}\n`);
  const ok = findings.every(({ severity }) => severity !== 'error');
  await (options.json === true
    ? writeJson(terminal, { ok, events: designed.length, findings })
    : showDesign(designed, findings, terminal));
  return ok;
}

/** The program in this folder, or the one that was named; undefined: there is none, only a store or a server. */
async function programOf(options: CheckOptions, terminal: Terminal): Promise<Program | undefined> {
  const isElsewhere = options.url !== undefined || (terminal.env['THEREUPON_URL'] ?? '') !== '';
  try {
    const program = await loadProgram(options, terminal);
    return program.file === undefined ? undefined : program;
  } catch (error) {
    if (error instanceof UsageError && isElsewhere) return undefined;
    throw error;
  }
}

/** What a program defines, whatever its store knows. */
async function catalogOf({ config, file }: Program): Promise<Catalog> {
  // Nothing is published here, so databases of its own, which may be in files, are not needed.
  const { outboxes: _, ...definitions } = config;
  const system = await openProgram({ config: definitions, file }, { store: 'memory:', consume: false });
  try {
    return await system.catalog();
  } finally {
    await system.close();
  }
}
