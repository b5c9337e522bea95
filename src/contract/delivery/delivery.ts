import type { ContractSuite } from '../contract-case.ts';
import { beginningCases } from './beginning.ts';
import { blamingCases } from './blaming.ts';
import { boundingCases } from './bounding.ts';
import { chainingCases } from './chaining.ts';
import { correctingCases } from './correcting.ts';
import { decidingAcrossCases } from './deciding-across.ts';
import { decidingBesideCases } from './deciding-beside.ts';
import { decidingLimitsCases } from './deciding-limits.ts';
import { decidingModelCases } from './deciding-model.ts';
import { decidingRetainedCases } from './deciding-retained.ts';
import { decidingCases } from './deciding.ts';
import { enduringCases } from './enduring.ts';
import { explainingCases } from './explaining.ts';
import { givingUpCases } from './giving-up.ts';
import { holdingCases } from './holding.ts';
import { isolatingCases } from './isolating.ts';
import { matchingCases } from './matching.ts';
import { mendingCases } from './mending.ts';
import { modellingCases } from './modelling.ts';
import { orderingCases } from './ordering.ts';
import { parkingCases } from './parking.ts';
import { projectingModelCases } from './projecting-model.ts';
import { projectingVersionsCases } from './projecting-versions.ts';
import { projectingCases } from './projecting.ts';
import { queueingCases } from './queueing.ts';
import { quietingCases } from './quieting.ts';
import { rebuildStatusCases } from './rebuild-status.ts';
import { rebuildingCases } from './rebuilding.ts';
import { retainingCases } from './retaining.ts';
import { retellingCases } from './retelling.ts';
import { retryingCases } from './retrying.ts';
import { selectingCases } from './selecting.ts';
import { snapshottingCases } from './snapshotting.ts';
import { upcastingCases } from './upcasting.ts';
import { tablingCases } from './tabling.ts';
import { startingCases } from './starting.ts';
import { steeringCases } from './steering.ts';
import { stoppingCases } from './stopping.ts';
import { timingCases } from './timing.ts';

/** What the delivery engine does on a store; a store passes when all of it holds there as well (G13). */
export const deliverySuite: ContractSuite = (bench) => [
  ...startingCases(bench),
  ...selectingCases(bench),
  ...orderingCases(bench),
  ...queueingCases(bench),
  ...retryingCases(bench),
  ...parkingCases(bench),
  ...steeringCases(bench),
  ...stoppingCases(bench),
  ...enduringCases(bench),
  ...boundingCases(bench),
  ...isolatingCases(bench),
  ...retainingCases(bench),
  ...timingCases(bench),
  ...chainingCases(bench),
  ...correctingCases(bench),
  ...retellingCases(bench),
  ...quietingCases(bench),
  ...matchingCases(bench),
  ...holdingCases(bench),
  ...givingUpCases(bench),
  ...beginningCases(bench),
  ...blamingCases(bench),
  ...mendingCases(bench),
  ...decidingCases(bench),
  ...decidingAcrossCases(bench),
  ...snapshottingCases(bench),
  ...upcastingCases(bench),
  ...decidingBesideCases(bench),
  ...decidingLimitsCases(bench),
  ...decidingRetainedCases(bench),
  ...decidingModelCases(bench),
  ...explainingCases(bench),
  ...rebuildStatusCases(bench),
  ...rebuildingCases(bench),
  ...projectingCases(bench),
  ...projectingVersionsCases(bench),
  ...tablingCases(bench),
  ...projectingModelCases(bench),
  ...modellingCases(bench),
];
