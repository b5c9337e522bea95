import { Closed } from '../errors.ts';
import { waitFor } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import type { Cluster, ClusterView, LanesChange } from './cluster.ts';
import { isUnbalanced, leaseOf, quotas, rebalanced, released } from './lanes.ts';
import type { LaneGroup, Lease, NodeId, NodeWork } from './lanes.ts';
import { Receivers } from './receivers.ts';

export interface MembershipOptions {
  readonly cluster: Cluster;
  readonly environment: Environment;
  /** Names of the consumers that this program runs at present. */
  consumers(): readonly string[];
  /** Nodes or lanes are not as they were. */
  changed(): Promise<void>;
  /** The lease of this node is over: whatever it held may be another's. */
  expelled(): void;
}

const NOTHING: ClusterView = { nodes: [], lanes: new Map(), paused: new Map(), inForce: new Set() };

/**
 * This process among the nodes that share the work: knows what it has of each consumer, and what it is to have.
 *
 * States    outside → member ⇄ expelled (its lease ran out; it joins again) → left.
 * Invariants
 * 1. One look at a time; what is asked for meanwhile is served by the next one.
 */
export class Membership {
  readonly #options: MembershipOptions;
  #node: NodeId | undefined;
  #view = NOTHING;
  /** What of the definitions another program has taken over. */
  readonly #withdrawn = new Set<string>();
  readonly #receivers: Receivers;
  /** What the view says holds no more, and it was not looked at since. */
  #isViewOver = false;
  /** Rises when this node begins and ends to take lanes. */
  #takings = 0;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #left = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#receivers = new Receivers(() => this.#announce());
  }

  /** Becomes a member. Errors as of the store. */
  async join(): Promise<void> {
    const { cluster, environment } = this.#options;
    this.#node = await cluster.join(this.#work, {
      changed: () => this.look(),
      expelled: () => this.#expelled(),
      joined: (node) => {
        environment.logger.info({ node }, 'this node joined the others again');
        this.#node = node;
        this.look();
      },
    });
    this.#view = await cluster.view();
  }

  /** Lets go of everything. */
  async leave(): Promise<void> {
    this.#left = true;
    this.#receivers.close();
    await this.#looking;
    this.#node = undefined;
    try {
      await this.#options.cluster.leave();
    } catch (error) {
      // The others find out when the lease is over.
      this.#options.environment.logger.warn({ err: error }, 'the store could not be told that this node leaves');
    }
  }

  /** The token of what this node holds of a consumer, as of the last look; undefined: it holds nothing. */
  tokenOf(consumer: string): number | undefined {
    return this.#node === undefined ? undefined : leaseOf(this.#groups(consumer), this.#node)?.token;
  }

  holdsAll(consumer: string): boolean {
    const groups = this.#groups(consumer);
    return groups.length > 0 && groups.every(({ holder }) => holder === this.#node);
  }

  /**
   * Whether members hold all lanes of the consumers that run here and are not paused, and this one what it is to have, as far as is known:
   * none are on their way from one to another.
   */
  get allHeld(): boolean {
    const node = this.#node;
    if (this.#isViewOver) return false;
    // It takes no part.
    if (node === undefined) return true;
    for (const name of this.#work.consumers) {
      let held = 0;
      const groups = this.#groups(name);
      for (const { holder, lanes } of groups) {
        if (holder === undefined || !this.#isMember(holder)) return false;
        if (holder === node) held += lanes.length;
      }
      if (groups.length > 0 && held !== this.#quota(name, node)) return false;
    }
    return true;
  }

  /** Whether this node has too much of a consumer, or too little although there is more to have. */
  isUnbalanced(consumer: string): boolean {
    const node = this.#node;
    if (node === undefined) return false;
    return isUnbalanced(this.#groups(consumer), node, this.#quota(consumer, node), (id) => this.#isMember(id));
  }

  /** Takes what this node is to have of a consumer. Undefined: nothing, at present. */
  async take(consumer: string): Promise<Lease | undefined> {
    const node = this.#node;
    if (node === undefined || this.#left) return undefined;
    if (this.#isViewOver) {
      // Who else there is must be known, or it would be taken for dead.
      this.look();
      return undefined;
    }
    const quota = this.#quota(consumer, node);
    // Who is a member is asked of the store: one that joined since this node looked is not dead, and works.
    const change: LanesChange = (before, isMember) => rebalanced(before, node, quota, isMember);
    this.#takings += 1;
    const groups = await this.#options.cluster.changeLanes(consumer, change).finally(() => (this.#takings += 1));
    this.#view = { ...this.#view, lanes: new Map([...this.#view.lanes, [consumer, groups]]) };
    return node === this.#node ? leaseOf(groups, node) : undefined;
  }

  /** Another program brought the consumer into another form: here it is not handled any more. */
  withdraw(consumer: string): void {
    if (this.#withdrawn.has(consumer)) return;
    this.#withdrawn.add(consumer);
    this.#announce();
  }

  /** It takes part again in what it withdrew from, if it did. */
  takePart(consumer: string): void {
    if (this.#withdrawn.delete(consumer)) this.#announce();
  }

  /** It is one of its consumers from now on, or none any more. */
  consumersChanged(consumer: string): void {
    this.#withdrawn.delete(consumer);
    this.#announce();
  }

  /** Whether it takes part, and so may hold what others handle. */
  get takesPart(): boolean {
    return this.#node !== undefined && !this.#left;
  }

  /** Whether this node holds a lane that every consumer has: of several nodes one does what is to be done once. */
  isFirst(consumer: string): boolean {
    return this.#groups(consumer).some(({ holder, lanes }) => lanes[0] === 0 && holder === this.#node);
  }

  /** Names of the consumers that the store knew when this node looked. */
  knows(consumer: string): boolean {
    return this.#view.lanes.has(consumer) || this.#view.paused.has(consumer);
  }

  /** Takes all lanes of a consumer, whoever holds them; what these commit from now on is refused. Of one that is paused they stay as they are. */
  async takeAll(consumer: string): Promise<readonly LaneGroup[]> {
    const node = this.#node;
    if (node === undefined || this.#left) throw new Closed('the membership of this node');
    const change = (groups: readonly LaneGroup[]) => released(groups).map((group) => ({ ...group, holder: node }));
    const taken = await this.#options.cluster.changeLanes(consumer, change);
    if (taken.length > 0) return taken;
    return (await this.#options.cluster.view()).paused.get(consumer) ?? [];
  }

  /** Lets go of all lanes of a consumer. */
  async release(consumer: string): Promise<void> {
    await this.#options.cluster.changeLanes(consumer, released);
  }

  /** Somebody receives from a queue here, until the answered function is called, and is expected to come again soon, or while `busy`. */
  receiving(queue: string, busy: () => boolean): () => void {
    return this.#receivers.come(queue, busy);
  }

  get #work(): NodeWork {
    return {
      consumers: this.#options.consumers().filter((name) => !this.#withdrawn.has(name)),
      receiving: this.#receivers.queues,
    };
  }

  #announce(): void {
    if (this.#left) return;
    this.#options.cluster.announce(this.#work).catch((error: unknown) => {
      this.#options.environment.logger.warn(
        { err: error },
        'the other nodes could not be told what this one takes part in',
      );
    });
  }

  /** How long attempts under way may hold up that lanes change hands. */
  async patience(signal: AbortSignal): Promise<void> {
    await waitFor(this.#options.environment.clock, this.#options.cluster.leaseMs, signal).catch(() => undefined);
  }

  /** Looks soon at what has become of nodes and lanes. */
  look(): void {
    if (this.#left || this.#node === undefined) return;
    this.#lookAgain = true;
    this.#looking ??= this.#lookWhileAsked().finally(() => {
      this.#looking = undefined;
      if (this.#lookAgain) this.look();
    });
  }

  async #lookWhileAsked(): Promise<void> {
    const { cluster, environment } = this.#options;
    while (this.#lookAgain && !this.#left) {
      this.#lookAgain = false;
      try {
        const seen = this.#takings;
        const view = await cluster.view();
        if (this.#left) return;
        if (this.#takings !== seen) {
          // What was looked at was changing: it may be older than what this node knows.
          this.#lookAgain = true;
          continue;
        }
        this.#view = view;
        this.#isViewOver = false;
        await this.#options.changed();
      } catch (error) {
        // The next renewal of the lease looks again.
        environment.logger.warn({ err: error }, 'nodes and lanes could not be looked at');
      }
    }
  }

  #expelled(): void {
    this.#options.environment.logger.error(
      { node: this.#node },
      'the lease of this node ran out: what it held may be handled by others now',
    );
    this.#node = undefined;
    this.#view = NOTHING;
    this.#isViewOver = true;
    this.#options.expelled();
  }

  #groups(consumer: string): readonly LaneGroup[] {
    return this.#view.lanes.get(consumer) ?? [];
  }

  #quota(consumer: string, node: NodeId): number {
    return quotas(consumer, this.#view.nodes).get(node) ?? 0;
  }

  #isMember(id: NodeId): boolean {
    return this.#view.nodes.some((node) => node.id === id);
  }
}
