import type { Position } from '../event/position.ts';
import { buildNameOf, renamedRows } from './build.ts';
import type { BuildStatus } from './build.ts';
import { switched } from './build-reports.ts';
import { isReplacing } from './checkpoint-store.ts';
import type { BuildForm, ConsumerRecord } from './checkpoint-store.ts';
import { compareRows } from './compare-rows.ts';
import { compareTables } from './compare-tables.ts';
import type { RowsCompared } from './compare-rows.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import type { Consumer } from './consumer.ts';
import type { Hold } from './hold.ts';
import { commonCheckpoint, coversLanes, furthestOf } from './lanes.ts';
import { namespaceOf } from './namespaces.ts';
import { renamedTables } from './table-store.ts';

export interface BuildEndsOptions {
  readonly stores: ConsumerStores;
  serving(name: string): Consumer;
  /** Writes down that a build failed, if it did. Answers whether. */
  failed(name: string): Promise<boolean>;
  statusOf(record: ConsumerRecord): Promise<BuildStatus>;
  nowMs(): number;
  readonly closing: AbortSignal;
}

/** So far all nodes have to be with a build, before what serves is stopped for the rest. */
const NEAR = 20_000;

/** How a build that has caught up with what serves is brought to its end: while both are held, so that they are at places that nobody changes. */
export class BuildEnds {
  readonly #options: BuildEndsOptions;

  constructor(options: BuildEndsOptions) {
    this.#options = options;
  }

  /** Whether it has caught up on the lanes of other nodes, too. */
  async isNear(name: string, record: ConsumerRecord): Promise<boolean> {
    const { cluster, log } = this.#options.stores;
    if (cluster === undefined) return true;
    const groups = (await cluster.view()).lanes.get(buildNameOf(name)) ?? [];
    const low = commonCheckpoint(groups)?.low ?? record.checkpoint.low;
    return low >= (record.form.build?.trial?.upTo ?? (await log.head())) - NEAR;
  }

  /** Puts a build in the place of what serves. Undefined: it failed, or is there no longer. */
  switch(name: string, build: Consumer): Promise<BuildStatus | undefined> {
    return this.#options.serving(name).held((ofView) =>
      build.held(async (ofBuild) => {
        if (!coversLanes(ofBuild.groups(), ofView.groups()))
          await ofBuild.runTo(furthestOf([...ofView.groups(), ...ofBuild.groups()]));
        if (await this.#options.failed(name)) return undefined;
        const stands = await this.#replace(name, build);
        if (stands !== undefined) ofBuild.gone();
        return stands;
      }),
    );
  }

  /**
   * How the rows of a build differ from those that serve; `over`, while nobody handles events of either, sees to it that nobody goes on with it, and
   * answers whether it was there. Undefined: it failed, or is there no longer.
   */
  compare(
    name: string,
    trial: NonNullable<BuildForm['trial']>,
    build: Consumer,
    over: (status: BuildStatus) => Promise<boolean>,
  ): Promise<BuildStatus | undefined> {
    // What serves is held first, here as in `switch` and by whoever holds all: in another order they would wait for one another.
    return this.#options.serving(name).held((ofView) =>
      build.held(async (ofBuild) => {
        const status = await this.#difference(name, build, trial, ofView, ofBuild);
        if (status === undefined || !(await over(status))) return undefined;
        ofBuild.gone();
        return status;
      }),
    );
  }

  async #difference(
    name: string,
    build: Consumer,
    trial: NonNullable<BuildForm['trial']>,
    ofView: Hold,
    ofBuild: Hold,
  ): Promise<BuildStatus | undefined> {
    const reason = await this.#level(name, trial, ofView, ofBuild);
    if (await this.#options.failed(name)) return undefined;
    const record = await this.#present(build);
    if (record === undefined) return undefined;
    const stands = await this.#options.statusOf(record);
    const comparison = await this.#compared(name, reason);
    return { ...stands, state: 'compared', events: stands.total, percent: 100, secondsLeft: undefined, comparison };
  }

  async #replace(name: string, build: Consumer): Promise<BuildStatus | undefined> {
    const record = await this.#present(build);
    if (record === undefined) return undefined;
    const stands = await this.#options.statusOf(record);
    const { consumer: by, form } = record;
    const replaced = { ...form, build: undefined, built: form.build?.id };
    const replacement = { by, ofBuild: form.build?.id, form: replaced, rows: renamedRows(name) };
    const { checkpoints } = this.#options.stores;
    const isSwitched = (await checkpoints.replace(name, replacement, this.#options.nowMs())) !== undefined;
    return isSwitched ? switched(stands) : undefined;
  }

  /** Undefined: it is over, or stands still. */
  async #present({ name, reaction }: Consumer): Promise<ConsumerRecord | undefined> {
    const record = await this.#options.stores.checkpoints.load(name);
    return isReplacing(record, { ofBuild: reaction.build }) ? record : undefined;
  }

  /** Brings both to one place. Answers why that cannot be; undefined: they are there. */
  async #level(
    name: string,
    { upTo }: NonNullable<BuildForm['trial']>,
    ofView: Hold,
    ofBuild: Hold,
  ): Promise<string | undefined> {
    const place = furthestOf([...ofView.groups(), ...ofBuild.groups()]);
    if (upTo !== undefined && place !== upTo) return `the view is at position ${place}, and the build ends at ${upTo}`;
    if (!isAt(ofView, place)) {
      if (this.#options.serving(name).standsStill) return 'the view stands still, at another position';
      await ofView.runTo(place);
    }
    if (!isAt(ofBuild, place)) await ofBuild.runTo(place);
    return undefined;
  }

  async #compared(name: string, reason: string | undefined): Promise<RowsCompared> {
    const { rows, tables } = this.#options.stores;
    const own = this.#options.serving(name).reaction.tables;
    if (own !== undefined && tables !== undefined)
      return compareTables(tables, own, renamedTables(own, namespaceOf('view', buildNameOf(name))), reason);
    const [serving, built] = [namespaceOf('view', name), namespaceOf('view', buildNameOf(name))];
    if (reason === undefined) return compareRows(rows, { serving, built }, this.#options.closing);
    const counts = { serving: await rows.count(serving), built: await rows.count(built) };
    return { rows: counts, differences: undefined, reason };
  }
}

function isAt(hold: Hold, place: Position): boolean {
  return hold.groups().every(({ checkpoint }) => checkpoint.low === place && checkpoint.done.length === 0);
}
