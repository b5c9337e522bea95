import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineAutomation } from '../../automation/define-automation.ts';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import { InvalidInput, NotFound, TerminalError } from '../../errors.ts';
import { defineEvent } from '../../event/define-event.ts';
import type { CauseLink, EffectLink } from '../../explain/links.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import type { ContractSuite } from '../contract-case.ts';
import { accounts, Deposit, Deposited, Overdrawn, refusedFor, Withdraw } from './deciding-samples.ts';
import { deliveryCases } from './delivery-case.ts';
import { only } from '../samples.ts';

const Noted = defineEvent({
  type: 'contract.deposit.noted',
  schema: z.object({ account: z.string() }),
  stream: ({ account }) => `note-${account}`,
});

/** Notes deposits of ten and more. */
const noting = defineAutomation({
  name: 'noting',
  on: Deposited,
  where: { data: { amount: [{ numeric: ['>=', 10] }], account: ['a', 'b'] } },
  publishes: [Noted],
  async run({ event, publish }) {
    if (event.data.amount === 13) throw new TerminalError('an unlucky one');
    await publish(Noted, { account: event.data.account });
  },
});

const balances = defineProjection({
  name: 'balances',
  key: (event) => event.data.account,
  initial: () => 0,
  on: [[Deposited, (row, { data }) => row + data.amount]],
});

function words(links: readonly CauseLink[]): readonly string[] {
  return links.map((link) => {
    if (link.kind === 'event')
      return `${link.event.type}${link.publishedBy === undefined ? '' : ` by ${link.publishedBy}`}`;
    return link.kind === 'command' ? `${link.name} ${link.id} ${link.accepted}` : `unknown ${link.id}`;
  });
}

function tree(links: readonly EffectLink[]): readonly unknown[] {
  return links.map((link) => [
    link.kind === 'row' ? `${link.view}/${link.key}` : words([link])[0],
    ...tree(link.effects),
  ]);
}

