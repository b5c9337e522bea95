import assert from 'node:assert/strict';
import type { AppendRequest } from '../../channel/event-log.ts';
import { reactionTo } from './deciding-reactions.ts';
import {
  CommandContentConflict,
  CommandContested,
  CommandDataInvalid,
  HistoryIncomplete,
  InvalidDefinition,
  InvalidInput,
  NotFound,
  StoreUnavailable,
  StreamDeleted,
  StreamVersionConflict,
  UnknownCommand,
} from '../../errors.ts';
import { defineDecider } from '../../decider/define-decider.ts';
import { fact } from '../../decider/decision.ts';
import type { RecordedEvent } from '../../event/event.ts';
import type { ContractSuite } from '../contract-case.ts';
import {
  accepted,
  accounts,
  Dawdle,
  Deposit,
  Deposited,
  Empty,
  Look,
  Overdrawn,
  refusedFor,
  slowly,
  Withdraw,
  Withdrawn,
} from './deciding-samples.ts';
import { deliveryCases } from './delivery-case.ts';
import type { NewInterceptor } from './delivery-case.ts';

const STREAM = 'account-a';
const of = (amount: number, account = 'a') => ({ account, amount });

/** Of an event without its tags. */
function attribution({ extensions: { tags: _tags, ...others } }: RecordedEvent) {
  return others;
}

/** Fails the first append of some commands, before or after it has happened. */
function failingOnce(plan: Readonly<Record<string, 'before' | 'after'>>): NewInterceptor {
  return () => {
    const failed = new Set<string>();
    return async (call) => {
      const id = call.method === 'append' ? (call.input[0] as AppendRequest).command?.id : undefined;
      const when = id === undefined || failed.has(id) ? undefined : plan[id];
      if (id !== undefined) failed.add(id);
      if (when === 'before') throw new StoreUnavailable('the store', 'the disk is full');
      const outcome = await call.proceed();
      if (when === 'after') throw new StoreUnavailable('the store', 'the connection was lost');
      return outcome;
    };
  };
}

