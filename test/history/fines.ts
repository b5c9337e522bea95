import { defineCommand, defineDecider, defineEvent, defineProjection, fact, refuse } from 'thereupon';
import { z } from 'zod';
import type { Line } from './histories.ts';

const stream = ({ fine }: { fine: string }) => `fine-${fine}`;
const fine = z.string();
const cents = z.int().nonnegative();
const of = { fine, activity: z.string() };

export const FineCreated = defineEvent({
  type: 'fines.fine.created',
  schema: z.object({ ...of, amountCents: cents }),
  stream,
});
export const FineSent = defineEvent({
  type: 'fines.fine.sent',
  schema: z.object({ ...of, expenseCents: cents }),
  stream,
});
export const PenaltyAdded = defineEvent({
  type: 'fines.penalty.added',
  schema: z.object({ ...of, amountCents: cents }),
  stream,
});
export const PaymentReceived = defineEvent({
  type: 'fines.payment.received',
  schema: z.object({ ...of, paidCents: cents }),
  stream,
});
export const ProcedureContinued = defineEvent({
  type: 'fines.procedure.continued',
  schema: z.object(of),
  stream,
});

/** One line of the file. */
export const RecordLine = defineCommand({
  name: 'fines.record-line',
  schema: z.object({
    ...of,
    time: z.iso.datetime(),
    amountCents: cents.optional(),
    expenseCents: cents.optional(),
    paidCents: cents.optional(),
  }),
  stream,
});

export interface Fine {
  /** With the penalty, where there is one. */
  readonly amountCents: number;
  readonly expenseCents: number;
  readonly paidCents: number;
  readonly payments: number;
  readonly hasPenalty: boolean;
  /** To be collected because of the penalty. */
  readonly isCollected: boolean;
  readonly appealsToJudge: number;
  readonly last: string;
}

const NONE: Fine = {
  amountCents: 0,
  expenseCents: 0,
  paidCents: 0,
  payments: 0,
  hasPenalty: false,
  isCollected: false,
  appealsToJudge: 0,
  last: '',
};

export const fines = defineDecider({
  name: 'fine',
  initial: () => NONE,
  snapshot: { every: 4 },
  evolve: [
    [FineCreated, (state, { data: { amountCents, activity } }) => ({ ...state, amountCents, last: activity })],
    [FineSent, (state, { data: { expenseCents, activity } }) => ({ ...state, expenseCents, last: activity })],
    [
      PenaltyAdded,
      (state, { data: { amountCents, activity } }) => ({ ...state, amountCents, hasPenalty: true, last: activity }),
    ],
    [
      PaymentReceived,
      (state, { data: { paidCents, activity } }) => ({
        ...state,
        paidCents: state.paidCents + paidCents,
        payments: state.payments + 1,
        last: activity,
      }),
    ],
    [
      ProcedureContinued,
      (state, { data: { activity } }) => ({
        ...state,
        isCollected: state.isCollected || (state.hasPenalty && activity === 'Send for Credit Collection'),
        appealsToJudge: state.appealsToJudge + (activity === 'Appeal to Judge' ? 1 : 0),
        last: activity,
      }),
    ],
  ],
  decide: [
    [
      RecordLine,
      (state, { data: { time, amountCents = 0, expenseCents = 0, paidCents = 0, ...data } }) => {
        const isFirst = data.activity === 'Create Fine';
        if (isFirst !== (state.last === '')) return refuse(isFirst ? 'created-before' : 'not-created');
        const options = { time };
        switch (data.activity) {
          case 'Create Fine':
            return fact(FineCreated, { ...data, amountCents }, options);
          case 'Send Fine':
            return fact(FineSent, { ...data, expenseCents }, options);
          case 'Add penalty':
            return fact(PenaltyAdded, { ...data, amountCents }, options);
          case 'Payment':
            return fact(PaymentReceived, { ...data, paidCents }, options);
          default:
            return fact(ProcedureContinued, data, options);
        }
      },
    ],
  ],
});

const plusOne = (count: number) => count + 1;

export const activities = defineProjection({
  name: 'activities',
  key: ({ data }) => data.activity,
  initial: () => 0,
  on: [
    [FineCreated, plusOne],
    [FineSent, plusOne],
    [PenaltyAdded, plusOne],
    [PaymentReceived, plusOne],
    [ProcedureContinued, plusOne],
  ],
});

export const years = defineProjection({
  name: 'years',
  key: ({ time }) => time.slice(0, 4),
  initial: () => 0,
  on: [[FineCreated, plusOne]],
});

const centsOf = (euros: string | undefined): number => Math.round(Number(euros ?? '') * 100);

/** The file tells what was paid in tenths of what it tells amounts in. */
export function dataOf(line: Line) {
  const { case_id: id = '', activity = '', time = '', amount = '', expense = '', paymentamount: paid = '' } = line;
  return {
    fine: id,
    activity,
    time,
    ...(amount === '' ? {} : { amountCents: centsOf(amount) }),
    ...(expense === '' ? {} : { expenseCents: centsOf(expense) }),
    ...(paid === '' ? {} : { paidCents: Math.round(centsOf(paid) / 10) }),
  };
}

/** Of a case's lines up to an instant, looked at all at once. */
export function fineIn(lines: readonly Line[]): Fine {
  const names = lines.map(({ activity = '' }) => activity);
  const sum = (column: string) => lines.reduce((total, line) => total + centsOf(line[column]), 0);
  const penalty = names.indexOf('Add penalty');
  return {
    amountCents: centsOf(lines.findLast(({ amount = '' }) => amount !== '')?.['amount']),
    expenseCents: sum('expense'),
    paidCents: Math.round(sum('paymentamount') / 10),
    payments: names.filter((name) => name === 'Payment').length,
    hasPenalty: penalty !== -1,
    isCollected: penalty !== -1 && names.includes('Send for Credit Collection', penalty),
    appealsToJudge: names.filter((name) => name === 'Appeal to Judge').length,
    last: names.at(-1) ?? '',
  };
}
