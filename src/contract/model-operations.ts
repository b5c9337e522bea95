import type { CommandEntry } from '../channel/append-conditions.ts';
import type { ListStreamsOptions, ReadOptions, ReadStreamOptions, StreamClaim } from '../channel/event-log.ts';
import type { Checkpoint } from '../consumer/checkpoint-store.ts';
import type { Delivery, ListDeliveriesOptions } from '../consumer/delivery-store.ts';
import type { IndexValue, RowQuery, RowWrite } from '../consumer/row-store.ts';
import type { EncodedEvent } from '../event/event.ts';
import type { Ordinal } from './model-ordinals.ts';

export interface AppendSketch {
  readonly events: readonly EncodedEvent[];
  readonly expected: readonly StreamClaim[];
  readonly unless: readonly {
    readonly types?: readonly string[];
    readonly tags?: readonly string[];
    readonly after: Ordinal;
  }[];
  readonly command: CommandEntry | undefined;
  readonly onDuplicate: 'verify' | 'keep-first';
}

export interface UnitSketch {
  readonly consumer: string;
  readonly checkpoint: Checkpoint | undefined;
  readonly appends: readonly AppendSketch[];
  readonly rows: readonly RowWrite[];
  readonly put: readonly Omit<Delivery, 'consumer'>[];
  readonly remove: readonly number[];
}

export interface TrimSketch {
  readonly category: string;
  /** Before the present. */
  readonly olderThanMs: number | undefined;
  readonly keepNewest: number | undefined;
  readonly notAbove: Ordinal;
  readonly keep: readonly Ordinal[];
  readonly limit: number;
}

export type Write =
  | { readonly kind: 'append'; readonly append: AppendSketch }
  | { readonly kind: 'unit'; readonly unit: UnitSketch };

/** One thing that is done to a store, as plain data: positions are ordinals, so that it can be done to any store. */
export type Operation =
  | Write
  /** Called one after the other without waiting: they take effect in this order. */
  | { readonly kind: 'together'; readonly writes: readonly Write[] }
  | { readonly kind: 'truncate'; readonly stream: string; readonly beforeVersion: number }
  | { readonly kind: 'delete'; readonly stream: string }
  | { readonly kind: 'trim'; readonly trim: TrimSketch }
  | { readonly kind: 'put-consumer'; readonly consumer: string; readonly low: number }
  | { readonly kind: 'remove-consumer'; readonly consumer: string }
  | {
      readonly kind: 'replace-consumer';
      readonly consumer: string;
      readonly by: string;
      readonly rows: readonly string[];
    }
  | {
      readonly kind: 'put-schema';
      readonly type: string;
      readonly version: number;
      readonly summary: string | undefined;
    }
  | { readonly kind: 'clear-rows'; readonly namespace: string }
  | { readonly kind: 'pass-time'; readonly byMs: number }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'begin-chain' }
  | { readonly kind: 'read'; readonly after: Ordinal | undefined; readonly options: ReadOptions }
  | { readonly kind: 'read-stream'; readonly stream: string; readonly options: ReadStreamOptions }
  | { readonly kind: 'list-streams'; readonly options: ListStreamsOptions }
  | { readonly kind: 'count'; readonly after: Ordinal; readonly upTo: Ordinal; readonly limit: number }
  | { readonly kind: 'position-before'; readonly recordedMs: number }
  | { readonly kind: 'query'; readonly namespace: string; readonly query: RowQuery }
  | { readonly kind: 'list-deliveries'; readonly options: ListDeliveriesOptions }
  | { readonly kind: 'due'; readonly consumer: string; readonly untilMs: number; readonly limit: number }
  | {
      readonly kind: 'held-keys';
      readonly consumer: string;
      readonly after: string | undefined;
      readonly limit: number;
    };

// Few names, so that operations meet one another.
export const STREAMS: readonly string[] = ['order-1', 'order-2', 'order', 'cart-1', 'cart-é', 'cart-\u{1f600}'];
export const CATEGORIES: readonly string[] = ['order', 'cart', 'none'];
export const CONSUMERS: readonly string[] = ['a', 'b', 'ü'];
export const NAMESPACES: readonly string[] = ['n', 'm'];
export const SOURCES: readonly string[] = ['/one', '/two'];
export const EVENT_IDS = 14;
export const TYPES: readonly string[] = ['t0', 't1', 't2'];
export const CORRELATIONS: readonly string[] = ['c0', 'c1', 'c2', 'c3'];
export const TAGS: readonly string[] = ['x:0', 'x:1', 'é'];
export const COMMANDS: readonly string[] = ['k0', 'k1', 'k2', 'k3'];
export const KEYS: readonly string[] = ['', 'a', 'b', 'B', 'é', '\uffee', '\u{1f600}'];
export const INDEX_VALUES: readonly IndexValue[] = [
  null,
  false,
  true,
  -1,
  0,
  1.5,
  10,
  '',
  'a',
  'ab',
  'é',
  '\uffee',
  '\u{1f600}',
];
/** The second says the same as the first. */
export const CONTENTS: readonly Partial<EncodedEvent>[] = [
  { data: '{"a":1,"b":[2]}' },
  { data: '{"b": [2.0], "a": 1}', time: '2025-05-05T05:05:05Z' },
  { encoding: 'text', data: '' },
  { encoding: 'base64', data: 'AAH/', subject: 's', attributes: { tenant: 'ä', flag: true } },
  { attributes: { tags: 'x:0' } },
  { attributes: { tags: 'é x:1 x:0' } },
];
