import { setImmediate as nextTurn } from 'node:timers/promises';
import { InvalidInput } from '../index.ts';
import type { ConsumerState, Position } from '../index.ts';
import { ViewBehind } from './refusals.ts';
import type { ServedSystem } from './served-system.ts';

/** A live view is a turn of the event loop or a commit behind: the first looks come at once, later ones spare the store. */
const QUICK_LOOKS = 10;
const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 50;
/** Such a view goes on when somebody asks for it, and not by itself. */
const HOPELESS: ReadonlySet<ConsumerState> = new Set(['paused', 'stopped', 'build-failed', 'build-cancelled']);

/**
 * Resolves when the view, or its row of that key, shows everything up to a position. What is being attempted again is waited for, too, unless
 * that does not matter (`isAnyhow`); what is a dead letter is not.
 *
 * Errors    ViewBehind when it does not in time, or cannot because it is paused or stopped, or its build failed or was cancelled; InvalidInput for a position that the log has
 *           not reached.
 */
export async function awaitPosition(
  serving: { readonly system: ServedSystem; readonly maxWaitMs: number; readonly closing: AbortSignal },
  view: string,
  wanted: number,
  { key, isAnyhow = false }: { readonly key?: string; readonly isAnyhow?: boolean } = {},
): Promise<void> {
  const { system, maxWaitMs, closing } = serving;
  const { clock } = system.environment;
  const head = await system.events.head();
  if (wanted > head)
    throw new InvalidInput({
      path: 'after-position',
      expected: `a position up to the head of the log, ${head}`,
      found: wanted,
    });
  // Whoever sets the clock does not change how long that is.
  const elapsedMs = () => clock.elapsed?.() ?? clock.now();
  const deadlineMs = elapsedMs() + maxWaitMs;
  for (let looks = 1; ; looks += 1) {
    const { isReached, status } = await system.consumers.reached(view, wanted as Position);
    if (isReached && (isAnyhow || !(await system.consumers.isAttemptedAgain(view, wanted as Position, key)))) return;
    const { position } = status;
    const isOver = closing.aborted || elapsedMs() >= deadlineMs;
    // What became of a build is looked up once in a while, since it is asked of the store.
    const isLookedUp = status.state === 'building' && (isOver || looks === QUICK_LOOKS);
    const { state } = isLookedUp ? await system.consumers.status(view) : status;
    if (isOver || HOPELESS.has(state)) throw new ViewBehind(view, { wanted, position, state });
    if (looks < QUICK_LOOKS) await nextTurn();
    else
      await new Promise<void>((resolve) =>
        clock.setTimer(Math.min(FIRST_WAIT_MS * 2 ** (looks - QUICK_LOOKS), LONGEST_WAIT_MS), resolve),
      );
  }
}
