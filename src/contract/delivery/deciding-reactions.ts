import { defineConsumer } from '../../consumer/define-consumer.ts';
import type { ConsumerDefinition } from '../../consumer/define-consumer.ts';
import type { CommandOutcome } from '../../decider/command-outcome.ts';
import type { ExecuteOptions } from '../../decider/deciders.ts';
import type { Overdrawn } from './deciding-samples.ts';

/** Who executes a command. */
type Execute = (data: { account: string; amount: number }, options: ExecuteOptions) => Promise<CommandOutcome>;

/** A consumer that executes a command for each event, and fails after its first attempt. */
export function reactionTo(
  event: typeof Overdrawn,
  execute: () => Execute,
): { readonly consumer: ConsumerDefinition; readonly seen: { attempts: number } } {
  const seen = { attempts: 0 };
  const consumer = defineConsumer({
    name: 'covering',
    on: event,
    retry: { attempts: 3, minDelay: 0 },
    async handle({ event: { data }, idempotencyKey }) {
      seen.attempts += 1;
      await execute()(data, { id: idempotencyKey });
      if (seen.attempts === 1) throw new Error('after the command');
    },
  });
  return { consumer, seen };
}
