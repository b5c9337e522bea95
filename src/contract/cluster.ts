import { changingCases } from './cluster/changing.ts';
import { committingCases } from './cluster/committing.ts';
import { comparingCases } from './cluster/comparing.ts';
import { dueCases } from './cluster/due.ts';
import { membershipCases } from './cluster/membership.ts';
import { replacingCases } from './cluster/replacing.ts';
import type { ContractSuite } from './contract-case.ts';

/** What every cluster must do: several stores on one medium share the work of consumers (G6, G7, G13). */
export const clusterSuite: ContractSuite = (bench) => [
  ...membershipCases(bench),
  ...changingCases(bench),
  ...committingCases(bench),
  ...replacingCases(bench),
  ...dueCases(bench),
  ...comparingCases(bench),
];