/** Why, and why not (G9, G11). */
export const explainingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'the chain from a fact back to the command, and from the command’s fact to all that it led to (G9)'(stage) {
      const covering = defineConsumer({
        name: 'covering',
        on: Overdrawn,
        async handle({ event, idempotencyKey }) {
          await test.system.execute(Deposit, { account: event.data.account, amount: 20 }, { id: idempotencyKey });
        },
      });
      const notes = defineProjection({
        name: 'notes',
        key: ({ data }) => (data.account === 'a' ? data.account : undefined),
        initial: () => 0,
        on: [[Noted, (count) => count + 1]],
      });
      const test = await stage.start({
        deciders: [accounts()],
        automations: [noting],
        consumers: [covering],
        projections: [notes],
      });
      const { system } = test;
      refusedFor(await system.execute(Withdraw, { account: 'a', amount: 2_000 }, { id: 'greedy' }));
      await test.settled();
      const noted = only((await system.events.readStream('note-a')).events);
      const { causes, publishedBy } = await system.explanations.causes(noted);
      assert.equal(publishedBy, 'noting');
      assert.deepEqual(await system.explanations.causes(noted.id), await system.explanations.causes(noted));
      for (const ask of [
        () => system.explanations.causes('nope'),
        () => system.explanations.effects('nope'),
        () => system.explanations.run('noting', 'nope'),
        () => system.explanations.run('nobody', noted.id),
      ])
        await assert.rejects(ask, NotFound);
      const commandId = causes[1]?.kind === 'command' ? causes[1].id : '';
      assert.deepEqual(words(causes), [
        'contract.money.deposited',
        `contract.deposit ${commandId} true`,
        'contract.account.overdrawn',
        'contract.withdraw greedy false',
      ]);
      const overdrawn = only((await system.events.read({ types: [Overdrawn.type] })).events);
      const found = await system.explanations.effects(overdrawn);
      assert.deepEqual(tree(found.effects), [
        [
          `contract.deposit ${commandId} true`,
          ['contract.money.deposited', ['contract.deposit.noted by noting', ['notes/a']]],
        ],
      ]);
      assert.equal(found.isWhole, true);
      await system.publish(Deposited, { account: 'a', amount: 1 }, { causationid: 'elsewhere' });
      const last = (await system.events.readStream('account-a', { direction: 'backward', limit: 1 })).events;
      assert.deepEqual(words((await system.explanations.causes(only(last))).causes), ['unknown elsewhere']);
    },

    async 'what came of a command and who gave it, also of one that was refused, and what led to it (G9)'(stage) {
      const covering = defineConsumer({
        name: 'covering',
        on: Overdrawn,
        async handle({ event }) {
          await test.system.execute(
            Deposit,
            { account: event.data.account, amount: 20 },
            { id: 'cover', actor: { type: 'system' } },
          );
        },
      });
      const test = await stage.start({ deciders: [accounts()], consumers: [covering] });
      const { explanations } = test.system;
      const anna = { type: 'user', id: 'anna' } as const;
      await test.system.execute(Withdraw, { account: 'a', amount: 5 }, { id: 'small', actor: anna });
      await test.system.execute(Withdraw, { account: 'a', amount: 2_000 }, { id: 'greedy' });
      await test.settled();
      const small = await explanations.command('small');
      assert.deepEqual(
        [small.command.accepted, small.command.reason, small.command.actor, small.events, small.causes],
        [false, 'not-covered', anna, [], []],
      );
      const cover = await explanations.command('cover');
      assert.deepEqual(cover.command.actor, { type: 'system' });
      assert.deepEqual(
        cover.events.map(({ type }) => type),
        [Deposited.type],
      );
      assert.deepEqual(words(cover.causes), ['contract.account.overdrawn', 'contract.withdraw greedy false']);
      await assert.rejects(explanations.command('nobody'), NotFound);
    },

    async 'an event is found by its id, unless several sources have it'(stage) {
      const { system } = await stage.start({ events: [Deposited] });
      await system.publish(Deposited, { account: 'a', amount: 1 }, { id: 'same', source: '/one' });
      assert.equal((await system.explanations.event('same')).source, '/one');
      await system.publish(Deposited, { account: 'b', amount: 1 }, { id: 'same', source: '/two' });
      await assert.rejects(system.explanations.event('same'), (error) => {
        assert.ok(error instanceof InvalidInput);
        assert.match(error.message, /\/one, \/two/);
        return true;
      });
      assert.equal((await system.explanations.event('same', '/two')).stream, 'account-b');
      await assert.rejects(system.explanations.event('other'), NotFound);
    },

    async 'which events made a row, the last of them with what led to each (G9)'(stage) {
      const test = await stage.start({ deciders: [accounts()], projections: [balances] });
      for (let n = 1; n <= 12; n += 1) await test.system.execute(Deposit, { account: 'a', amount: n }, { id: `c${n}` });
      await test.system.execute(Deposit, { account: 'b', amount: 1 });
      await test.settled();
      const row = await test.system.explanations.row(balances, 'a');
      assert.deepEqual([row.events, row.last.length], [12, 10]);
      assert.deepEqual(words(row.last[0]?.causes ?? []), ['contract.deposit c12 true']);
      await assert.rejects(test.system.explanations.row('balances', 'nobody'), NotFound);
      await assert.rejects(test.system.explanations.row('nothing', 'a'), NotFound);
    },

    async 'a row is explained by the events that are in it: not by what a build left out, nor by what is set aside'(
      stage,
    ) {
      let refuses = false;
      const sums = defineProjection({
        name: 'balances',
        key: (event) => event.data.account,
        initial: () => 0,
        on: [
          [
            Deposited,
            (row, { data }) => {
              if (refuses) throw new TerminalError('not this one');
              return row + data.amount;
            },
          ],
        ],
      });
      const test = await stage.start({ projections: [sums], events: [Deposited] });
      const deposit = async (amount: number) => {
        const { position } = await test.system.publish(Deposited, { account: 'a', amount });
        await test.settled();
        return position;
      };
      const explained = async () => (await test.system.explanations.row(sums, 'a')).events;
      await deposit(1);
      const second = await deposit(2);
      await deposit(3);
      assert.equal(await explained(), 3);
      const rebuild = await test.system.views.rebuild('balances', { from: { position: second } });
      assert.equal((await rebuild.ended()).state, 'switched');
      await test.settled();
      assert.deepEqual([await test.system.views.get(sums, 'a'), await explained()], [3, 1]);
      const head = await test.system.events.head();
      assert.equal(await test.system.views.getAt(sums, 'a', { position: head }), 3);
      const rowsOf = async (id: string) => tree((await test.system.explanations.effects(id)).effects);
      const [first, , third] = (await test.system.events.readStream('account-a')).events;
      assert.deepEqual([await rowsOf(first?.id ?? ''), await rowsOf(third?.id ?? '')], [[], [['balances/a']]]);
      refuses = true;
      await deposit(4);
      await deposit(5);
      assert.deepEqual([await test.system.views.get(sums, 'a'), await explained()], [3, 1]);
    },

    async 'of a row whose events were removed it is said that some were, and it is there all the same'(stage) {
      const test = await stage.start({ projections: [balances], events: [Deposited] });
      for (const n of [1, 2, 3]) await test.system.publish(Deposited, { account: 'a', amount: n });
      await test.settled();
      const explained = async () => {
        const { events, lost } = await test.system.explanations.row('balances', 'a');
        return [events, lost];
      };
      assert.deepEqual(await explained(), [3, []]);
      await test.system.applyRetention({ rules: [{ category: 'account', maxCount: 1 }] });
      assert.deepEqual(await explained(), [1, ['account']]);
      await test.system.applyRetention({ rules: [{ category: 'account', maxCount: 0 }] });
      assert.deepEqual([await explained(), await test.system.views.get('balances', 'a')], [[0, ['account']], 6]);
      await assert.rejects(test.system.explanations.row('balances', 'nobody'), NotFound);
    },

    async 'an event that is being handled is said to be under way, and one that was handled ahead of it is handled'(
      stage,
    ) {
      const begun = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      const slow = defineConsumer({
        name: 'slow',
        on: Deposited,
        key: ({ data }) => data.account,
        async handle({ event }) {
          if (event.data.account !== 'a') return;
          begun.resolve();
          await goOn.promise;
        },
      });
      const { system, clock } = await stage.start({ consumers: [slow], events: [Deposited] });
      const { id } = await system.publish(Deposited, { account: 'a', amount: 1 });
      await begun.promise;
      const ahead = await system.publish(Deposited, { account: 'b', amount: 1 });
      const why = await system.explanations.whyNot('slow', id);
      assert.equal(why.verdict, 'not-reached');
      assert.match(why.reasons.join('\n'), /[12] events are being handled at this moment/);
      const verdict = async () => (await system.explanations.whyNot('slow', ahead.id)).verdict;
      while ((await verdict()) !== 'handled') await clock.advance('1s');
      goOn.resolve();
    },

    async 'what kept a consumer from acting: a condition, a failure, an event ahead, a pause (G11)'(stage) {
      const test = await stage.start({ deciders: [accounts()], automations: [noting] });
      const { system } = test;
      const deposit = async (amount: number, account = 'a') => {
        const { id } = await system.publish(Deposited, { account, amount });
        await test.settled();
        return system.explanations.event(id);
      };
      const verdictOn = async (event: Awaited<ReturnType<typeof deposit>>, consumer = 'noting') =>
        system.explanations.whyNot(consumer, event);

      const small = await verdictOn(await deposit(3, 'z'));
      assert.equal(small.verdict, 'filtered');
      assert.deepEqual(small.reasons, [
        'where data.amount: expected [{"numeric":[">=",10]}], found 3',
        'where data.account: expected ["a","b"], found "z"',
      ]);
      const event = await deposit(10);
      const done = await verdictOn(event);
      assert.deepEqual([done.verdict, done.published.map(({ type }) => type)], ['handled', [Noted.type]]);
      const foreign = only((await system.events.readStream('note-a')).events);
      const other = await verdictOn(foreign);
      assert.deepEqual(other.reasons, [
        `type: expected ${Deposited.type}, found ${Noted.type}`,
        ...other.reasons.slice(1),
      ]);

      const parked = await deposit(13);
      const failing = await verdictOn(parked);
      assert.deepEqual([failing.verdict, failing.deadLetter], ['parked', `noting~${parked.position}`]);
      assert.match(failing.reasons[0] ?? '', /attempt 1 failed: TerminalError: an unlucky one/);
      const behind = await verdictOn(await deposit(14));
      assert.deepEqual(
        [behind.verdict, behind.behind, behind.deadLetter],
        ['waiting', { position: parked.position, source: parked.source, id: parked.id }, failing.deadLetter],
      );
      await system.consumers.pause('noting', 'for a look');
      const paused = await verdictOn(await deposit(15, 'b'));
      assert.equal(paused.verdict, 'paused');
      assert.match(paused.reasons[0] ?? '', /noting is paused: for a look/);
      await system.consumers.resume('noting');
      await test.settled();
      await assert.rejects(system.explanations.whyNot('nobody', event), NotFound);
    },
  });
