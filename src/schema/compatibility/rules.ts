/**
 * What may be wrong between two schemas, by what the reader's one does. Each has a name for when the new schema reads what the old
 * one allowed, and one for when the old schema reads what the new one allows: seen from the change, the same difference is a step forward or back.
 */
export const RULES = {
  type: ['type-narrowed', 'type-widened'],
  forbidden: ['value-forbidden', 'value-allowed'],
  values: ['enum-value-removed', 'enum-value-added'],
  restricted: ['values-restricted', 'values-unrestricted'],
  bound: ['bound-tightened', 'bound-loosened'],
  multiple: ['multiple-of-tightened', 'multiple-of-loosened'],
  pattern: ['pattern-changed', 'pattern-changed'],
  format: ['format-changed', 'format-changed'],
  contentEncoding: ['content-encoding-changed', 'content-encoding-changed'],
  contentMediaType: ['content-media-type-changed', 'content-media-type-changed'],
  unique: ['unique-items-required', 'unique-items-no-longer-required'],
  required: ['property-became-required', 'property-became-optional'],
  undeclared: ['property-added-to-open-object', 'property-removed-from-open-object'],
  property: ['property-removed-from-closed-object', 'property-added-to-closed-object'],
  closed: ['object-closed', 'object-opened'],
  names: ['property-names-narrowed', 'property-names-widened'],
  dependency: ['dependency-added', 'dependency-removed'],
  items: ['items-closed', 'items-opened'],
  contains: ['contains-narrowed', 'contains-widened'],
  alternative: ['alternative-removed', 'alternative-added'],
  overlap: ['alternatives-overlap', 'alternatives-overlap'],
  exclusion: ['exclusion-added', 'exclusion-removed'],
  condition: ['condition-changed', 'condition-changed'],
  unshown: ['cannot-be-shown', 'cannot-be-shown'],
} as const satisfies Record<string, readonly [backward: string, forward: string]>;

export type Difference = keyof typeof RULES;

/** The name of a rule: stable, kebab-case. */
export type CompatibilityRule = (typeof RULES)[Difference][number];
