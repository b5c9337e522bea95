import { InvalidDefinition } from '../errors.ts';
import type { ConsumerForm, KeptStates } from './checkpoint-store.ts';
import { HELD_INDEX } from './reaction.ts';
import type { RowStore } from './row-store.ts';

/** What each way of waiting is called in a definition, and how to let go on what waits. */
const WAYS = {
  numbers: { option: 'sequence', remedy: "start it once with sequence: { onGap: 'record' }, where nothing waits," },
  time: { option: 'inTime', remedy: 'start it once as it was and let event time go on until nothing waits,' },
  match: { option: 'pattern', remedy: 'start it once as it was and let event time go on until nothing waits,' },
} as const;

/** States that the definition of before kept and the present one does not; undefined: there are none. */
export function leftStates({ keeps: before }: ConsumerForm, { keeps }: ConsumerForm): KeptStates | undefined {
  return before === undefined || before.waitsFor === keeps?.waitsFor ? undefined : before;
}

/**
 * Errors    InvalidDefinition where events wait in states that are left, or values of the program's own would not be found again: they would be
 *           lost in silence, and come back as they were when the definition is as before.
 */
export async function assertNothingLost(
  name: string,
  left: KeptStates,
  { kind, keeps }: ConsumerForm,
  rows: Pick<RowStore, 'count' | 'query'>,
): Promise<void> {
  const otherwise = `or take another name, or forget it (thereupon consumers forget ${name}), and it begins anew`;
  const was = left.waitsFor === 'nothing' ? undefined : WAYS[left.waitsFor];
  if (was !== undefined) {
    const waiting = { where: [{ index: HELD_INDEX, op: '>=', value: 1 }], limit: 1 } as const;
    const [held] = await rows.query(left.rows, waiting);
    if (held !== undefined)
      throw new InvalidDefinition(
        `${kind} ${name}`,
        `events of ${held.key} wait in its ${was.option}, which it has no longer; ${was.remedy} ${otherwise}`,
      );
  }
  if (!left.own || keeps?.own !== true) return;
  const count = await rows.count(left.rows);
  if (count > 0)
    throw new InvalidDefinition(
      `${kind} ${name}`,
      `the states of ${count} keys were kept ${kept(left)}, and are now to be kept ${kept(keeps)}, where they would not be found; leave it as it was, ${otherwise}`,
    );
}

function kept({ waitsFor }: KeptStates): string {
  return waitsFor === 'nothing' ? 'without sequence and inTime' : `with ${WAYS[waitsFor].option}`;
}
