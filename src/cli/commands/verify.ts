import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { signHead, verifyStore } from '../../index.ts';
import type { SignedHead, StoreFactory, Verification, VerifyOptions } from '../../index.ts';
import type { AccessOptions } from '../access/connect.ts';
import { withAccess, withSystem, writeJson } from '../command.ts';
import { ApiProblem, CommandFailed, EXIT_FAILED, EXIT_INCOMPATIBLE, EXIT_OK, UsageError } from '../failure.ts';
import { assertThere, exactStore } from '../image/exact.ts';
import { Progress } from '../output/progress.ts';
import { paintFor, plural, printable, spanOf } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

interface VerifyCommandOptions extends AccessOptions {
  readonly signedHead?: string;
  readonly publicKey?: string;
  readonly sign?: string;
  readonly out?: string;
}

const EXAMPLES = `
Examples:
  thereupon verify --store app.db
  openssl genpkey -algorithm ed25519 -out head.key && openssl pkey -in head.key -pubout -out head.pub
  thereupon verify --sign head.key --out head-2026-11.json       keep it where who writes to the store cannot
  thereupon verify --signed-head head-2026-11.json --public-key head.pub

Exit code 0: the log is what was recorded; 5: it is not, and the first place is named.
What the chain shows, and what it cannot: docs/guides/integrity.md`;

export function verifyCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withAccess(program.command('verify'))
    .summary('compare the log with its hash chain, and sign its head')
    .description(
      'Compares every event with the hash chain over the log, and names the first one that was altered, is missing or was inserted. The store is read itself, beside whoever writes to it; with --url the server does it.',
    )
    .option('--signed-head <file>', 'a head that was signed before: the chain has to hold it')
    .option('--public-key <file>', 'of the key that signed it, Ed25519 as PEM')
    .option('--sign <file>', 'sign the head of the chain, once it is verified, with this private key, Ed25519 as PEM')
    .option('-o, --out <file>', 'write the signed head there in place of the standard output')
    .addHelpText('after', EXAMPLES)
    .action(async (options: VerifyCommandOptions) => {
      exit(await runVerify(options, terminal));
    });
}

async function runVerify(options: VerifyCommandOptions, terminal: Terminal): Promise<number> {
  if ((options.signedHead === undefined) !== (options.publicKey === undefined))
    throw new UsageError('--signed-head and --public-key go together: who signed it is what the key is asked');
  if (options.out !== undefined && options.sign === undefined)
    throw new UsageError('--out is for the signed head; give the key to sign with, too (--sign)');
  const signed = await signedOf(options, terminal);
  // Before all the work: a file that is not there is found now.
  const key = options.sign === undefined ? undefined : await fileText(options.sign, terminal);
  const startedMs = terminal.now();
  const isElsewhere = options.url !== undefined || (terminal.env['THEREUPON_URL'] ?? '') !== '';
  const store = isElsewhere ? undefined : await exactStore(options, terminal);
  const verification = await (
    store === undefined ? atServer(options, signed, terminal) : here(store, signed, terminal)
  ).catch((error: unknown) => {
    throw otherKey(error, options);
  });
  if (verification === undefined) {
    terminal.note('stopped\n');
    return EXIT_FAILED;
  }
  const { ok, head: verified } = verification;
  const head = key === undefined || !ok || verified === undefined ? undefined : signHead(verified, key, terminal.now());
  if (options.json === true)
    await writeJson(terminal, {
      ...verification,
      ...(head === undefined ? {} : { signedHead: head }),
      ...(signed === undefined || !ok ? {} : { agreesWith: signed.head }),
    });
  else {
    // The head alone is the output, so that it can be kept as it is.
    const isAside = head !== undefined && options.out === undefined;
    const say = async (line: string) => (isAside ? terminal.note(line) : terminal.write(line));
    await show(verification, { seconds: (terminal.now() - startedMs) / 1_000, signed, say }, terminal);
  }
  if (head !== undefined) await writeHead(head, options, terminal);
  return verification.ok ? EXIT_OK : EXIT_INCOMPATIBLE;
}

async function atServer(
  options: VerifyCommandOptions,
  signed: VerifyOptions['signed'],
  terminal: Terminal,
): Promise<Verification> {
  return withSystem(options, terminal, 'read', ({ api }) =>
    api.post<Verification>('/chain/verify', signed === undefined ? {} : { signed }),
  );
}

