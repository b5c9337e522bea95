import type { JsonValue } from '../../event/json.ts';
import type { Field } from './fields.ts';

/** An event as the catalog shows it, with whom is known to react to it. */
export interface DesignedEvent {
  readonly type: string;
  readonly version: number;
  readonly summary?: string | undefined;
  readonly jsonSchema?: JsonValue | undefined;
  /** Names of consumers and other reactions. */
  readonly consumers?: readonly string[];
  readonly publishers?: readonly string[];
}

/** What a rule looks at. */
export interface Design {
  readonly event: DesignedEvent;
  /** The type in words, by its dots; without a version at the end. */
  readonly segments: readonly (readonly string[])[];
  /** Undefined: no schema is known. */
  readonly fields: readonly Field[] | undefined;
}

export interface Remark {
  /** `type`, or where in the data. */
  readonly place: string;
  /** A sentence: what it does to those who read the event. */
  readonly reason: string;
  /** How this very event could be designed. */
  readonly example: string;
}

export interface DesignRule<Code extends string = string> {
  readonly code: Code;
  /** Where nothing else is chosen. */
  readonly severity: 'warn' | 'error';
  remarks(design: Design): readonly Remark[];
}
