import { sampleConsumer } from './consumer-samples.ts';
import type { Appended, AppendOutcome, AppendRequest } from '../channel/event-log.ts';
import type { UnitOutcome } from '../consumer/unit-of-work.ts';
import { WrongState } from '../errors.ts';
import { position } from '../event/position.ts';
import type { Store } from '../store.ts';
import type { ContractBench } from './contract-case.ts';
import type { AppendSketch, Operation, TrimSketch, UnitSketch } from './model-operations.ts';
import { CONSUMERS } from './model-operations.ts';
import { Ordinals } from './model-ordinals.ts';
import type { Ordinal } from './model-ordinals.ts';
import { survey } from './model-survey.ts';

/**
 * One of two stores that are compared: does operations and answers in words that do not depend on the store.
 *
 * Guarantee No answer holds a position of the log; ordinals stand for them.
 */
export class ModelSide {
  readonly #bench: ContractBench;
  readonly #ordinals = new Ordinals();
  #store: Store;

  private constructor(bench: ContractBench, store: Store) {
    this.#bench = bench;
    this.#store = store;
  }

  /** On a new store that knows every consumer: else most units would only be refused. */
  static async open(bench: ContractBench): Promise<ModelSide> {
    const side = new ModelSide(bench, await bench.open());
    for (const consumer of CONSUMERS) await side.#putConsumer(consumer, 0);
    return side;
  }

  async apply(operation: Operation): Promise<unknown> {
    const { log, checkpoints, schemas, rows, deliveries } = this.#store;
    switch (operation.kind) {
      case 'append':
      case 'unit':
        return this.#write([operation]);
      case 'together':
        return this.#write(operation.writes);
      case 'truncate':
        return log.truncateStream(operation.stream, operation.beforeVersion);
      case 'delete':
        return log.deleteStream(operation.stream);
      case 'trim':
        return this.#trim(operation.trim);
      case 'put-consumer':
        return this.#putConsumer(operation.consumer, operation.low);
      case 'remove-consumer':
        return checkpoints.remove(operation.consumer);
      case 'replace-consumer':
        return this.#replaceConsumer(operation);
      case 'put-schema': {
        const { type, version, summary } = operation;
        return schemas.put([
          {
            type,
            version,
            summary,
            vendor: 'v',
            jsonSchema: { version },
            onInvalid: 'warn',
            registeredMs: this.#bench.clock.now(),
          },
        ]);
      }
      case 'clear-rows':
        return rows.clear(operation.namespace);
      case 'pass-time':
        this.#bench.clock.advance(operation.byMs);
        return undefined;
      case 'begin-chain':
        return this.#store.chain.begin();
      case 'reopen':
        this.#store = (await this.#bench.reopen?.(this.#store)) ?? this.#store;
        return this.survey();
      case 'read': {
        const after = operation.after === undefined ? {} : { after: this.#ordinals.positionOf(operation.after) };
        return this.#ordinals.worded(await log.read({ ...operation.options, ...after }));
      }
      case 'read-stream':
        return this.#ordinals.worded(await log.readStream(operation.stream, operation.options));
      case 'list-streams':
        return log.listStreams(operation.options);
      case 'count':
        return log.count(
          this.#ordinals.positionOf(operation.after),
          this.#ordinals.positionOf(operation.upTo),
          operation.limit,
        );
      case 'position-before':
        // Several positions are right: what counts is what comes after.
        return this.#ordinals.worded(
          await log.read({ after: await log.positionBefore(operation.recordedMs), limit: 10_000 }),
        );
      case 'query':
        return rows.query(operation.namespace, operation.query);
      case 'list-deliveries':
        return deliveries.list(operation.options);
      case 'due':
        return deliveries.due(operation.consumer, operation.untilMs, operation.limit);
      case 'held-keys':
        return deliveries.heldKeys(operation.consumer, operation.after, operation.limit);
    }
  }

