import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { ConsumerStatus, Published } from '../index.ts';
import type { ServedSystem } from './served-system.ts';

type Figure = 'handled' | 'failed' | 'retried' | 'parked' | 'expired' | 'late' | 'heldBack' | 'commits';

const FIGURES: readonly (readonly [figure: Figure, name: string, help: string])[] = [
  ['handled', 'handled', 'Events handled'],
  ['failed', 'failed', 'Attempts that failed'],
  ['retried', 'retried', 'Failed attempts that are repeated'],
  ['parked', 'parked', 'Events set aside as dead letters'],
  ['expired', 'expired', 'Events whose time had run out'],
  ['late', 'late', 'Events that came too late to count, in event time'],
  ['heldBack', 'held_back', 'Events queued behind an earlier one of their key'],
  ['commits', 'commits', 'Commits of effects with the checkpoint'],
];

/** Undefined: it has no meaning for this consumer, which then has no such figure. */
type Standing = (status: ConsumerStatus) => number | undefined;

const STANDINGS: readonly (readonly [name: string, help: string, value: Standing])[] = [
  ['lag_events', 'Events that are not handled yet', ({ lag }) => lag.events],
  ['lag_seconds', 'Age of the oldest event that is not handled yet', ({ lag }) => lag.seconds],
  ['position', 'Everything up to this position is settled', ({ position }) => position],
  ['in_flight', 'Attempts under way', ({ inFlight }) => inFlight],
  ['retrying', 'Events that wait for their next attempt', ({ retrying }) => retrying],
  ['dead_letters', 'Events set aside', ({ parked }) => parked],
  ['waiting', 'Events that wait behind another one or until they are due', ({ waiting }) => waiting],
  ['watermark_seconds', 'Event time up to which everything is expected to be there', ({ time }) => watermark(time)],
  ['timers', 'Keys for which something is due at some time', ({ time }) => time?.timers],
  ['held_events', 'Events that wait for earlier ones of their key', ({ time }) => time?.held],
  ['build_percent', 'How far the build is that is to take the place of its rows', ({ build }) => build?.percent],
  [
    'build_failed',
    '1 when a build of its rows failed or was cancelled, and it goes on only when asked to',
    buildFailed,
  ],
  ['up', '1 when running', ({ state }) => (state === 'running' ? 1 : 0)],
];

/** In seconds since 1970, as the alarms of Prometheus compare them with `time()`. */
function watermark(time: ConsumerStatus['time']): number | undefined {
  return time?.watermarkMs === undefined ? undefined : time.watermarkMs / 1_000;
}

function buildFailed({ kind, state, build }: ConsumerStatus): number | undefined {
  if (kind !== 'projection') return undefined;
  return build?.state === 'failed' || state === 'build-failed' || state === 'build-cancelled' ? 1 : 0;
}

/** What happened on the interface, counted as it happens; and how the system stands, looked up when somebody asks. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #system: ServedSystem;
  readonly #events: Counter<'outcome'>;
  readonly #requests: Histogram<'method' | 'route' | 'status'>;
  readonly #figures = new Map<Figure, Counter<'consumer'>>();
  readonly #standings: readonly Gauge<'consumer'>[];
  #processMetrics = false;

  constructor(system: ServedSystem, liveStreams: () => number) {
    const registers = [this.#registry];
    this.#system = system;
    this.#events = new Counter({
      name: 'thereupon_http_events_total',
      help: 'Events taken over HTTP, by what became of them',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of ['recorded', 'duplicate', 'quarantined']) this.#events.inc({ outcome }, 0);
    this.#requests = new Histogram({
      name: 'thereupon_http_request_seconds',
      help: 'Time until a request was answered; of a live stream, until it began',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      registers,
    });
    for (const [figure, name, help] of FIGURES) {
      this.#figures.set(
        figure,
        new Counter({
          name: `thereupon_consumer_${name}_total`,
          help: `${help}, since the process started`,
          labelNames: ['consumer'],
          registers,
        }),
      );
    }
    this.#standings = STANDINGS.map(
      ([name, help]) => new Gauge({ name: `thereupon_consumer_${name}`, help, labelNames: ['consumer'], registers }),
    );
    this.#simple('thereupon_live_streams', 'Clients that follow the log', liveStreams);
    this.#simple('thereupon_log_head_position', 'Position of the last event', () => system.events.head());
    this.#simple('thereupon_store_waiting', 'Writes that wait for the store', () => system.pressure().waiting);
    this.#simple('thereupon_store_waiting_limit', 'The most writes that may wait', () => system.pressure().limit);
  }

  published({ duplicate, quarantined }: Published): void {
    this.#events.inc({ outcome: duplicate ? 'duplicate' : quarantined ? 'quarantined' : 'recorded' });
  }

  answered(request: {
    readonly method: string;
    readonly route: string;
    readonly status: number;
    readonly seconds: number;
  }): void {
    const { method, route, status, seconds } = request;
    this.#requests.observe({ method, route, status }, seconds);
  }

  async exposition(): Promise<{ readonly text: string; readonly contentType: string }> {
    // Not before somebody wants them: they sample the event loop all the time.
    if (!this.#processMetrics) collectDefaultMetrics({ register: this.#registry });
    this.#processMetrics = true;
    this.#stand(await this.#system.consumers.list());
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }

  /** From scratch, so that a consumer which was forgotten is gone here too. */
  #stand(consumers: readonly ConsumerStatus[]): void {
    for (const [figure, counter] of this.#figures) {
      counter.reset();
      for (const { name, figures } of consumers) counter.inc({ consumer: name }, figures[figure]);
    }
    for (const [index, gauge] of this.#standings.entries()) {
      gauge.reset();
      for (const status of consumers) {
        const value = STANDINGS[index]?.[2](status);
        if (value !== undefined) gauge.set({ consumer: status.name }, value);
      }
    }
  }

  #simple(name: string, help: string, value: () => number | Promise<number>): void {
    const gauge = new Gauge({
      name,
      help,
      registers: [],
      async collect() {
        this.set(await value());
      },
    });
    this.#registry.registerMetric(gauge);
  }
}
