import { writeSync } from 'node:fs';
import { openAt, openPaced, sampleEvents, streamEvent } from './sqlite-bench.ts';

/**
 * Another process on the same file: `node child.ts <path> <what> [seed]`. It tells what it did in lines of JSON on standard
 * output, written before it goes on, so that they are there even when it is killed.
 */
const [path = '', what = '', seed = '0'] = process.argv.slice(2);

function tell(message: unknown): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}

const ACTS: Readonly<Record<string, () => Promise<void>>> = {
  /** Holds the store until standard input ends. */
  async hold() {
    const store = await openAt(path);
    await store.announce('http://127.0.0.1:4600');
    tell('holding');
    for await (const _chunk of process.stdin);
    await store.close();
  },

  /** Appends one event for each line of standard input. */
  async follow() {
    const store = await openAt(path);
    tell('ready');
    let count = 0;
    for await (const _line of process.stdin) {
      count += 1;
      await store.log.append({ events: [streamEvent(`${seed}-${count}`, 'order-1')], onDuplicate: 'verify' });
      tell(count);
    }
    await store.close();
  },

  /** Opens, writes, and closes nothing. */
  async leave() {
    const store = await openAt(path);
    for (let batch = 0; batch < 60; batch += 1) {
      const events = sampleEvents(`${batch}-`, 500, { data: JSON.stringify('x'.repeat(500)) });
      await store.log.append({ events, onDuplicate: 'verify' });
    }
    tell('left');
  },

  /** Appends from many callers until it is killed, and tells of every acknowledged request. */
  async publish() {
    // The stream index is written behind all the time, so that kills meet it in every state.
    const store = await openPaced(path, { generationEvents: 200, markEvery: 8 });
    tell({ head: await store.log.head() });
    const caller = async (number: number) => {
      for (let turn = 0; ; turn += 1) {
        const size = 1 + ((turn + number) % 4);
        const events = Array.from({ length: size }, (_, index) => {
          const id = `${seed}/${number}/${turn}/${index}`;
          return streamEvent(id, `order-${(number * 7 + turn + index) % 40}`, {
            data: JSON.stringify({ size, pad: 'x'.repeat(300) }),
          });
        });
        const outcome = await store.log.append({ events, onDuplicate: 'verify' });
        if (!outcome.ok || outcome.events.some(({ duplicate }) => duplicate)) tell({ refused: outcome });
        tell(events.map(({ id }, index) => [id, outcome.ok ? outcome.events[index]?.position : undefined]));
      }
    };
    await Promise.all(Array.from({ length: 40 }, (_, number) => caller(number)));
  },

  /** Appends until the medium refuses, then tells what could be written, what could not, and what is left. */
  async fill() {
    const store = await openAt(path);
    const outcomes = { acknowledged: [] as string[], failed: [] as string[], codes: new Set<string>() };
    for (let round = 0; round < 4_000 && outcomes.failed.length < 200; round += 1) {
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const id = `${round}-${index}`;
          try {
            await store.log.append({
              events: [streamEvent(id, `order-${index}`, { data: JSON.stringify('x'.repeat(2_000)) })],
              onDuplicate: 'verify',
            });
            outcomes.acknowledged.push(id);
          } catch (error) {
            outcomes.failed.push(id);
            outcomes.codes.add((error as { code: string }).code);
          }
        }),
      );
    }
    const version = (await store.log.streamState('order-3')).version;
    const head = await store.log.head();
    tell({ ...outcomes, codes: [...outcomes.codes], version, head });
    for await (const _chunk of process.stdin);
    const after = await store.log.append({ events: [streamEvent('after', 'order-3')], onDuplicate: 'verify' }).then(
      (outcome) => outcome.ok && outcome.events[0],
      (error: unknown) => (error as { code: string }).code,
    );
    tell({ after });
    await store.close();
  },
};

await ACTS[what]?.();
