/** `thereupon verify` by real processes, beside a program that writes, and after somebody has tampered with its store. */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tamper } from '../integrity/tampering.ts';
import { programFolder, runCli, startCli, untilOutput } from './spawn-cli.ts';
import type { ScratchFolder } from './spawn-cli.ts';

const PROGRAM = `
import { defineConfig, defineEvent } from 'thereupon';
import { z } from 'zod';
const Placed = defineEvent({ type: 'shop.order.placed', stream: (data) => 'order-' + data.orderId, schema: z.object({ orderId: z.string() }) });
export default defineConfig({ store: './shop.db', source: '/shop', events: [Placed], tamperEvidence: true });
`;

let folder: ScratchFolder;
const cli = (...args: string[]) => runCli(args, { cwd: folder.path });

describe('thereupon verify', () => {
  beforeAll(() => {
    folder = programFolder(PROGRAM);
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    writeFileSync(folder.file('head.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(folder.file('head.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  });
  afterAll(() => folder[Symbol.dispose]());

  it('is answered beside a running program, by the store and by its server, and signs what it has verified (G14)', async () => {
    const running = startCli(['start', '--port', '0'], { cwd: folder.path });
    try {
      const url = /open\s+(http:\S+)/.exec(await untilOutput(running.stdout, /open\s+http:\S+/))?.[1] ?? '';
      for (const orderId of ['1', '2', '3'])
        expect((await cli('publish', '-t', 'shop.order.placed', '-d', JSON.stringify({ orderId }))).code).toBe(0);
      const { code, stdout, stderr } = await cli('verify');
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/^✓ 4 events, up to position 4, are what was recorded/v);
      expect(stdout).toMatch(/head of the chain: link \d+, [\da-f]{64}/v);
      const signed = await cli('verify', '--sign', 'head.key', '--out', 'head.json', '--url', url, '--json');
      expect(JSON.parse(signed.stdout)).toMatchObject({ ok: true, events: 4, signedHead: { position: 4 } });
      expect(JSON.parse(readFileSync(folder.file('head.json'), 'utf8'))).toMatchObject({ format: 1, position: 4 });
      // On the standard output the head stands alone, to be kept as it is; one that is kept is not written over.
      const alone = await cli('verify', '--sign', 'head.key', '--url', url);
      expect(JSON.parse(alone.stdout)).toMatchObject({ format: 1, position: 4 });
      expect(alone.stderr).toMatch(/✓ 4 events/v);
      const over = await cli('verify', '--sign', 'head.key', '--out', 'head.json', '--url', url);
      expect([over.code, over.stderr]).toEqual([1, expect.stringMatching(/head\.json is there already/v)]);
      const held = await cli('verify', '--signed-head', 'head.json', '--public-key', 'head.pub', '--json');
      expect(JSON.parse(held.stdout)).toMatchObject({ ok: true, agreesWith: { position: 4 } });
      writeFileSync(
        folder.file('other.pub'),
        generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }),
      );
      for (const where of [[], ['--url', url]]) {
        const compared = await cli('verify', '--signed-head', 'head.json', '--public-key', 'head.pub', ...where);
        expect(compared.code).toBe(0);
        expect(compared.stdout).toMatch(/the signed head agrees: link \d+, at position 4, signed \d{4}-/v);
        const other = await cli('verify', '--signed-head', 'head.json', '--public-key', 'other.pub', ...where);
        expect(other.code).toBe(1);
        expect(other.stderr).toMatch(
          /^error: this head was signed by another key: head\.json names the one that signed it, and other\.pub is not its public half$/mv,
        );
      }
    } finally {
      running.kill('SIGTERM');
      await once(running, 'close');
    }
  });

  it('names what was altered, with exit code 5, and signs nothing then', async () => {
    tamper(folder.file('shop.db'), (database) =>
      database.exec(`UPDATE events SET data = '{"orderId":"20"}' WHERE position = 3`),
    );
    const { code, stdout, stderr } = await cli('verify', '--sign', 'head.key');
    expect(code).toBe(5);
    expect(stdout).toMatch(
      /^✗ event \S+ of \/cli \(shop\.order\.placed, version 1 of stream order-2\) at position 3 was altered: what it says is not what was recorded\n$/v,
    );
    expect(stderr).toMatch(/2 events before it are what was recorded/v);
    const json = await cli('verify', '--json');
    expect(json.code).toBe(5);
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, finding: { kind: 'altered', position: 3 } });
  });

  it('says that the end is gone, beside the head that was signed', async () => {
    tamper(folder.file('shop.db'), (database) =>
      database.exec(`UPDATE events SET data = '{"orderId":"2"}' WHERE position = 3;
        DELETE FROM events WHERE position = 4;
        DELETE FROM chain_links WHERE place = 4 AND kind = 1`),
    );
    expect((await cli('verify')).code).toBe(0);
    const { code, stdout } = await cli('verify', '--signed-head', 'head.json', '--public-key', 'head.pub');
    expect(code).toBe(5);
    expect(stdout).toMatch(
      /^✗ the chain ends with link \d+, at position 3, and the signed head is its link \d+, at position 4: the newest part of the log is gone/v,
    );
  });

  it.each([
    [['--public-key', 'head.pub'], 2, /--signed-head and --public-key go together/v],
    [['--out', 'x.json'], 2, /--out is for the signed head/v],
    [['--sign', 'none.key'], 1, /none\.key cannot be read/v],
    [['--sign', 'head.pub'], 1, /privateKey: expected an Ed25519 private key as PEM/v],
    [
      ['--signed-head', 'thereupon.config.ts', '--public-key', 'head.pub'],
      1,
      /thereupon\.config\.ts is not a signed head/v,
    ],
    [
      ['--signed-head', 'head.json', '--public-key', 'head.key'],
      1,
      /that is a private key; give the public one, and keep the private one elsewhere/v,
    ],
    [['--store', 'none.db'], 1, /there is no store at .*none\.db/v],
    [['--store', 'memory:'], 1, /this store is in memory/v],
  ])('with %j says what is wrong', async (args, code, words) => {
    const found = await cli('verify', ...args);
    expect([found.code, found.stdout === '' || args[1] === 'head.pub']).toEqual([code, true]);
    expect(found.stderr).toMatch(words);
  });

  it('says that the chain was removed, with exit code 5, and what is to be done; beside a signed head that it differs', async () => {
    const before = readFileSync(folder.file('shop.db'));
    try {
      tamper(folder.file('shop.db'), (database) => database.exec('DELETE FROM chain_links'));
      const { code, stdout } = await cli('verify');
      expect(code).toBe(5);
      expect(stdout).toMatch(
        /^✗ event \S+ of urn:thereupon:system \(thereupon\.chain\.began, .*\) at position 1 says that a hash chain began, and the log keeps none any more: compare it with an exact copy/v,
      );
      const json = await cli('verify', '--json', '--signed-head', 'head.json', '--public-key', 'head.pub');
      expect(json.code).toBe(5);
      expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, finding: { kind: 'head-differs', position: 4 } });
    } finally {
      writeFileSync(folder.file('shop.db'), before);
    }
  });

  it('says what to do where there is no chain', async () => {
    writeFileSync(
      folder.file('plain.config.ts'),
      PROGRAM.replace('./shop.db', './plain.db').replace(', tamperEvidence: true', ''),
    );
    expect(
      (await cli('publish', '-c', 'plain.config.ts', '-t', 'shop.order.placed', '-d', '{"orderId":"1"}')).code,
    ).toBe(0);
    const { code, stderr } = await cli('verify', '-c', 'plain.config.ts');
    expect(code).toBe(1);
    expect(stderr).toMatch(/this log keeps no hash chain; open its program with tamperEvidence: true/v);
  });
});
