import { z } from 'zod';

/** What the answers look like: gives the handlers their types and the document of the interface its schemas. */
export const schemas = z.registry<{ id: string }>();

function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  schemas.add(schema, { id });
  return schema;
}

const position = z.int().min(0).describe('A place in the log. Compare positions; their difference means nothing.');
const timestamp = z.iso.datetime({ offset: true });
const count = z.int().min(0);

const event = named(
  'Event',
  z
    .looseObject({
      specversion: z.literal('1.0'),
      id: z.string(),
      source: z.string(),
      type: z.string(),
      subject: z.string().optional(),
      time: timestamp,
      recordedtime: timestamp,
      correlationid: z.string(),
      causationid: z.string().optional(),
      datacontenttype: z.string().optional(),
      dataschema: z.string().optional(),
      stream: z.string(),
      version: z.int().min(1),
      position,
      data: z.unknown().optional(),
      data_base64: z.string().optional(),
    })
    .describe('A recorded event in the CloudEvents JSON format, with its place.'),
);

named(
  'IncomingEvent',
  z
    .looseObject({
      specversion: z.literal('1.0'),
      id: z.string().min(1),
      source: z.string().min(1),
      type: z.string().min(1),
      subject: z.string().min(1).optional(),
      time: timestamp.optional(),
      datacontenttype: z.string().optional(),
      stream: z.string().min(1).max(512).optional().describe('The stream that the producer asks for.'),
      data: z.unknown().optional(),
      data_base64: z.string().optional(),
    })
    .describe('An event in the CloudEvents JSON format; extension attributes stand beside these.'),
);

const published = named(
  'Published',
  z.strictObject({
    id: z.string(),
    source: z.string(),
    stream: z.string(),
    version: z.int().min(1),
    position,
    recordedtime: timestamp,
    duplicate: z.boolean().describe('Recorded before; this is the place of the first one.'),
    quarantined: z
      .boolean()
      .describe('The data does not fit the schema: it waits as a dead letter of thereupon.quarantine.'),
  }),
);
named('PublishedBatch', z.strictObject({ results: z.array(published) }));
named(
  'CommandList',
  z.strictObject({
    commands: z.array(
      z.strictObject({
        name: z.string(),
        summary: z.string().optional(),
        decider: z.string(),
        jsonSchema: z.unknown().optional().describe('Of its data, JSON Schema 2020-12.'),
      }),
    ),
  }),
);
named(
  'CommandOutcome',
  z.strictObject({
    id: z.string().describe('Of the command.'),
    command: z.string(),
    accepted: z.literal(true),
    events: z.array(published.extend({ type: z.string() })).describe('The facts that were recorded.'),
    stream: z.string().optional().describe('That decided it, where it was one.'),
    version: z.int().min(0).optional().describe('Of that stream, with these facts.'),
    position: position.optional().describe('Of the last of the facts.'),
    duplicate: z.boolean().describe('Executed before; this is what came of it then.'),
    state: z.unknown().optional().describe('Of the stream with these facts; not of a repetition.'),
  }),
);
named(
  'EventPage',
  z.strictObject({
    events: z.array(event),
    next: position.optional().describe('For the next page, as `after` or, backward, `before`.'),
  }),
);

const streamState = {
  stream: z.string(),
  version: count.describe('Of the last event.'),
  firstVersion: z.int().min(1).describe('The first one that can still be read.'),
  deleted: z.boolean(),
};
named('StreamList', z.strictObject({ streams: z.array(z.strictObject(streamState)), next: z.string().optional() }));
named(
  'Stream',
  z.strictObject({
    ...streamState,
    events: z.array(event),
    next: z.int().min(1).optional().describe('For the next page, as `from`.'),
  }),
);

