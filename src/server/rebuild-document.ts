import type { BuildStatus } from '../index.ts';
import type { RebuildDocument } from './schemas.ts';

/** How a build of a view stands, as the interface says it. */
export function rebuildDocument({ comparison, ...status }: BuildStatus): RebuildDocument {
  const differences = comparison?.differences;
  return {
    ...status,
    comparison: comparison && {
      ...comparison,
      differences: differences && { ...differences, sample: [...differences.sample] },
    },
  };
}