/** Undefined: it was stopped. */
async function here(
  store: StoreFactory | string,
  signed: VerifyOptions['signed'],
  terminal: Terminal,
): Promise<Verification | undefined> {
  assertThere(store, terminal.cwd);
  const progress = new Progress(terminal);
  const startedMs = terminal.now();
  try {
    return await verifyStore(store, {
      ...(signed === undefined ? {} : { signed }),
      signal: terminal.signal,
      onProgress({ events, position, upTo }) {
        const seconds = Math.max(terminal.now() - startedMs, 1) / 1_000;
        const left = (upTo - position) / (position / seconds);
        progress.update(
          upTo === 0 ? undefined : position / upTo,
          () => `${plural(events, 'event')}, ${spanOf(left)} left`,
        );
      },
    });
  } catch (error) {
    if (terminal.signal.aborted) return undefined;
    throw error;
  } finally {
    progress.clear();
  }
}

async function signedOf(options: VerifyCommandOptions, terminal: Terminal): Promise<VerifyOptions['signed']> {
  const { signedHead, publicKey } = options;
  if (signedHead === undefined || publicKey === undefined) return undefined;
  const text = await fileText(signedHead, terminal);
  let head: unknown;
  try {
    head = JSON.parse(text);
  } catch (error) {
    throw new CommandFailed(`${signedHead} is not a signed head: ${(error as Error).message}`, { cause: error });
  }
  return { head, publicKey: await fileText(publicKey, terminal) };
}

async function writeHead(head: SignedHead, { out, json }: VerifyCommandOptions, terminal: Terminal): Promise<void> {
  const text = `${JSON.stringify(head, undefined, 2)}\n`;
  if (out !== undefined) {
    await writeFile(path.resolve(terminal.cwd, out), text, { flag: 'wx' }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      throw new CommandFailed(`${out} is there already, and may be the only proof of what it signs; name another file`);
    });
    terminal.note(`the head of the chain at position ${head.position}, signed, is in ${out}\n`);
  } else if (json !== true) await terminal.write(text);
}

async function fileText(file: string, terminal: Terminal): Promise<string> {
  try {
    return await readFile(path.resolve(terminal.cwd, file), 'utf8');
  } catch (error) {
    throw new CommandFailed(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** In words, where the head was signed by another key than the one that was given; else the error itself. */
function otherKey(error: unknown, { signedHead = '', publicKey = '' }: VerifyCommandOptions): unknown {
  const { path: place } =
    error instanceof ApiProblem ? (error.problem as { path?: unknown }) : (error as { path?: unknown });
  if (place !== 'head.key') return error;
  return new CommandFailed(
    `this head was signed by another key: ${signedHead} names the one that signed it, and ${publicKey} is not its public half`,
    { cause: error },
  );
}

function agreement(signed: VerifyOptions['signed']): string | undefined {
  if (signed === undefined) return undefined;
  const { number, position, signedtime } = signed.head as SignedHead;
  return `the signed head agrees: link ${number}, at position ${position}, signed ${signedtime}`;
}

async function show(
  verification: Verification,
  {
    seconds,
    signed,
    say,
  }: {
    readonly seconds: number;
    readonly signed: VerifyOptions['signed'];
    readonly say: (line: string) => Promise<void> | void;
  },
  terminal: Terminal,
): Promise<void> {
  const { ok, events, removed, began, head, finding } = verification;
  const paint = paintFor(terminal.out);
  if (finding !== undefined) {
    await terminal.write(`${paint('red', '✗')} ${printable(finding.message)}\n`);
    terminal.note(
      `${plural(events, 'event')} before it ${events === 1 ? 'is' : 'are'} what was recorded (${spanOf(seconds)})\n`,
    );
    return;
  }
  if (!ok || head === undefined) return;
  await say(
    `${paint('green', '✓')} ${plural(events, 'event')}, up to position ${head.position}, ${events === 1 ? 'is' : 'are'} what was recorded (${spanOf(seconds)})\n`,
  );
  const remarks = [
    removed === 0
      ? undefined
      : `${plural(removed, 'event')} ${removed === 1 ? 'was' : 'were'} removed in order, by retention or with a stream`,
    began === 0 ? undefined : `the chain began at position ${began}: what came before is attested as it was found then`,
    agreement(signed),
    `head of the chain: link ${head.number}, ${head.hash}`,
  ];
  for (const remark of remarks) if (remark !== undefined) await say(`  ${remark}\n`);
}