/** Commands on one stream: read, decide, append (G2, G4; ES18–ES21). */
export const decidingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'a command that gives one fact, several or none: new state, version and facts (ES19, ES20)'(stage) {
      const { system } = await stage.start({ deciders: [accounts()] });
      const none = accepted(await system.execute(Look, { account: 'a' }));
      assert.deepEqual(
        [none.state, none.version, none.events, none.position],
        [{ balance: 0, moves: 0 }, 0, [], undefined],
      );
      await assert.rejects(system.deciders.state('account', STREAM), NotFound);
      const one = accepted(await system.execute(Deposit, of(3)));
      assert.deepEqual([one.state, one.version, one.stream], [{ balance: 3, moves: 1 }, 1, STREAM]);
      assert.deepEqual(
        one.events.map(({ version, stream, duplicate }) => [version, stream, duplicate]),
        [[1, STREAM, false]],
      );
      const several = accepted(await system.execute(Empty, { account: 'a' }));
      assert.deepEqual([several.state, several.version], [{ balance: 0, moves: 4 }, 4]);
      assert.deepEqual(
        several.events.map(({ version }) => version),
        [2, 3, 4],
      );
      const { events } = await system.events.readStream(STREAM);
      assert.deepEqual(
        events.map(({ type }) => type),
        [Deposited.type, Withdrawn.type, Withdrawn.type, Withdrawn.type],
      );
      assert.equal(several.position, events.at(-1)?.position);
    },

    async 'a refusal has a reason and records nothing, or what the decider says'(stage) {
      const { system } = await stage.start({ deciders: [accounts()] });
      await system.execute(Deposit, of(3));
      const refusal = refusedFor(await system.execute(Withdraw, of(5)));
      assert.deepEqual(
        [refusal.reason, refusal.message, refusal.details, refusal.events, refusal.version],
        ['not-covered', 'there are 3', { balance: 3 }, [], 1],
      );
      const recorded = refusedFor(await system.execute(Withdraw, of(5_000), { id: 'greedy' }));
      assert.equal(recorded.version, 2);
      const { events } = await system.events.readStream(STREAM);
      assert.deepEqual(
        events.map(({ type, causationid }) => [type, causationid === 'greedy']),
        [
          [Deposited.type, false],
          [Overdrawn.type, true],
        ],
      );
      assert.deepEqual((await system.deciders.state('account', STREAM)).state, { balance: 3, moves: 1 });
    },

    async 'who gives a command is seen by its decider and kept with its facts, and is no part of what the command is (G2)'(
      stage,
    ) {
      const seen: unknown[] = [];
      const decider = defineDecider({
        name: 'account',
        initial: () => null,
        evolve: [[Deposited, () => null]],
        decide: [
          [
            Deposit,
            (_state, { data, actor }) => {
              seen.push(actor);
              const clerk = { type: 'user', id: 'clerk' } as const;
              return [fact(Deposited, data), fact(Deposited, data, { actor: clerk, extensions: { branch: 'b' } })];
            },
          ],
        ],
      });
      const { system } = await stage.start({ deciders: [decider] });
      const anna = { type: 'user', id: 'Anna Ö.' } as const;
      const first = accepted(await system.execute(Deposit, of(1), { id: 'c', actor: anna }));
      const again = accepted(await system.execute(Deposit, of(1), { id: 'c', actor: { type: 'system' } }));
      assert.deepEqual([again.duplicate, again.events.length], [true, first.events.length]);
      await system.execute(Deposit, of(2));
      assert.deepEqual(seen, [anna, undefined]);
      const { events } = await system.events.readStream(STREAM);
      const clerk = { authtype: 'user', authid: 'clerk', branch: 'b' };
      assert.deepEqual(events.map(attribution), [{ authtype: 'user', authid: 'Anna Ö.' }, clerk, {}, clerk]);
      for (const actor of [
        null,
        'anna',
        { id: 'x' },
        { type: 'root' },
        { type: 'user', id: '' },
        { type: 'user', name: 'a' },
      ])
        await assert.rejects(system.execute(Deposit, of(1), { actor: actor as never }), InvalidInput);
      assert.equal((await system.events.readStream(STREAM)).events.length, 4);
    },

    async 'on whose behalf a fact is published is kept with it, and is no part of what it says (G2)'(stage) {
      const { system } = await stage.start({ events: [Deposited] });
      const anna = { type: 'app_user', id: 'anna' } as const;
      await system.publish(Deposited, of(1), { id: 'e', actor: anna });
      const again = await system.publish(Deposited, of(1), { id: 'e', actor: { type: 'system' } });
      assert.equal(again.duplicate, true);
      const { events } = await system.events.readStream(STREAM);
      assert.deepEqual(events.map(attribution), [{ authtype: 'app_user', authid: 'anna' }]);
      await assert.rejects(system.publish(Deposited, of(1), { actor: { type: 'user', id: 'a\nb' } }), /actor\.id/);
      await assert.rejects(
        system.publish(Deposited, of(1), { actor: anna, extensions: { authid: 'bert' } }),
        /extensions\.authid/,
      );
    },

    async 'the same command again has the first outcome, accepted, refused or without facts, also after a restart (G2)'(
      stage,
    ) {
      const test = await stage.start({ deciders: [accounts()] });
      const first = [
        await test.system.execute(Deposit, of(3), { id: 'c1' }),
        await test.system.execute(Withdraw, of(5), { id: 'c2' }),
        await test.system.execute(Look, { account: 'a' }, { id: 'c3' }),
        await test.system.execute(Withdraw, of(5_000), { id: 'c4' }),
      ];
      await test.system.execute(Deposit, of(10_000));
      const again = async () => [
        await test.system.execute(Deposit, of(3), { id: 'c1' }),
        await test.system.execute(Withdraw, of(5), { id: 'c2' }),
        await test.system.execute(Look, { account: 'a' }, { id: 'c3' }),
        await test.system.execute(Withdraw, { amount: 5_000, account: 'a' }, { id: 'c4' }),
      ];
      const expected = first.map((outcome) => ({
        ...outcome,
        ...(outcome.accepted ? { state: undefined } : {}),
        duplicate: true,
        events: outcome.events.map((event) => ({ ...event, duplicate: true })),
      }));
      assert.deepEqual(await again(), expected);
      await test.restart();
      assert.deepEqual(await again(), expected);
      assert.equal((await test.system.events.streamState(STREAM)).version, 3);
    },

    async 'an id that was used for something else is refused by name (G2)'(stage) {
      const { system } = await stage.start({ deciders: [accounts()] });
      await system.execute(Deposit, of(3), { id: 'c1' });
      await assert.rejects(system.execute(Deposit, of(4), { id: 'c1' }), (error) => {
        assert.ok(error instanceof CommandContentConflict);
        assert.deepEqual([error.id, error.command, error.first], ['c1', 'contract.deposit', 'contract.deposit']);
        return true;
      });
      await assert.rejects(system.execute(Withdraw, of(3), { id: 'c1' }), /executed before as contract\.deposit/);
      assert.equal((await system.events.streamState(STREAM)).version, 1);
    },

    async 'one id executed by many at once has one outcome (G2)'(stage) {
      const { system } = await stage.start({ deciders: [accounts()] });
      const outcomes = await Promise.all(
        Array.from({ length: 16 }, () => system.execute(Deposit, of(1), { id: 'once' })),
      );
      assert.equal(outcomes.filter(({ duplicate }) => !duplicate).length, 1);
      assert.equal(new Set(outcomes.map(({ events }) => events[0]?.id)).size, 1);
      assert.deepEqual((await system.deciders.state('account', STREAM)).state, { balance: 1, moves: 1 });
    },

    async 'of many callers on one stream none sees less than nothing, and all that is accepted is there (G4)'(stage) {
      const { system } = await stage.start({ deciders: [accounts()] });
      await system.execute(Deposit, of(20));
      const outcomes = await Promise.all(Array.from({ length: 64 }, () => system.execute(Withdraw, of(1))));
      assert.equal(outcomes.filter((outcome) => outcome.accepted).length, 20);
      assert.deepEqual((await system.deciders.state('account', STREAM)).state, { balance: 0, moves: 21 });
      const { events } = await system.events.readStream(STREAM);
      assert.equal(events.length, 21);
    },

    async 'others who write to the stream are seen: the command is decided again on what they wrote (ES21, G4)'(stage) {
      let foreign: (() => Promise<unknown>) | undefined;
      const interceptor: NewInterceptor = () => async (call) => {
        const request = call.input[0] as Partial<AppendRequest> | undefined;
        if (call.method === 'append' && request?.command !== undefined && foreign !== undefined) {
          const write = foreign;
          foreign = undefined;
          await write();
        }
        return call.proceed();
      };
      const { system } = await stage.start({ deciders: [accounts()] }, { interceptor });
      await system.execute(Deposit, of(5));
      foreign = () => system.publish(Withdrawn, of(4));
      assert.equal(refusedFor(await system.execute(Withdraw, of(3))).message, 'there are 1');
      foreign = () => system.publish(Deposited, of(4));
      assert.deepEqual(accepted(await system.execute(Withdraw, of(3))).state, { balance: 2, moves: 4 });
    },

    async 'gives up after as many attempts as the decider says, with nothing recorded (ES21)'(stage) {
      let writes = 0;
      const interceptor: NewInterceptor = () => async (call) => {
        const request = call.input[0] as Partial<AppendRequest> | undefined;
        if (call.method === 'append' && request?.command?.id === 'late') {
          writes += 1;
          await test.system.publish(Deposited, of(1));
        }
        return call.proceed();
      };
      const test = await stage.start({ deciders: [accounts({ attempts: 2 })] }, { interceptor });
      await assert.rejects(test.system.execute(Deposit, of(5), { id: 'late' }), (error) => {
        assert.ok(error instanceof CommandContested);
        assert.deepEqual([error.attempts, error.retry], [2, 'backoff']);
        return true;
      });
      assert.equal(writes, 2);
      assert.deepEqual((await test.system.deciders.state('account', STREAM)).state, { balance: 2, moves: 2 });
    },

    async 'a claim of the caller is checked, and only that; a repetition does not need it any more (G4)'(stage) {
      const { system } = await stage.start({ deciders: [accounts()] });
      await assert.rejects(system.execute(Deposit, of(1), { expectedVersion: 'exists' }), StreamVersionConflict);
      const first = await system.execute(Deposit, of(1), { expectedVersion: 'none', id: 'c1' });
      await assert.rejects(system.execute(Deposit, of(1), { expectedVersion: 'none' }), (error) => {
        assert.ok(error instanceof StreamVersionConflict);
        assert.deepEqual([error.expected, error.actual], ['none', 1]);
        return true;
      });
      assert.equal((await system.execute(Deposit, of(1), { expectedVersion: 1 })).version, 2);
      const again = await system.execute(Deposit, of(1), { expectedVersion: 'none', id: 'c1' });
      assert.deepEqual([again.duplicate, again.version], [true, first.version]);
      // What is in memory is behind: it is the log that counts.
      await system.publish(Deposited, of(1));
      await assert.rejects(system.execute(Deposit, of(1), { expectedVersion: 2 }), /expected version 2, found 3/);
      assert.equal((await system.execute(Deposit, of(1), { expectedVersion: 3 })).version, 4);
    },

    async 'a store that fails in the middle leaves no state behind that never was, and a retry with the id is safe (G1, G2)'(
      stage,
    ) {
      const interceptor = failingOnce({ c2: 'before', c4: 'after' });
      const { system } = await stage.start({ deciders: [accounts()] }, { interceptor });
      await system.execute(Deposit, of(1), { id: 'c1' });
      const [failed, onTop] = await Promise.allSettled([
        system.execute(Deposit, of(2), { id: 'c2' }),
        system.execute(Deposit, of(4), { id: 'c3' }),
      ]);
      assert.equal(failed.status, 'rejected');
      assert.deepEqual(onTop.status === 'fulfilled' && accepted(onTop.value).state, { balance: 5, moves: 2 });
      // The answer was lost; what came of it is looked up.
      assert.equal((await system.execute(Deposit, of(8), { id: 'c4' })).accepted, true);
      assert.equal((await system.execute(Deposit, of(8), { id: 'c4' })).duplicate, true);
      assert.equal((await system.execute(Deposit, of(2), { id: 'c2' })).duplicate, false);
      assert.deepEqual((await system.deciders.state('account', STREAM)).state, { balance: 15, moves: 4 });
    },

    async 'a schema that takes its time holds up no invariant, and lets nobody be the last for ever (G4)'(stage) {
      const { system } = await stage.start({ deciders: [slowly] });
      const outcomes = await Promise.all(Array.from({ length: 40 }, () => system.execute(Dawdle, { n: 1 })));
      assert.equal(outcomes.filter((outcome) => outcome.accepted).length, 30);
      assert.deepEqual((await system.deciders.state(slowly, 'slow-1')).state, { n: 30 });
    },

    async 'a decided fact has no id and no cause of its own, and is one that the decider names'(stage) {
      const { system } = await stage.start({ deciders: [slowly] });
      await assert.rejects(system.execute(Dawdle, { n: 7 }), /with an id of its own, seven; leave it out/);
      await assert.rejects(system.execute(Dawdle, { n: 8 }), /with a causationid of its own, eight/);
      await assert.rejects(system.execute(Dawdle, { n: 9 }), /which it does not name; add it to publishes/);
    },

    async 'a decider that answers with a promise is refused, and what it promised disturbs nobody'(stage) {
      const { system } = await stage.start({ deciders: [slowly] });
      await assert.rejects(system.execute(Dawdle, { n: 10 }), /decide must answer at once, found a promise/);
      assert.equal((await system.events.read()).events.length, 0);
    },

    async 'the first outcome stands when its stream is cut, deleted or not to be decided on any more (G2)'(stage) {
      const test = await stage.start({ deciders: [accounts(), slowly] });
      const { system } = test;
      const first = await system.execute(Deposit, of(3), { id: 'c1' });
      await system.execute(Withdraw, of(9), { id: 'c2' });
      const other = await system.execute(Deposit, of(1, 'b'), { id: 'c3' });
      await system.execute(Deposit, of(3));
      await system.truncateStream(STREAM, 2);
      await system.deleteStream('account-b');
      await test.restart();
      await assert.rejects(test.system.execute(Deposit, of(1)), HistoryIncomplete);
      const again = await test.system.execute(Deposit, of(3), { id: 'c1' });
      assert.deepEqual(
        [again.duplicate, again.accepted, again.position, again.events],
        [true, true, first.position, []],
      );
      assert.equal(refusedFor(await test.system.execute(Withdraw, of(9), { id: 'c2' })).reason, 'not-covered');
      const gone = await test.system.execute(Deposit, of(1, 'b'), { id: 'c3' });
      assert.deepEqual([gone.duplicate, gone.position], [true, other.position]);
      await assert.rejects(test.system.execute(Deposit, of(4), { id: 'c1' }), CommandContentConflict);
    },

    async 'what is on its way to the log is shown to nobody'(stage) {
      const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
      let holding = false;
      const interceptor: NewInterceptor = () => async (call) => {
        if (holding && call.method === 'append') await held;
        return call.proceed();
      };
      const { system } = await stage.start({ deciders: [accounts()] }, { interceptor });
      await system.execute(Deposit, of(1));
      holding = true;
      const pending = system.execute(Deposit, of(2));
      const following = system.execute(Withdraw, of(3));
      assert.deepEqual((await system.deciders.state('account', STREAM)).state, { balance: 1, moves: 1 });
      letGo();
      assert.deepEqual(accepted(await pending).state, { balance: 3, moves: 2 });
      assert.deepEqual(accepted(await following).state, { balance: 0, moves: 3 });
    },

    async 'facts carry the command as their cause, and its conversation'(stage) {
      const { system } = await stage.start({ deciders: [accounts()] });
      await system.execute(Deposit, of(1), { id: 'c1' });
      await system.execute(Deposit, of(2), { id: 'c2', correlationid: 'talk' });
      const { events } = await system.events.readStream(STREAM);
      assert.deepEqual(
        events.map(({ causationid, correlationid, causationdepth, subject }) => [
          causationid,
          correlationid,
          causationdepth,
          subject,
        ]),
        [
          ['c1', 'c1', 0, STREAM],
          ['c2', 'talk', 0, STREAM],
        ],
      );
    },

    async 'a command of a reaction belongs to the conversation of its event, and is executed once however often that is tried (G6)'(
      stage,
    ) {
      const { consumer, seen } = reactionTo(
        Overdrawn,
        () => (data, options) => test.system.execute(Deposit, data, options),
      );
      const test = await stage.start({ deciders: [accounts()], consumers: [consumer] });
      await test.system.publish(Overdrawn, of(7), { id: 'over' });
      await test.settled();
      assert.equal(seen.attempts, 2);
      const { events } = await test.system.events.readStream(STREAM);
      assert.deepEqual(
        events.slice(1).map(({ type, correlationid, causationdepth }) => [type, correlationid, causationdepth]),
        [[Deposited.type, 'over', 1]],
      );
    },

    async 'bad input is refused by name, and nothing is recorded'(stage) {
      const { system } = await stage.start({ deciders: [accounts()] });
      const execute = system.execute.bind(system) as (...given: unknown[]) => Promise<unknown>;
      await assert.rejects(execute(Deposit, { account: 'a' }), (error) => {
        assert.ok(error instanceof CommandDataInvalid);
        assert.deepEqual(
          error.issues.map(({ path }) => path),
          ['data.amount'],
        );
        return true;
      });
      await assert.rejects(execute({ ...Deposit }, of(1)), UnknownCommand);
      await assert.rejects(execute(Deposited, of(1)), InvalidInput);
      await assert.rejects(execute(Deposit, { account: 'a', amount: 1, when: new Date(0) }), /data\.when/);
      await assert.rejects(execute(Deposit, of(1), { id: '' }), /id: expected 1 to/);
      await assert.rejects(execute(Deposit, of(1), { id: 'x'.repeat(3_000) }), InvalidInput);
      await assert.rejects(execute(Deposit, of(1), { expectedVersion: -1 }), InvalidInput);
      await assert.rejects(execute(Deposit, of(1), { idd: 'x' }), InvalidDefinition);
      await assert.rejects(execute(Deposit, of(1, 'x'.repeat(600))), InvalidInput);
      assert.equal((await system.events.read()).events.length, 0);
    },

    async 'a deleted stream takes no command; one whose beginning is gone tells that its state cannot be told (ES9)'(
      stage,
    ) {
      const { system } = await stage.start({ deciders: [accounts()] });
      await system.execute(Deposit, of(1));
      await system.deleteStream(STREAM);
      await assert.rejects(system.execute(Deposit, of(1)), StreamDeleted);
      await assert.rejects(system.deciders.state('account', STREAM), StreamDeleted);
      for (const n of [1, 2, 3]) await system.publish(Deposited, of(n, 'b'));
      await system.truncateStream('account-b', 3);
      await assert.rejects(system.execute(Deposit, of(1, 'b')), (error) => {
        assert.ok(error instanceof HistoryIncomplete);
        assert.deepEqual([error.stream, error.firstVersion], ['account-b', 3]);
        return true;
      });
      await system.truncateStream('account-b', 4);
      await assert.rejects(system.execute(Deposit, of(1, 'b')), HistoryIncomplete);
      await assert.rejects(system.deciders.state('account', 'account-b', { version: 2 }), HistoryIncomplete);
    },
  });
