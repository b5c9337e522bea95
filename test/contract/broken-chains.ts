import { ENTRY_BYTES, writeNumber } from '../../src/channel/log-chain.ts';
import { DIGEST_BYTES } from '../../src/event/event-digest.ts';
import { but } from './broken-store.ts';
import type { BrokenStore } from './broken-store.ts';

/** Stores whose hash chain is not what it must be. */
export const brokenChains: readonly BrokenStore[] = [
  {
    fault: 'attests only what is appended, and not what is removed',
    port: 'log-chain',
    cites: 'removed',
    compared: true,
    break: ({ chain }) => ({
      chain: but(chain, {
        async links(query) {
          return (await chain.links(query)).map((link) =>
            link.kind === 'removed' ? { ...link, entries: new Uint8Array() } : link,
          );
        },
      }),
    }),
  },
  {
    fault: 'attests every event as the first version of its stream',
    port: 'log-chain',
    cites: 'G14',
    compared: true,
    break: ({ chain }) => ({
      chain: but(chain, {
        async links(query) {
          return (await chain.links(query)).map((link) => {
            const entries = Buffer.from(link.entries);
            for (let at = DIGEST_BYTES; link.kind === 'appended' && at < entries.length; at += ENTRY_BYTES)
              writeNumber(entries, 1, at);
            return { ...link, entries };
          });
        },
      }),
    }),
  },
  {
    fault: 'forgets the chain when it is asked to begin it again',
    port: 'log-chain',
    cites: 'once',
    break: ({ chain }) => ({ chain: but(chain, { begin: async () => (await chain.begin()) || true }) }),
  },
];