const stateAt = {
  decider: z.string(),
  stream: z.string(),
  version: count.describe('Of the last event that the state is made of; 0: of none.'),
  events: count.describe('How many it is made of: fewer than `version` where some happened later than was asked for.'),
  state: z.unknown(),
  position: position.optional(),
  time: timestamp.optional(),
  recordedtime: timestamp.optional(),
};
named('StreamStateAt', z.strictObject(stateAt).describe('The state of a stream at a point of its history.'));
named(
  'StreamDifference',
  z.strictObject({
    from: z.strictObject(stateAt),
    to: z.strictObject(stateAt),
    differences: z.array(
      z.strictObject({
        path: z.string().describe('A JSON pointer; empty: the whole state.'),
        before: z.unknown().optional(),
        after: z.unknown().optional(),
      }),
    ),
  }),
);

const eventLink = z.strictObject({
  kind: z.literal('event'),
  event,
  publishedBy: z.string().optional().describe('The reaction that published it.'),
});
const commandLink = z.strictObject({
  kind: z.literal('command'),
  id: z.string(),
  name: z.string(),
  time: timestamp,
  accepted: z.boolean(),
  reason: z.string().optional(),
  actor: z.strictObject({ type: z.string(), id: z.string().optional() }).optional().describe('Who gave it.'),
  because: z.string().optional().describe('Why, as whoever gave it says.'),
  caller: z
    .strictObject({ key: z.string().optional(), address: z.string().optional() })
    .optional()
    .describe(
      'Through what it came: the name of the API key, where it names another actor; the address, where the server keeps it.',
    ),
});
const unknownLink = z.strictObject({
  kind: z.literal('unknown'),
  id: z.string().describe('Of a cause that lies outside, or was removed.'),
});
const causes = named(
  'Causes',
  z.strictObject({
    event,
    publishedBy: z.string().optional(),
    causes: z.array(z.union([eventLink, commandLink, unknownLink])).describe('From the direct one to the first.'),
  }),
);
named(
  'CommandCauses',
  z.strictObject({
    command: commandLink,
    causes: z.array(z.union([eventLink, commandLink, unknownLink])).describe('From the direct one to the first.'),
    events: z
      .array(published.extend({ type: z.string() }))
      .describe('The facts that it led to, as far as retention has left them.'),
  }),
);
const hexDigest = z.string().regex(/^[\da-f]{64}$/v);
named(
  'Forgotten',
  z.strictObject({
    subject: z.string(),
    keys: z.int().min(0).describe('Keys that were deleted; 0: there was none.'),
  }),
);
const chainHead = named(
  'ChainHead',
  z.strictObject({
    number: z.int().min(1).describe('Of the newest link.'),
    position: position.describe('Of the newest event that is attested.'),
    hash: hexDigest,
    recordedMs: z.int(),
  }),
);
named(
  'Verification',
  z.strictObject({
    ok: z.boolean(),
    events: count.describe('That are what was recorded.'),
    removed: count.describe('That were removed in order.'),
    began: position.describe('Up to here events were there before the chain began.'),
    head: chainHead.optional().describe('What was verified goes up to here. Absent: there is no chain any more.'),
    finding: z
      .strictObject({
        kind: z.enum(['altered', 'missing', 'inserted', 'chain-altered', 'chain-removed', 'head-differs']),
        position,
        event: z
          .strictObject({
            id: z.string(),
            source: z.string(),
            type: z.string(),
            stream: z.string(),
            version: z.int(),
          })
          .optional(),
        message: z.string(),
      })
      .optional()
      .describe('The first thing that is wrong.'),
  }),
);
const lost = z.array(z.string()).describe('Categories that have lost events, some of which may be in the row, too.');
named('RowCauses', z.strictObject({ view: z.string(), key: z.string(), events: count, lost, last: z.array(causes) }));

interface Effect {
  readonly kind: string;
  readonly effects: readonly Effect[];
}

