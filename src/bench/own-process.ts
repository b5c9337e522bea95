import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Runs a program of this folder in a process of its own, so that nothing that was done before counts; it answers in JSON. */
export async function inOwnProcess<Answer>(program: string, task: object): Promise<Answer> {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const script = fileURLToPath(new URL(`./${program}.${ending}`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, script, JSON.stringify(task)]);
  return JSON.parse(stdout) as Answer;
}
