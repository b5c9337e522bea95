import type { RecordedEvent } from './event.ts';
import { OPENING } from './opening.ts';
import { asStored } from './upcast-event.ts';

/** What stands in a text in place of a personal value. */
const REDACTED = '[personal]';
/** Shorter texts are in every text, and tell nothing of anybody. */
const SHORTEST = 2;

/** The texts and numbers in a JSON value, as they would stand in a message. */
export function textsIn(value: unknown): readonly string[] {
  const found = new Set<string>();
  collect(value, found);
  return [...found];
}

function collect(value: unknown, into: Set<string>): void {
  if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) collect(child, into);
    return;
  }
  if (typeof value !== 'string' && typeof value !== 'number') return;
  const text = String(value);
  if (text.length < SHORTEST) return;
  into.add(text);
  // As others quote it.
  into.add(JSON.stringify(text).slice(1, -1));
}

/** A text without these texts. */
export function redacted(text: string, texts: readonly string[]): string {
  const longestFirst = texts.toSorted((left, right) => right.length - left.length);
  return longestFirst.reduce((left, each) => left.replaceAll(each, REDACTED), text);
}

/** The personal values of an event, as they would stand in a message. None where they cannot be read. */
export function personalTexts(event: RecordedEvent): readonly string[] {
  const { stored } = asStored(event);
  try {
    return textsIn(stored[OPENING]?.valuesOf(stored));
  } catch {
    return [];
  }
}
