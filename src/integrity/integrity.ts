import type { EventLog } from '../channel/event-log.ts';
import type { ChainLink, LogChain } from '../channel/log-chain.ts';
import { WrongState } from '../errors.ts';
import { START } from '../event/position.ts';
import type { Clock } from '../system/clock.ts';
import { assertKnown } from '../system/known-options.ts';
import { removedChain } from './removed-chain.ts';
import { assertSigned, signHead } from './signed-head.ts';
import type { SignedHead } from './signed-head.ts';
import { findingOf } from './verification.ts';
import type { ChainHead, Finding, Verification, VerifyProgress } from './verification.ts';
import { headOf, verifyChain } from './verify-chain.ts';

export interface VerifyOptions {
  /** A head that was signed before: the chain has to hold it. With the key that it was signed with. */
  readonly signed?: { readonly head: unknown; readonly publicKey: string };
  readonly onProgress?: (progress: VerifyProgress) => void;
  readonly signal?: AbortSignal;
}

export interface IntegrityParts {
  readonly log: EventLog;
  readonly chain: LogChain;
  readonly clock: Clock;
}

const NO_CHAIN =
  'this log keeps no hash chain; open its program with tamperEvidence: true, and what it holds is attested from then on';

/**
 * Whether a log holds what was recorded (G14).
 *
 * Errors    WrongState where it keeps no hash chain.
 */
export class Integrity {
  readonly #parts: IntegrityParts;

  constructor(parts: IntegrityParts) {
    this.#parts = parts;
  }

  /** Where the chain has got to. */
  async head(): Promise<ChainHead> {
    return headOf(await this.#newest());
  }

  /**
   * Compares every event with the chain, in the order of the log, up to the newest one as of now.
   *
   * Guarantee Names the first event that was altered, is missing, or was inserted; what retention or whoever deleted a stream removed is known
   *           to the chain and is no finding. Whoever can write to the store can make the whole chain anew: that shows only beside a head that was
   *           signed before and kept elsewhere.
   * Errors    InvalidInput: the signed head or its key is not as it must be. The reason of `signal`.
   */
  async verify(options: VerifyOptions = {}): Promise<Verification> {
    assertKnown('verify', options, ['signed', 'onProgress', 'signal']);
    const { signed, onProgress, signal } = options;
    const known = signed && assertSigned(signed.head, signed.publicKey);
    const { log, chain } = this.#parts;
    const newest = await chain.last();
    if (newest !== undefined) return verifyChain({ log, chain, signed: known, onProgress, signal }, newest);
    const finding = (known && chainGone(known)) ?? (await removedChain({ log, chain }));
    if (finding === undefined) throw new WrongState(NO_CHAIN);
    return { ok: false, events: 0, removed: 0, began: START, head: undefined, finding };
  }

  /** The head as of now, signed. Errors: InvalidInput when it is no Ed25519 private key as PEM. */
  async signHead(privateKey: string): Promise<SignedHead> {
    return signHead(await this.head(), privateKey, this.#parts.clock.now());
  }

  async #newest(): Promise<ChainLink> {
    const newest = await this.#parts.chain.last();
    if (newest === undefined) throw new WrongState((await removedChain(this.#parts))?.message ?? NO_CHAIN);
    return newest;
  }
}

function chainGone({ number, position }: Pick<ChainHead, 'number' | 'position'>): Finding {
  const words = `the log keeps no hash chain, and the signed head is link ${number} of one, at position ${position}: it was removed, or this is another log`;
  return findingOf('head-differs', position, undefined, words);
}
