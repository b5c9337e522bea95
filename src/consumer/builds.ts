import { Closed, NotFound, WrongState } from '../errors.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { SYSTEM_CATEGORY } from '../event/stream-name.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';
import type { SystemEventType } from '../event/system-events.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { CancelTimer } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import { Turns } from '../system/turns.ts';
import { awaitsBuild, formOf, isSameForm, versionOf } from './adapt.ts';
import { buildNameOf, buildOf, spanOfBuild } from './build.ts';
import type { BuildOptions, BuildStatus } from './build.ts';
import { assertGoesOn, CANCELLED, isCancelled, isOf, isUnderWay, onFailureOf } from './build-record.ts';
import { BuildEnds } from './build-ends.ts';
import { presentStatus } from './build-present.ts';
import type { RunningBuild } from './build-present.ts';
import { isGivenUp, lastBuildOf, reportBuild, reportUnreported, switched } from './build-reports.ts';
import type { BuildForm, ConsumerRecord } from './checkpoint-store.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import type { ConsumerOptions } from './consumer-options.ts';
import type { Consumer } from './consumer.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { Delivery } from './delivery-store.ts';
import { knownRecord } from './known-record.ts';
import type { Membership } from './membership.ts';
import { namespacesOf } from './namespaces.ts';
import type { Reaction } from './reaction.ts';

export interface BuildsOptions {
  readonly environment: Environment;
  readonly stores: ConsumerStores;
  /** Where several nodes share the work. */
  readonly lanes: Membership | undefined;
  readonly deadLetters: Pick<DeadLetters, 'retryAll'>;
  /** Those that can be built anew beside themselves. */
  readonly reactions: readonly Reaction[];
  serving(name: string): Consumer;
  /** Makes a consumer of this process, which is not started. */
  add(reaction: Reaction, hooks: Pick<ConsumerOptions, 'caughtUp' | 'parked'>): Consumer;
  /** It is none any more. */
  remove(name: string): void;
  /** Categories that have lost events. */
  shortened(): Promise<ReadonlySet<string>>;
}

/** A build that this process takes part in. */
interface Running extends RunningBuild {
  /** How it stood when that began. */
  readonly last: BuildStatus;
  readonly onFailure: BuildForm['onFailure'];
  readonly ended: PromiseWithResolvers<BuildStatus>;
}

/** What keeps a build from its switch is looked at again after so long: others that are behind, or attempts that are repeated. */
const FINISH_AGAIN_MS = 250;

/**
 * What is built beside the consumers that serve, to take their place: durable consumers of the same engine, with names and rows of their own.
 *
 * States    of a build: building → switched | compared | cancelled; building ⇄ failed → cancelled. A crash changes none of them.
 * Invariants
 * 1. Nobody reads the rows of a build before the switch, which is one transaction of the store.
 * 2. At the switch the build has done what that which serves has done: nobody sees a view go back.
 * 3. Of each consumer one thing at a time is done with its build, by this process; where nodes share the work, one of them finishes it.
 */
export class Builds {
  readonly #options: BuildsOptions;
  readonly #reactions: ReadonlyMap<string, Reaction>;
  /** By the name of what serves. */
  readonly #running = new Map<string, Running>();
  readonly #turns = new Map<string, Turns>();
  readonly #again = new Map<string, CancelTimer>();
  readonly #ends: BuildEnds;
  readonly #closing = new AbortController();
  #runs = false;

