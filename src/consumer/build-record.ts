import { WrongState } from '../errors.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { formOf, isSameForm } from './adapt.ts';
import { buildOf } from './build.ts';
import type { BuildOptions } from './build.ts';
import type { BuildForm, ConsumerRecord } from './checkpoint-store.ts';
import type { Reaction } from './reaction.ts';

/** Why the record of a build that was given up is paused. */
export const CANCELLED = 'the build was cancelled';

export function onFailureOf({ onFailure }: BuildOptions, reaction: Reaction): Pick<BuildForm, 'onFailure'> {
  return { onFailure: onFailure ?? reaction.onBuildFailure ?? 'park' };
}

/** An end in the middle has left it; or it is none, as earlier versions of this package could leave behind. */
export function isCancelled({ form, paused }: ConsumerRecord): boolean {
  return form.build === undefined || paused?.reason === CANCELLED;
}

/** Whether a build of that id goes on. */
export function isUnderWay(record: ConsumerRecord | undefined, id: string): boolean {
  return record?.form.build?.id === id && !isCancelled(record);
}

/** Whether it is this definition that is being built. */
export function isOf(record: ConsumerRecord, reaction: Reaction): boolean {
  const id = record.form.build?.id;
  return id !== undefined && !isCancelled(record) && isSameForm(record.form, formOf(buildOf(reaction, id)));
}

/** Who goes on with a build asks for what it was begun for. Errors: WrongState. */
export function assertGoesOn(
  view: string,
  { form: { began = START, build } }: ConsumerRecord,
  asked: { readonly from: Position; readonly to: Position | undefined; readonly isTrial: boolean },
): void {
  const trial = build?.trial;
  const isOther =
    asked.from !== began ||
    asked.isTrial !== (trial !== undefined) ||
    (asked.to !== undefined && asked.to !== trial?.upTo);
  if (!isOther) return;
  const begun = [
    began === START ? 'from the beginning' : `from position ${began}`,
    ...(trial === undefined ? [] : ['as a dry run']),
  ];
  throw new WrongState(
    `view ${view} is being built already, ${begun.join(', ')}, which is not what is asked for now; ask for that to go on, or cancel it first`,
  );
}
