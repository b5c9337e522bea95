import type { ContractSuite } from './contract-case.ts';
import { fillingCases } from './store-image/filling.ts';
import { readingCases } from './store-image/reading.ts';
import { refusingCases } from './store-image/refusing.ts';
import { reopeningCases } from './store-image/reopening.ts';

/** What moving a store is built on: all of it out, and into another one (G13). */
export const storeImageSuite: ContractSuite = (bench) => [
  ...readingCases(bench),
  ...fillingCases(bench),
  ...refusingCases(bench),
  ...reopeningCases(bench),
];