  constructor(options: BuildsOptions) {
    this.#options = options;
    this.#reactions = new Map(options.reactions.map((reaction) => [reaction.name, reaction]));
    this.#ends = new BuildEnds({
      stores: options.stores,
      serving: (name) => options.serving(name),
      failed: (name) => this.#failed(name),
      statusOf: (record) => this.#statusOf(record),
      nowMs: () => this.#nowMs(),
      closing: this.#closing.signal,
    });
  }

  /** A build is under way here that goes on by itself, and not by time alone. */
  get busy(): boolean {
    return [...this.#running].some(([name, { consumer }]) => !consumer.isPaused && !this.#again.has(name));
  }

  /** One is brought to its end after a while. */
  get waitsForTime(): boolean {
    return this.#again.size > 0;
  }

  /** Goes on with what was being built, and begins to build what the program has in a newer version. */
  async start(known: ReadonlyMap<string, ConsumerRecord>): Promise<void> {
    this.#runs = true;
    await Promise.all(
      [...this.#reactions.values()].map((reaction) =>
        this.#turn(reaction.name, () =>
          this.#startOf(reaction, known.get(reaction.name), known.get(buildNameOf(reaction.name))),
        ),
      ),
    );
  }

  close(): void {
    this.#closing.abort(new Closed('the system'));
    for (const cancel of this.#again.values()) cancel();
    for (const { ended } of this.#running.values()) {
      ended.promise.catch(() => undefined);
      ended.reject(new Closed('the system'));
    }
  }

  /**
   * Begins to build a consumer anew, or goes on with a build that failed, what failed of it being tried again, or whose process is gone.
   *
   * Errors    InvalidInput; NotFound; WrongState where it is being built.
   */
  begin(name: string, options: BuildOptions): Promise<BuildStatus> {
    const reaction = this.#require(name);
    return this.#turn(name, async () => {
      const { stores } = this.#options;
      const view = await knownRecord(reaction, stores, this.#nowMs());
      const [own, there] = [reaction.version ?? 1, versionOf(view.form)];
      if (there > own)
        throw new WrongState(`view ${name} is of version ${there} in the store, and of version ${own} in this program`);
      if (this.#options.lanes !== undefined && own === there && !isSameForm(view.form, formOf(reaction)))
        throw new WrongState(
          `another program brought view ${name} into another form, which this one would take back; rebuild it there`,
        );
      const before = await this.#loadBuild(name);
      const { from, to } = await spanOfBuild(options, stores.log, this.#nowMs());
      const hasFailed = before?.form.build?.failure !== undefined;
      if (before !== undefined && (hasFailed || this.#isInterrupted(reaction, before))) {
        assertGoesOn(name, before, { from, to, isTrial: options.dryRun === true });
        if (hasFailed) return this.#resume(reaction, before);
        await this.#run(reaction, before);
        return this.#statusOf(before);
      }
      if (before !== undefined)
        throw new WrongState(`view ${name} is being built already; cancel that first, or let it come to its end`);
      // What stands still is compared where it stands.
      const isRun = this.#runs || this.#options.lanes !== undefined;
      const stands = !isRun || view.paused !== undefined || awaitsBuild(view, reaction);
      const upTo = to ?? (stands ? view.checkpoint.low : undefined);
      const trial = options.dryRun === true ? { upTo } : undefined;
      return this.#begin(reaction, from, { trial, ...onFailureOf(options, reaction) });
    });
  }

  /** Errors: NotFound; WrongState where nothing is being built. */
  cancel(name: string): Promise<BuildStatus> {
    const reaction = this.#require(name);
    return this.#turn(name, async () => {
      const record = await this.#loadBuild(name);
      const running = this.#running.get(name);
      if (record === undefined && running !== undefined) {
        await this.#over(name, running, record);
        const last = await this.status(name);
        if (last?.id === running.last.id && last.state === 'cancelled') return last;
      }
      if (record === undefined) throw new WrongState(`view ${name} is not being built`);
      const stands = await this.#statusOf(record);
      const status = { ...stands, state: 'cancelled', secondsLeft: undefined } as const;
      const isOver = await this.#held(reaction.name, () => this.#discard(record, SYSTEM_EVENTS.buildCancelled, status));
      if (!isOver) throw new WrongState(`the build of view ${name} has just come to its end`);
      return this.#end(name, status);
    });
  }

  /** How the build stands, or how the last one ended; undefined: there was none. Errors: NotFound. */
  async status(name: string): Promise<BuildStatus | undefined> {
    this.#require(name);
    const present = await this.present(name);
    if (present !== undefined) return present;
    const { checkpoints, log } = this.#options.stores;
    return lastBuildOf(name, log, await checkpoints.load(name));
  }

  /** How the build stands that there is. */
  async present(name: string): Promise<BuildStatus | undefined> {
    const record = await this.#options.stores.checkpoints.load(buildNameOf(name));
    return record === undefined || isCancelled(record) ? undefined : this.#statusOf(record);
  }

  /** The indexes of the rows that serve, where a newer version of the view is to take their place; undefined: they are those of the definition. */
  async awaited(name: string): Promise<readonly string[] | undefined> {
    const consumer = this.#options.serving(name);
    if (this.#runs && !consumer.isWaiting) return undefined;
    const record = await this.#options.stores.checkpoints.load(name);
    return record === undefined || !awaitsBuild(record, consumer.reaction) ? undefined : record.form.indexes;
  }

  /** The place after which the rows that serve begin. */
  async began(name: string): Promise<Position> {
    return (await this.#options.stores.checkpoints.load(name))?.form.began ?? START;
  }

  /** Whether the version of the program was being built, and that was cancelled. */
  isGivenUp(name: string): Promise<boolean> {
    return isGivenUp(name, this.#require(name).version ?? 1, this.#options.stores.log);
  }

  /** How the build ends that is under way here; it fails before it is tried again. Undefined: none is. */
  ended(name: string): Promise<BuildStatus> | undefined {
    return this.#running.get(name)?.ended.promise;
  }

  /** Other nodes may have begun or ended builds. */
  async look(): Promise<void> {
    const { lanes } = this.#options;
    if (lanes === undefined || !this.#runs || this.#closing.signal.aborted) return;
    for (const reaction of this.#reactions.values()) {
      const { name } = reaction;
      const isBuilt = lanes.knows(buildNameOf(name)) || this.#running.has(name);
      if (isBuilt || this.#options.serving(name).isWaiting) this.#lookSoon(reaction);
    }
  }

  /** Of a consumer that no definition runs. */
  async forget(name: string): Promise<void> {
    const record = await this.#options.stores.checkpoints.load(buildNameOf(name));
    if (record !== undefined) await this.#discard(record);
  }

  #lookSoon(reaction: Reaction): void {
    const { name } = reaction;
    void this.#turn(name, async () => {
      const record = await this.#options.stores.checkpoints.load(buildNameOf(name));
      const running = this.#running.get(name);
      const isOver = running !== undefined && !isUnderWay(record, running.last.id);
      if (isOver) await this.#over(name, running, record);
      else if (record !== undefined && isCancelled(record)) await this.#sweep(record);
      if (record !== undefined) {
        if (isOf(record, reaction)) await this.#run(reaction, record);
      } else if (isOver) {
        return;
      } else if (this.#options.serving(name).isWaiting) {
        await this.#options.serving(name).lookAgain();
        // Another program's build of another version has ended since this one began to wait, and is what it waits for no longer.
        const view = await this.#options.stores.checkpoints.load(name);
        if (view !== undefined && awaitsBuild(view, reaction)) await this.#beginNewer(reaction);
      }
    }).catch((error: unknown) => this.#warn(name, error, 'what others build could not be looked at'));
  }

  /** What this process takes part in has ended, by whomever; an end of its process in the middle may have left something of it. */
  async #over(name: string, running: Running, record: ConsumerRecord | undefined): Promise<void> {
    if (record !== undefined && isCancelled(record)) await this.#sweep(record);
    await this.#leave(name, await this.#endElsewhere(name, running));
    await this.#options.serving(name).lookAgain();
  }

  /** How a build ended that this process took part in. That it was switched is reported after it was: whoever finds out says so. */
  async #endElsewhere(name: string, { last }: Running): Promise<BuildStatus | undefined> {
    const { checkpoints, log } = this.#options.stores;
    const view = await checkpoints.load(name);
    if (view?.form.built === last.id) await this.#report(SYSTEM_EVENTS.buildSwitched, switched(last));
    const ended = await lastBuildOf(name, log);
    return ended?.id === last.id ? ended : undefined;
  }

  async #startOf(
    reaction: Reaction,
    view: ConsumerRecord | undefined,
    before: ConsumerRecord | undefined,
  ): Promise<void> {
    const { name } = reaction;
    const { environment, stores } = this.#options;
    if (view !== undefined) await reportUnreported({ environment, log: stores.log }, view);
    const isNewer = view !== undefined && awaitsBuild(view, reaction);
    if (before === undefined || isCancelled(before)) {
      if (before !== undefined) await this.#discard(before);
      if (isNewer) await this.#beginNewer(reaction);
      return;
    }
    if (isOf(before, reaction)) return this.#run(reaction, before);
    if (versionOf(before.form) > (reaction.version ?? 1)) return;
    const { logger } = this.#options.environment;
    logger.warn({ consumer: name }, 'the definition is not the one that was being built: it is built from the start');
    await this.#discard(before);
    const { began = START, build } = before.form;
    if (build === undefined || (build.trial !== undefined && !isNewer)) return;
    await this.#begin(reaction, began, { trial: undefined, onFailure: build.onFailure });
  }

  /** The version of the program, unless that was cancelled: then somebody has to ask for it. */
  async #beginNewer(reaction: Reaction): Promise<void> {
    if (await this.isGivenUp(reaction.name)) return;
    await this.#begin(reaction, START, { trial: undefined, ...onFailureOf({}, reaction) });
  }

  async #begin(
    reaction: Reaction,
    from: Position,
    { trial, onFailure }: Pick<BuildForm, 'onFailure' | 'trial'>,
  ): Promise<BuildStatus> {
    const { checkpoints } = this.#options.stores;
    const { ids, logger } = this.#options.environment;
    const id = ids.next();
    const form = formOf(buildOf(reaction, id), { began: from === START ? undefined : from });
    const nowMs = this.#nowMs();
    const record = await checkpoints.create({
      consumer: buildNameOf(reaction.name),
      form: { ...form, build: { id, of: reaction.name, trial, onFailure, failure: undefined } },
      checkpoint: { low: from, done: [] },
      paused: undefined,
      createdMs: nowMs,
      updatedMs: nowMs,
    });
    const status = await this.#statusOf(record);
    if (status.id === id) {
      const { version, dryRun, total } = status;
      logger.info({ consumer: reaction.name, version, dryRun, events: total }, 'the view is being built');
      if (!dryRun) await this.#warnOfLoss(reaction.name);
      await this.#report(SYSTEM_EVENTS.buildBegun, status);
    }
    // Another program was quicker: what it builds is no build of this one.
    if (this.#runsHere && isOf(record, reaction)) await this.#run(reaction, record);
    return status;
  }

  /** Rows may be made of more than there is left. */
  async #warnOfLoss(name: string): Promise<void> {
    const categories = [...(await this.#options.shortened())].filter((category) => category !== SYSTEM_CATEGORY);
    if (categories.length === 0) return;
    this.#options.environment.logger.warn(
      { consumer: name, categories },
      `events of ${categories.join(', ')} were removed from the log: what came of them is in the rows that serve, and will not be in those that are built; cancel the build (thereupon views rebuild ${name} --cancel) to keep the rows`,
    );
  }

  async #run(reaction: Reaction, record: ConsumerRecord): Promise<void> {
    const { name } = reaction;
    if (this.#running.has(name) || this.#closing.signal.aborted) return;
    const last = await this.#statusOf(record);
    const consumer = this.#options.add(buildOf(reaction, last.id), {
      caughtUp: () => this.#finishSoon(name),
      parked: (delivery, event) => this.#parked(name, delivery, event),
    });
    this.#running.set(name, {
      consumer,
      last,
      onFailure: record.form.build?.onFailure ?? 'park',
      since: { elapsedMs: this.#elapsedMs(), low: record.checkpoint.low },
      ended: Promise.withResolvers(),
    });
    this.#options.lanes?.consumersChanged(consumer.name);
    await consumer.start(record);
  }

  async #resume(reaction: Reaction, record: ConsumerRecord): Promise<BuildStatus> {
    const { stores, deadLetters } = this.#options;
    const { name } = reaction;
    const { build } = record.form;
    if (build !== undefined) {
      await deadLetters.retryAll({ consumer: record.consumer });
      const form = { ...record.form, build: { ...build, failure: undefined } };
      await stores.checkpoints.change(record.consumer, { form, paused: undefined, ofBuild: build.id }, this.#nowMs());
    }
    const status = await this.#present(name);
    await this.#report(SYSTEM_EVENTS.buildResumed, status);
    const running = this.#running.get(name);
    if (running !== undefined) {
      this.#running.set(name, { ...running, ended: Promise.withResolvers() });
      await running.consumer.lookAgain();
    } else if (this.#runsHere && isOf(record, reaction)) await this.#run(reaction, await this.#record(name));
    return status;
  }

  /** Where no other process may do it, what is asked for is built here, also where consumers do not run. */
  get #runsHere(): boolean {
    return this.#runs || this.#options.lanes === undefined;
  }

  /** The process that built it is gone, and no program has gone on with it. */
  #isInterrupted(reaction: Reaction, record: ConsumerRecord): boolean {
    return this.#options.lanes === undefined && !this.#running.has(reaction.name) && isOf(record, reaction);
  }

  #parked(name: string, { position }: Delivery, event: RecordedEvent): void {
    if (this.#running.get(name)?.onFailure !== 'fail') return;
    this.#options.environment.logger.error(
      { consumer: name, position, eventId: event.id },
      'an event cannot be handled: the build of the view stops',
    );
    void this.#turn(name, () => this.#held(name, () => this.#failed(name))).catch((error: unknown) =>
      this.#warn(
        name,
        error,
        'that the build failed could not be written down; it is tried again when it has caught up',
      ),
    );
  }

  /** Writes down that it failed, if it did. Answers whether. */
  async #failed(name: string): Promise<boolean> {
    const { checkpoints, deliveries, log } = this.#options.stores;
    const record = await checkpoints.load(buildNameOf(name));
    const build = record?.form.build;
    if (record === undefined || build?.onFailure !== 'fail') return false;
    if (build.failure !== undefined) return true;
    const [letter] = await deliveries.list({ consumer: record.consumer, states: ['parked'], limit: 1 });
    if (letter === undefined) return false;
    const [event] = await log.read({ after: (letter.position - 1) as Position, limit: 1 });
    const { source = '', id = '', type = '' } = event?.position === letter.position ? event : {};
    const error = letter.error === undefined ? 'unknown' : `${letter.error.name}: ${letter.error.message}`;
    const failure = { position: letter.position, source, id, type, key: letter.key, error };
    const reason = `event ${id} at position ${letter.position} cannot be handled: ${error}`;
    const form = { ...record.form, build: { ...build, failure } };
    const change = { form, paused: { sinceMs: this.#nowMs(), reason }, ofBuild: build.id };
    if ((await checkpoints.change(record.consumer, change, this.#nowMs())) === undefined) return false;
    const status = await this.#present(name);
    await this.#report(SYSTEM_EVENTS.buildFailed, status);
    this.#running.get(name)?.ended.resolve(status);
    return true;
  }

  #finishSoon(name: string): void {
    void this.#turn(name, () => this.#finish(name)).catch((error: unknown) => {
      this.#warn(name, error, 'what is built could not be brought to its end; it is tried again');
      this.#finishAgain(name);
    });
  }

  #finishAgain(name: string): void {
    if (this.#closing.signal.aborted) return;
    this.#again.get(name)?.();
    const cancel = this.#options.environment.clock.setTimer(FINISH_AGAIN_MS, () => {
      this.#again.delete(name);
      this.#finishSoon(name);
    });
    this.#again.set(name, cancel);
  }

  /** It has reached the head here. */
  async #finish(name: string): Promise<void> {
    const { lanes, stores } = this.#options;
    const running = this.#running.get(name);
    if (running === undefined || this.#closing.signal.aborted) return;
    if (lanes !== undefined && !lanes.isFirst(buildNameOf(name))) return;
    const record = await stores.checkpoints.load(buildNameOf(name));
    if (record === undefined || !isUnderWay(record, running.last.id)) {
      await this.#over(name, running, record);
      return;
    }
    if (record.paused !== undefined) return;
    if (!(await this.#ends.isNear(name, record)) || (await this.#isStillTrying(name, running))) {
      this.#finishAgain(name);
      return;
    }
    await this.#bringToEnd(name, running.consumer, record);
  }

  /** What fails the build, or does not, is known only when its attempts are over. */
  async #isStillTrying(name: string, { onFailure, consumer }: Running): Promise<boolean> {
    if (onFailure !== 'fail') return false;
    await consumer.flush();
    const states = ['retrying'] as const;
    return (await this.#options.stores.deliveries.list({ consumer: buildNameOf(name), states, limit: 1 })).length > 0;
  }

  /** What was built takes its place, or is compared and goes. */
  async #bringToEnd(name: string, consumer: Consumer, record: ConsumerRecord): Promise<void> {
    const trial = record.form.build?.trial;
    if (trial === undefined) {
      const status = await this.#ends.switch(name, consumer);
      if (status === undefined) return;
      await this.#report(SYSTEM_EVENTS.buildSwitched, status);
      await this.#end(name, status);
      return;
    }
    const status = await this.#ends.compare(name, trial, consumer, (compared) =>
      this.#giveUp(record, SYSTEM_EVENTS.buildCompared, compared),
    );
    if (status === undefined) return;
    // The view goes on by now.
    await this.#sweep(record);
    await this.#end(name, status);
  }

  /** Carries out something while the build stands still, here or, where it does not run here, in the store. */
  async #held<Result>(name: string, act: () => Promise<Result>): Promise<Result> {
    const consumer = this.#running.get(name)?.consumer;
    if (consumer === undefined) return act();
    return consumer.held(async (hold) => {
      const result = await act();
      if ((await this.#options.stores.checkpoints.load(consumer.name)) === undefined) hold.gone();
      return result;
    });
  }

  /** What was built goes, once it is reported how. Answers whether it was there. */
  async #discard(build: ConsumerRecord, type?: SystemEventType, status?: BuildStatus): Promise<boolean> {
    const isThere = await this.#giveUp(build, type, status);
    if (isThere) await this.#sweep(build);
    return isThere;
  }

  /** Nobody goes on with it, and that is reported; an end before it is swept leaves a record that says so. Answers whether it was there. */
  async #giveUp({ consumer, form }: ConsumerRecord, type?: SystemEventType, status?: BuildStatus): Promise<boolean> {
    const nowMs = this.#nowMs();
    const change = { paused: { sinceMs: nowMs, reason: CANCELLED }, ofBuild: form.build?.id };
    if ((await this.#options.stores.checkpoints.change(consumer, change, nowMs)) === undefined) return false;
    if (type !== undefined && status !== undefined) await this.#report(type, status);
    return true;
  }

  async #sweep({ consumer, form }: ConsumerRecord): Promise<void> {
    const removal = { ofBuild: form.build?.id, rows: namespacesOf(consumer) };
    await this.#options.stores.checkpoints.remove(consumer, removal);
  }

  /** The build that there is. What is left of one that is over, or is none, is swept. */
  async #loadBuild(name: string): Promise<ConsumerRecord | undefined> {
    const record = await this.#options.stores.checkpoints.load(buildNameOf(name));
    if (record === undefined || !isCancelled(record)) return record;
    await this.#sweep(record);
    return undefined;
  }

  async #end(name: string, status: BuildStatus): Promise<BuildStatus> {
    const { logger } = this.#options.environment;
    const { version, parked, events } = status;
    logger.info({ consumer: name, version, parked, events, state: status.state }, 'the build of the view is over');
    await this.#leave(name, status);
    return status;
  }

  /** This process takes part in it no longer. */
  async #leave(name: string, status: BuildStatus | undefined): Promise<void> {
    const running = this.#running.get(name);
    if (running === undefined) return;
    this.#running.delete(name);
    await running.consumer.stop(Promise.resolve());
    this.#options.remove(running.consumer.name);
    this.#options.lanes?.consumersChanged(running.consumer.name);
    if (status === undefined) running.ended.reject(new NotFound('build of view', name));
    else running.ended.resolve(status);
    running.ended.promise.catch(() => undefined);
  }

  #report(type: SystemEventType, status: BuildStatus): Promise<void> {
    const { environment, stores } = this.#options;
    return reportBuild({ environment, log: stores.log }, type, status);
  }

  #statusOf(record: ConsumerRecord): Promise<BuildStatus> {
    const running = this.#running.get(record.form.build?.of ?? '');
    return presentStatus(record, this.#options.stores, running, this.#elapsedMs());
  }

  async #present(name: string): Promise<BuildStatus> {
    return this.#statusOf(await this.#record(name));
  }

  async #record(name: string): Promise<ConsumerRecord> {
    const record = await this.#options.stores.checkpoints.load(buildNameOf(name));
    if (record === undefined) throw new NotFound('build of view', name);
    return record;
  }

  #require(name: string): Reaction {
    const reaction = this.#reactions.get(name);
    if (reaction === undefined) throw new NotFound('view', name, [...this.#reactions.keys()]);
    return reaction;
  }

  #turn<Result>(name: string, act: () => Promise<Result>): Promise<Result> {
    const turns = this.#turns.get(name) ?? new Turns();
    this.#turns.set(name, turns);
    return turns.take(act);
  }

  #warn(name: string, error: unknown, message: string): void {
    if (!this.#closing.signal.aborted) this.#options.environment.logger.warn({ consumer: name, err: error }, message);
  }

  #nowMs(): number {
    return this.#options.environment.clock.now();
  }

  #elapsedMs(): number {
    const { clock } = this.#options.environment;
    return clock.elapsed?.() ?? clock.now();
  }
}
