import type { RecordedEvent } from '../../event/event.ts';
import type { Scalar } from './condition.ts';

/**
 * An event pattern as JSON, for events whose shape is not known: field names lead to lists of values and operators.
 *
 * Shape  `{ data: { total: [{ numeric: ['>=', 100] }], state: ['open', 'new'] } }`. All fields named must hold, of a
 *        list one entry. `$or` takes two or more patterns. A name with dots is the same as nested fields.
 * Source EventBridge user guide, "Event patterns".
 */
export interface Pattern {
  readonly [field: string]: Pattern | readonly (Scalar | AnyOperator | Pattern)[];
}

/**
 * An event pattern for events of the shape T: a wrong field name, or an operator that the field's values can never
 * fulfil, does not compile. Where a shape is unknown or any, every {@link Pattern} is accepted.
 */
export type PatternFor<T> = unknown extends T ? Pattern : T extends object ? ObjectPattern<Attributes<T>> : never;

/**
 * Of a recorded event what is an attribute: its members beside them are for programs, and no pattern finds them. Results of windows have some
 * more.
 */
type Attributes<T> = T extends RecordedEvent
  ? Omit<T, 'attribute' | 'extensions' | 'recordedMs' | 'schemaVersion' | 'stored' | 'toJSON'> & ResultAttributes
  : T;

interface ResultAttributes {
  readonly timing?: 'early' | 'late';
  readonly replaces?: string;
  readonly retracts?: string;
  readonly replacedby?: string;
}

/** Every operator, each alone in its object. */
export type AnyOperator = Exists | AnythingBut<string | number> | TextOperator | Numeric;

type OperatorName =
  | 'exists'
  | 'anything-but'
  | 'prefix'
  | 'suffix'
  | 'equals-ignore-case'
  | 'wildcard'
  | 'cidr'
  | 'numeric';

/** An object with this operator and, so that a second one is an error, none of the others. */
type Only<Name extends OperatorName, Argument> = { readonly [K in Name]: Argument } & {
  readonly [K in Exclude<OperatorName, Name>]?: never;
};

type Exists = Only<'exists', boolean>;

type Numeric = Only<
  'numeric',
  readonly ['=' | '<' | '<=' | '>' | '>=', number] | readonly ['>' | '>=', number, '<' | '<=', number]
>;

type Affix = string | { readonly 'equals-ignore-case': string };

type TextOperator =
  | Only<'prefix', Affix>
  | Only<'suffix', Affix>
  | Only<'equals-ignore-case', string>
  | Only<'wildcard', string>
  | Only<'cidr', string>;

type Texts = string | readonly string[];

type RefusedTexts =
  | {
      readonly prefix: Texts;
      readonly suffix?: never;
      readonly 'equals-ignore-case'?: never;
      readonly wildcard?: never;
    }
  | {
      readonly suffix: Texts;
      readonly prefix?: never;
      readonly 'equals-ignore-case'?: never;
      readonly wildcard?: never;
    }
  | {
      readonly 'equals-ignore-case': Texts;
      readonly prefix?: never;
      readonly suffix?: never;
      readonly wildcard?: never;
    }
  | {
      readonly wildcard: Texts;
      readonly prefix?: never;
      readonly suffix?: never;
      readonly 'equals-ignore-case'?: never;
    };

/** Refused values are of one type: strings or numbers. */
type AnythingBut<S> =
  | (Extract<S, string> extends never ? never : Only<'anything-but', Values<Extract<S, string>> | RefusedTexts>)
  | (Extract<S, number> extends never ? never : Only<'anything-but', Values<Extract<S, number>>>);

type Values<S> = S | readonly S[];

/** A branded string or number is compared by what it is at run time. */
type Unbranded<S> = S extends object ? (S extends string ? string : S extends number ? number : S) : S;

/** What a field of the scalar type S may be compared with. */
type ValueFor<S> =
  | S
  | Exists
  | AnythingBut<S>
  | (Extract<S, string> extends never ? never : TextOperator)
  | (Extract<S, number> extends never ? never : Numeric);

/** The pattern of a field: a list for its scalar values, nested for its objects; lists stand for their elements. */
type FieldPattern<V> = unknown extends V
  ? Pattern | readonly (Scalar | AnyOperator)[]
  : ScalarPattern<Unbranded<Extract<Elements<V>, Scalar>>> | ObjectPattern<Exclude<Elements<V>, Scalar | undefined>>;

/** V without lists around it, however deep. */
type Elements<V> = V extends readonly (infer E)[] ? Elements<E> : V;

type ScalarPattern<S> = [S] extends [never] ? never : readonly ValueFor<S>[];

/** Distributes over a union: of each variant its own fields may be named. */
type ObjectPattern<T> = unknown extends T
  ? Pattern
  : T extends readonly unknown[]
    ? never
    : T extends object
      ? string extends keyof T
        ? { readonly [field: string]: FieldPattern<T[keyof T]> | Either<T> }
        : { readonly [K in keyof T]?: FieldPattern<T[K]> } & { readonly $or?: Either<T> }
      : never;

type Either<T> = readonly [ObjectPattern<T>, ObjectPattern<T>, ...ObjectPattern<T>[]];