  /** Everything that the store holds, by every way of reading. */
  survey(): Promise<Readonly<Record<string, unknown>>> {
    return survey(this.#store, this.#ordinals);
  }

  /** Calls all without waiting, then learns the positions of what was appended before it words the answers. */
  async #write(writes: readonly (Operation & { readonly kind: 'append' | 'unit' })[]): Promise<unknown> {
    const outcomes = await Promise.all(
      writes.map((write) =>
        write.kind === 'append' ? this.#store.log.append(this.#request(write.append)) : this.#commit(write.unit),
      ),
    );
    const places = outcomes.flatMap(placesOf).filter((place) => !place.duplicate);
    this.#ordinals.learn(places.map((place) => place.position));
    return outcomes.map((outcome) => this.#worded(outcome));
  }

  #commit(unit: UnitSketch): Promise<UnitOutcome> {
    const { consumer, checkpoint, rows, remove } = unit;
    const appends = unit.appends.map((append) => this.#request(append));
    const put = unit.put.map((delivery) => ({ ...delivery, consumer }));
    return this.#store.unitOfWork.commit({
      consumer,
      checkpoint,
      appends,
      rows,
      deliveries: { put, remove: remove.map(position) },
    });
  }

  #request({ unless, command, ...append }: AppendSketch): AppendRequest {
    const after = (ordinal: Ordinal) => ({ after: this.#ordinals.positionOf(ordinal) });
    return {
      ...append,
      unless: unless.map((claim) => ({ ...claim, ...after(claim.after) })),
      ...(command === undefined ? {} : { command }),
    };
  }

  #putConsumer(consumer: string, low: number): Promise<void> {
    const nowMs = this.#bench.clock.now();
    const checkpoint = { low: position(low), done: [] };
    return this.#store.checkpoints.put({
      ...sampleConsumer(consumer),
      checkpoint,
      createdMs: nowMs,
      updatedMs: nowMs,
    });
  }

  async #replaceConsumer({
    consumer,
    by,
    rows: [from, to],
  }: Operation & { readonly kind: 'replace-consumer' }): Promise<unknown> {
    const rows = from === undefined || to === undefined ? [] : [{ from, to }];
    const { form } = sampleConsumer(by);
    try {
      return await this.#store.checkpoints.replace(consumer, { by, form, rows }, this.#bench.clock.now());
    } catch (error) {
      if (error instanceof WrongState) return error.message;
      throw error;
    }
  }

  #trim(trim: TrimSketch): Promise<unknown> {
    const { category, limit, olderThanMs, keepNewest } = trim;
    return this.#store.log.trim({
      category,
      limit,
      notAbove: this.#ordinals.positionOf(trim.notAbove),
      keep: trim.keep.map((ordinal) => this.#ordinals.positionOf(ordinal)),
      ...(olderThanMs === undefined ? {} : { recordedBeforeMs: this.#bench.clock.now() - olderThanMs }),
      ...(keepNewest === undefined ? {} : { keepNewest }),
    });
  }

  #worded(outcome: AppendOutcome | UnitOutcome): unknown {
    if ('appends' in outcome) return outcome.appends.map((append) => this.#worded(append));
    if ('index' in outcome)
      return { ...outcome, refusal: outcome.refusal === undefined ? undefined : this.#worded(outcome.refusal) };
    if (outcome.ok)
      return outcome.events.map((place) => ({ ...place, position: this.#ordinals.ordinalOf(place.position) }));
    if (outcome.reason === 'query-conflict')
      return { ...outcome, position: this.#ordinals.ordinalOf(outcome.position) };
    if (outcome.reason === 'command-known')
      return { ...outcome, command: this.#ordinals.wordedCommand(outcome.command) };
    if (outcome.reason !== 'content-conflict') return outcome;
    return { ...outcome, differs: [...outcome.differs].sort(), position: this.#ordinals.ordinalOf(outcome.position) };
  }
}

function placesOf(outcome: AppendOutcome | UnitOutcome): readonly Appended[] {
  if (!outcome.ok) return [];
  return 'appends' in outcome ? outcome.appends.flatMap((append) => append.events) : outcome.events;
}
