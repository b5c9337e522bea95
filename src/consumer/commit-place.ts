import type { EncodedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { Environment } from '../system/environment.ts';
import { NO_TIME } from '../time/watermark.ts';
import type { CommitterOptions } from './committer.ts';
import { commonCheckpoint } from './lanes.ts';
import type { LaneGroup } from './lanes.ts';
import type { Progress } from './progress.ts';
import type { TimeCourse } from './time-course.ts';
import { timeTold } from './told-time.ts';

export interface CommitPlaceOptions {
  readonly consumer: string;
  readonly environment: Environment;
  readonly groups: readonly Pick<LaneGroup, 'lanes' | 'checkpoint'>[];
  /** Of the lanes; undefined: nobody else runs the consumer. */
  readonly token: number | undefined;
  readonly progress: Progress;
  readonly time: () => TimeCourse | undefined;
}

/** What a restart would begin from, and what is to be told of time, were it committed now. */
export class CommitPlace {
  readonly #options: CommitPlaceOptions;
  #commits = 0;

  constructor(options: CommitPlaceOptions) {
    this.#options = options;
  }

  /** Of each unit, in their order. */
  next(): ReturnType<CommitterOptions['snapshot']> {
    const { groups, token, progress, time } = this.#options;
    const mark = time()?.markAt(progress.low);
    const checkpoints = progress
      .snapshot()
      .map((checkpoint) => (mark === undefined ? checkpoint : { ...checkpoint, mark }));
    const told = this.#told();
    if (token === undefined) return { checkpoint: checkpoints[0], lease: undefined, told };
    const named = checkpoints.map((checkpoint, index) => ({ lane: groups[index]?.lanes[0] ?? 0, checkpoint }));
    const lease = { token, number: (this.#commits += 1), checkpoints: named };
    return { checkpoint: commonCheckpoint(named), lease, told };
  }

  #told(): EncodedEvent | undefined {
    const { consumer, environment, groups, token, time } = this.#options;
    const upToMs = time()?.toldUpToMs();
    if (upToMs === undefined || upToMs === NO_TIME) return undefined;
    const lanes = token === undefined ? undefined : groups.flatMap((group) => group.lanes);
    return timeTold(environment, consumer, { upToMs, lanes });
  }
}

/** What the consumer knew of the events where it begins. */
export function markOf(groups: CommitPlaceOptions['groups']): JsonValue | undefined {
  const [first, ...others] = groups.map(({ checkpoint }) => checkpoint);
  return others.reduce((lowest, checkpoint) => (checkpoint.low < (lowest?.low ?? 0) ? checkpoint : lowest), first)
    ?.mark;
}
