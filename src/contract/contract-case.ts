import type { Capabilities, Store } from '../store.ts';
import type { BenchClock } from './bench-clock.ts';

/** One sentence that every backend must make true. */
export interface ContractCase {
  /** What is asserted, with the numbers of the guarantees (G..) and of the trusted suites' sentences (ES..) it stands for. */
  readonly name: string;
  /** The case says nothing about backends without this capability. */
  readonly requires?: keyof Capabilities;
  /** Rejects with an AssertionError when the sentence does not hold. */
  run(): Promise<void>;
}

/**
 * Where cases get stores from.
 *
 * Guarantee Every `open` gives a store of its own, empty, that no other case has touched.
 */
export interface ContractBench {
  /** What every store of this bench reads the time from. */
  readonly clock: BenchClock;
  /** Messages that stores of this bench have logged as warnings or errors since the last release. */
  readonly logged: readonly string[];
  open(): Promise<Store>;
  /** Closes the store and opens the same content again. Absent where a backend cannot. */
  reopen?(store: Store): Promise<Store>;
  /** Opens the content of an open store once more, as another process that writes to it does. Absent where a backend cannot. */
  openBeside?(store: Store): Promise<Store>;
  /** Opens the content of an open store a second time, for reading. Absent where a backend cannot. */
  openReadOnly?(store: Store): Promise<Store>;
  /** Closes what was opened and clears it away. To be called after every case. */
  release(): Promise<void>;
}

/** The cases of one port. */
export type ContractSuite = (bench: ContractBench) => readonly ContractCase[];
