import { firstLink, linkAfter, runsOf } from '../../channel/log-chain.ts';
import type { ChainLink, LinkQuery, LogChain } from '../../channel/log-chain.ts';
import { START } from '../../event/position.ts';
import type { LogContent } from './log-content.ts';
import type { Session } from './session.ts';

/** The links as a list. */
export class MemoryLogChain implements LogChain {
  readonly #content: LogContent;
  readonly #session: Session;

  constructor(content: LogContent, session: Session) {
    this.#content = content;
    this.#session = session;
  }

  async last(): Promise<ChainLink | undefined> {
    this.#session.assertOpen();
    return this.#content.links.at(-1);
  }

  async links({ after, limit, maxBytes, kind }: LinkQuery): Promise<readonly ChainLink[]> {
    this.#session.assertOpen();
    const found: ChainLink[] = [];
    let bytes = 0;
    for (const link of this.#content.links.slice(after)) {
      if (kind !== undefined && link.kind !== kind) continue;
      if (found.length === limit || bytes >= maxBytes) break;
      found.push(link);
      bytes += link.entries.length;
    }
    return found;
  }

  async begin(): Promise<boolean> {
    this.#session.assertOpen();
    const { links, entries } = this.#content;
    if (links.length > 0) return false;
    const head = entries.at(-1);
    let last = firstLink(head?.position ?? START, head?.recordedMs ?? 0);
    links.push(last);
    const events = entries.flatMap(({ kept }) => (kept.event === undefined ? [] : [kept.event.stored]));
    for (const run of runsOf(events)) links.push((last = linkAfter(last, { kind: 'appended', ...run })));
    return true;
  }
}
