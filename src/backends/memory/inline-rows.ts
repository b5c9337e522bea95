import { isDone } from '../../consumer/checkpoint-store.ts';
import { INLINE_EVENTS } from '../../consumer/inline-rows.ts';
import type { InlineLook, InlineProjection, InlineRows } from '../../consumer/inline-rows.ts';
import { WrongState } from '../../errors.ts';
import type { RecordedEvent } from '../../event/event.ts';
import type { JsonValue } from '../../event/json.ts';
import { position, START } from '../../event/position.ts';
import type { Position } from '../../event/position.ts';
import type { Clock } from '../../system/clock.ts';
import type { MemoryContent } from './content.ts';
import { prepareRow, writeRow } from './row-store.ts';
import type { Session } from './session.ts';

/** Projects inside each append. Nothing is remembered of rows between two of them, so whoever else changes rows need not tell. */
export class MemoryInlineRows implements InlineRows {
  readonly #content: MemoryContent;
  readonly #clock: Clock;
  readonly #session: Session;
  readonly #projected = new Map<string, InlineProjection>();
  readonly #look: InlineLook;

  constructor(content: MemoryContent, clock: Clock, session: Session) {
    this.#content = content;
    this.#clock = clock;
    this.#session = session;
    this.#look = {
      row(namespace, key) {
        const json = content.rows.get(namespace)?.rows.get(key)?.json;
        return json === undefined ? undefined : (JSON.parse(json) as JsonValue);
      },
      find: (source, id) => content.log.identities.get(source)?.get(id)?.kept.event,
    };
  }

  async begin(projection: InlineProjection): Promise<boolean> {
    this.#session.assertOpen();
    const { entries } = this.#content.log;
    const record = this.#content.consumers.get(projection.consumer);
    const head = entries.at(-1)?.position ?? START;
    if (record === undefined || !this.#isClear(projection)) return false;
    const { checkpoint } = record;
    // Positions are one more than places in the list.
    const events = entries.slice(checkpoint.low).flatMap(({ kept }) => kept.event ?? []);
    if (checkpoint.low > head || events.length > INLINE_EVENTS) return false;
    const missing = events.filter((event) => !isDone(checkpoint, event.position));
    if (this.#write(projection, missing, head) !== undefined) return false;
    this.#projected.set(projection.consumer, projection);
    return true;
  }

  async end(consumer: string): Promise<void> {
    this.#session.assertOpen();
    this.#projected.delete(consumer);
  }

  /** Part of a write: these events were appended. */
  appended(events: readonly RecordedEvent[]): void {
    const [first] = events;
    const last = events.at(-1);
    if (first === undefined || last === undefined) return;
    for (const projection of this.#projected.values()) {
      const low = this.#content.consumers.get(projection.consumer)?.checkpoint.low;
      const isAtHead = low === first.position - 1 && this.#isClear(projection);
      const failure = isAtHead ? this.#write(projection, events, last.position) : { reason: CHANGED_BESIDE };
      if (failure === undefined) continue;
      this.#projected.delete(projection.consumer);
      projection.ended(failure.reason);
    }
  }

  #isClear({ consumer }: InlineProjection): boolean {
    const { consumers, deliveries } = this.#content;
    const record = consumers.get(consumer);
    return record !== undefined && record.paused === undefined && (deliveries.get(consumer)?.size ?? 0) === 0;
  }

  /** Answers why nothing was written; undefined: it was. */
  #write(
    projection: InlineProjection,
    events: readonly RecordedEvent[],
    head: Position,
  ): { readonly reason: unknown } | undefined {
    const { consumers, rows } = this.#content;
    projection.forget();
    try {
      for (const row of projection.project(events, this.#look).map(prepareRow)) writeRow(rows, row);
    } catch (reason) {
      projection.undone();
      return { reason };
    }
    const record = consumers.get(projection.consumer);
    const checkpoint = { low: position(head), done: [] };
    if (record !== undefined)
      consumers.set(projection.consumer, { ...record, checkpoint, updatedMs: this.#clock.now() });
    projection.kept(head);
    return undefined;
  }
}

const CHANGED_BESIDE = new WrongState('the consumer was changed beside it');
