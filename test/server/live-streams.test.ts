import { expect, it } from 'vitest';
import { LiveStreams, message } from '../../src/server/live-streams.ts';
import { createEnvironment } from '../../src/system/environment.ts';
import { silentLogger } from '../../src/system/logger.ts';

it('what slow clients have been told and not taken is bounded: those that wait longest are ended, and the others get theirs whole (G10)', async () => {
  const streams = new LiveStreams({
    environment: createEnvironment({ logger: silentLogger }),
    maximum: 10,
    maximumBytes: 500_000,
    heartbeatMs: 60_000,
    closing: new AbortController().signal,
  });
  const open = () => {
    const told = message(1, JSON.stringify('x'.repeat(200_000)));
    const { body } = streams.reply(async function* () {
      yield told;
    });
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    return { reader, length: told.length };
  };
  const clients = [open(), open(), open(), open()];
  for (const { reader } of clients) {
    // The time to come back after, and the first piece.
    await reader.read();
    await reader.read();
  }
  const [first, second, ...others] = clients;
  await expect(first?.reader.read()).rejects.toThrow(/slow clients/);
  await expect(second?.reader.read()).rejects.toThrow(/slow clients/);
  for (const { reader, length } of others) {
    let taken = 64 * 1_024;
    for (let read = await reader.read(); !read.done; read = await reader.read()) taken += read.value.length;
    expect(taken).toBe(length);
  }
  expect(streams.open).toBe(0);
});