const effect: z.ZodType<Effect> = named(
  'Effect',
  z.union([
    eventLink.extend({
      get effects() {
        return z.array(effect);
      },
    }),
    commandLink.extend({
      get effects() {
        return z.array(effect);
      },
    }),
    z.strictObject({ kind: z.literal('row'), view: z.string(), key: z.string(), effects: z.array(z.never()) }),
  ]),
);
named(
  'Effects',
  z.strictObject({
    event,
    effects: z.array(effect),
    isWhole: z.boolean().describe('False: only the first events of its conversation were looked at.'),
  }),
);
const whyNot = named(
  'WhyNot',
  z.strictObject({
    consumer: z.string(),
    verdict: z.enum([
      'filtered',
      'before-its-beginning',
      'handled',
      'parked',
      'waiting',
      'retrying',
      'paused',
      'stopped',
      'stalled',
      'building',
      'build-failed',
      'build-cancelled',
      'not-reached',
    ]),
    reasons: z.array(z.string()),
    behind: z.strictObject({ position, source: z.string(), id: z.string() }).optional(),
    deadLetter: z.string().optional(),
    published: z.array(event),
  }),
);
named('Run', z.strictObject({ ...whyNot.shape, ...causes.shape }));

interface ErrorReport {
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly stack?: string | undefined;
  readonly cause?: ErrorReport | undefined;
}

const errorReport: z.ZodType<ErrorReport> = named(
  'ErrorReport',
  z.strictObject({
    name: z.string(),
    message: z.string(),
    code: z.string().optional(),
    stack: z.string().optional(),
    get cause() {
      return errorReport.optional();
    },
  }),
);

const rebuild = named(
  'Rebuild',
  z.strictObject({
    id: z.string().describe('Which build it is.'),
    view: z.string(),
    version: z.int().min(1).describe('Of the definition that is built.'),
    state: z.enum(['building', 'failed', 'switched', 'compared', 'cancelled']),
    dryRun: z.boolean(),
    from: position.describe('The rows begin with the events after it.'),
    events: count.describe('Events of the log that are behind it, also those that do not concern the view.'),
    total: count.describe('Of so many.'),
    percent: z.number().min(0).max(100),
    secondsLeft: count.optional(),
    parked: count.describe('Dead letters of the build, which become those of the view.'),
    failure: z
      .strictObject({
        position: z.int(),
        source: z.string(),
        id: z.string(),
        type: z.string(),
        key: z.string(),
        error: z.string(),
      })
      .optional()
      .describe('The event that stopped it.'),
    switched: z.boolean().describe('Its rows are those of the view.'),
    comparison: z
      .strictObject({
        rows: z.strictObject({ serving: count, built: count }),
        differences: z
          .strictObject({
            added: count,
            removed: count,
            changed: count,
            sample: z.array(z.strictObject({ key: z.string(), change: z.enum(['added', 'removed', 'changed']) })),
          })
          .optional()
          .describe('Left out where both are of different places in the log.'),
        reason: z.string().optional().describe('Why they were not compared.'),
      })
      .optional()
      .describe('Of a dry run that is over.'),
  }),
);

const consumer = named(
  'Consumer',
  z.strictObject({
    name: z.string(),
    kind: z.string(),
    mode: z.string(),
    summary: z.string().optional(),
    state: z
      .enum(['running', 'paused', 'stalled', 'stopped', 'building', 'build-failed', 'build-cancelled'])
      .describe(
        '`building`: its rows are of an older version, and stay as they are until those of the present one are built. `build-failed`, `build-cancelled`: they stay so until the build is asked for again.',
      ),
    reason: z.string().optional(),
    live: z.boolean().describe('At the head of the log.'),
    inline: z
      .enum(['in-force', 'catching-up'])
      .optional()
      .describe('Of an inline projection: whether its rows are changed where events are recorded at the moment.'),
    began: position
      .optional()
      .describe('It was given no event up to here: it began later, or its rows were built from there.'),
    position,
    lag: z.strictObject({ events: count, seconds: z.number().min(0) }),
    inFlight: count,
    buffered: count,
    retrying: count,
    parked: count,
    waiting: count,
    figures: z.strictObject({
      handled: count,
      failed: count,
      retried: count,
      parked: count,
      expired: count,
      late: count,
      heldBack: count,
      commits: count,
      lastHandledTime: timestamp.optional(),
      lastError: z.strictObject({ time: timestamp, eventId: z.string(), error: errorReport }).optional(),
    }),
    time: z
      .strictObject({
        watermark: timestamp.optional().describe('Nothing from before it is expected any more.'),
        timers: count.describe('Keys for which something is due at some time.'),
        held: count.describe('Events that wait for others before them.'),
      })
      .optional()
      .describe('Of one that goes by event time, where it runs in the process that answers.'),
    build: rebuild.optional().describe('What is being built to take the place of its rows.'),
  }),
);
named(
  'HeldList',
  z.strictObject({ held: z.array(z.strictObject({ key: z.string(), events: count, waitsFor: z.string() })) }),
);
named('ConsumerList', z.strictObject({ consumers: z.array(consumer) }));

