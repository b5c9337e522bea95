import { InvalidDefinition } from '../../errors.ts';
import type { Logger } from '../../system/logger.ts';
import type { CompatibilityMode } from './compare.ts';
import { compareHistories } from './histories.ts';
import type { EventHistory, KnownSchema } from './histories.ts';

/** What becomes of a program whose schemas are not compatible with those that its store remembers. */
export type CompatibilityAtStart = 'refuse' | 'warn' | 'off';

/**
 * Compares what a program defines with what its store remembers, as it is opened.
 *
 * Errors    InvalidDefinition names every finding, where they are refused.
 */
export function assertCompatible(
  defined: readonly KnownSchema[],
  remembered: readonly KnownSchema[],
  { mode, atStart, logger }: { mode: CompatibilityMode; atStart: CompatibilityAtStart; logger: Logger },
): void {
  if (mode === 'none' || atStart === 'off') return;
  const wrong = compareHistories(remembered, defined, mode).events.filter(({ findings }) => findings.length > 0);
  const [first] = wrong;
  if (first === undefined) return;
  if (atStart === 'refuse')
    throw new InvalidDefinition(
      `event ${first.type}`,
      `its schema is not compatible with what the store remembers (${mode}): ${wrong.flatMap(textsOf).join('; ')}; thereupon check says more`,
    );
  for (const history of wrong)
    logger.warn(
      { type: history.type, mode, findings: textsOf(history) },
      'the schema of this event is not compatible with what the store remembers; thereupon check says more',
    );
}

function textsOf({ type, findings }: EventHistory): readonly string[] {
  return findings.map(
    ({ rule, place, olderVersion, newerVersion, direction, reason }) =>
      `${type} v${olderVersion} → v${newerVersion}: ${rule} at ${place} (${direction}): ${reason}`,
  );
}
