import type { System } from '../index.ts';

/** What the interface needs of a system: any system has it, whatever events it publishes itself. */
export type ServedSystem = Pick<
  System,
  | 'announce'
  | 'catalog'
  | 'consumers'
  | 'deadLetters'
  | 'deciders'
  | 'environment'
  | 'events'
  | 'execute'
  | 'explanations'
  | 'forget'
  | 'integrity'
  | 'ingest'
  | 'pressure'
  | 'readOnly'
  | 'views'
>;