const deadLetter = named(
  'DeadLetter',
  z.strictObject({
    id: z.string().describe('consumer~position'),
    consumer: z.string(),
    key: z.string(),
    position: z
      .int()
      .describe('Of the event in the log. Below 0: of no event, of a key that was expected and of which none came.'),
    attempts: count,
    firstFailedTime: timestamp.optional(),
    lastFailedTime: timestamp.optional(),
    error: errorReport.optional(),
    edited: z.boolean(),
    part: z
      .string()
      .optional()
      .describe('What failed, where several things come of an event or of time: a discard gives up that alone.'),
    editable: z.boolean().describe('Whether it may be retried with other data.'),
    waitingBehind: count,
    event: event
      .optional()
      .describe(
        'Of a part that is no event the one that brought it on. Left out when the event is no longer in the log.',
      ),
  }),
);
named('DeadLetterPage', z.strictObject({ items: z.array(deadLetter), next: z.string().optional() }));
named('Released', z.strictObject({ released: count.describe('How many are tried again.') }));
named('Discarded', z.strictObject({ discarded: count }));

named(
  'ViewList',
  z.strictObject({
    views: z.array(
      z.strictObject({
        name: z.string(),
        summary: z.string().optional(),
        mode: z
          .enum(['inline', 'async'])
          .describe('When rows change: in the transaction that records an event, or soon after.'),
        version: z.int().min(1),
        events: z.array(z.string()),
        indexes: z.array(z.string()),
        tables: z.array(z.string()).describe('Of a view with tables in place of rows, as the database calls them.'),
      }),
    ),
  }),
);
const viewRow = named('ViewRow', z.strictObject({ key: z.string(), row: z.unknown() }));
named('ViewPage', z.strictObject({ items: z.array(viewRow), next: z.string().optional() }));

named(
  'Catalog',
  z.strictObject({
    events: z.array(
      z.strictObject({
        type: z.string(),
        version: z.int().min(1),
        summary: z.string().optional(),
        onInvalid: z.string(),
        vendor: z.string(),
        jsonSchema: z.unknown().optional(),
        upcastsFrom: z.array(z.int()).optional(),
        defined: z.boolean(),
        publishedBy: z.array(z.string()),
        consumedBy: z.array(z.string()),
      }),
    ),
    reactions: z.array(
      z.strictObject({
        name: z.string(),
        kind: z.string(),
        summary: z.string().optional(),
        consumes: z.array(z.string()).optional(),
        publishes: z.array(z.string()),
      }),
    ),
  }),
);
named('JsonSchema', z.looseObject({}));
named('OpenApi', z.looseObject({ openapi: z.string() }));
named('AsyncApi', z.looseObject({ asyncapi: z.string() }));
named('Status', z.strictObject({ status: z.string(), pid: z.int().optional() }));

named(
  'Problem',
  z
    .looseObject({
      type: z.string().describe('urn:thereupon:problem:<code>'),
      title: z.string(),
      status: z.int(),
      detail: z.string(),
      code: z.string().describe('Stable over releases.'),
    })
    .describe('RFC 9457. The fields that say which part of the request is meant stand beside these.'),
);

export type ConsumerDocument = z.infer<typeof consumer>;
export type RebuildDocument = z.infer<typeof rebuild>;
export type DeadLetterDocument = z.infer<typeof deadLetter>;
export type ErrorDocument = ErrorReport;
