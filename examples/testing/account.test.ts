import { defineAutomation, defineCommand, defineDecider, defineEvent, defineProjection, fact, refuse } from 'thereupon';
import { given, testSystem } from 'thereupon/testing';
import { expect, test } from 'vitest';
import { z } from 'zod';

const about = {
  stream: ({ account }: { account: string }) => `account-${account}`,
  schema: z.object({ account: z.string(), cents: z.int().min(1) }),
};
const Deposited = defineEvent({ type: 'bank.money.deposited', ...about });
const Withdrawn = defineEvent({ type: 'bank.money.withdrawn', ...about });
const WithdrawalRefused = defineEvent({ type: 'bank.withdrawal.refused', ...about });
const CustomerWarned = defineEvent({ type: 'bank.customer.warned', ...about });
const Withdraw = defineCommand({ name: 'bank.withdraw', ...about });

const account = defineDecider({
  name: 'account',
  initial: () => ({ cents: 0 }),
  evolve: [
    [Deposited, (state, { data }) => ({ cents: state.cents + data.cents })],
    [Withdrawn, (state, { data }) => ({ cents: state.cents - data.cents })],
  ],
  publishes: [Withdrawn, WithdrawalRefused],
  decide: [
    [
      Withdraw,
      (state, { data }) =>
        data.cents <= state.cents
          ? fact(Withdrawn, data)
          : refuse('not-covered', `there are ${state.cents}`, { record: fact(WithdrawalRefused, data) }),
    ],
  ],
});
const balances = defineProjection({
  name: 'balances',
  key: ({ data }) => data.account,
  initial: () => ({ cents: 0 }),
  on: [
    [Deposited, (row, { data }) => ({ cents: row.cents + data.cents })],
    [Withdrawn, (row, { data }) => ({ cents: row.cents - data.cents })],
  ],
});
const warn = defineAutomation({
  name: 'warn-customer',
  on: WithdrawalRefused,
  publishes: [CustomerWarned],
  run: ({ event, publish }) => void publish(CustomerWarned, event.data),
});

const ten = { account: 'ada', cents: 1_000 };

test('what is there can be withdrawn', () =>
  given(account, [Deposited, ten]).when(Withdraw, ten).then([Withdrawn, ten]));

test('more than that is refused, and this is recorded', async () => {
  const asked = given(account, [Deposited, ten]).when(Withdraw, { ...ten, cents: 1_001 });
  await asked.thenRefused('not-covered', [WithdrawalRefused, { ...ten, cents: 1_001 }]);
});

test('balances are kept, and an account without facts has none', async () => {
  await given(balances, [Deposited, ten], [Withdrawn, { ...ten, cents: 400 }]).thenRow('ada', { cents: 600 });
  await given(balances, [Deposited, ten]).thenNoRow('bob');
});

test('who asks for too much is warned', async () => {
  await using bank = await testSystem({ deciders: [account], projections: [balances], automations: [warn] });
  await bank.given([Deposited, ten]);
  await bank.when(WithdrawalRefused, ten).thereupon([CustomerWarned, ten]);
  const outcome = await bank.system.execute(Withdraw, { ...ten, cents: 300 });
  await bank.settled();
  expect(outcome.accepted).toBe(true);
  expect(await bank.row(balances, 'ada')).toEqual({ cents: 700 });
});
