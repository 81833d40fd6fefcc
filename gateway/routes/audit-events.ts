import { Readable } from 'node:stream';
import { z } from 'zod';
import { name } from '#platform/validation/fields.ts';
import type { AuditEvent, AuditFilter } from '#proto/musubi/auth/v1/auth.ts';
import { pageOf, pageSchema, paging } from '../http/paging.ts';
import { route } from '../http/route.ts';
import { EXAMPLE_ID, idOf } from '../id.ts';
import { iso } from './time.ts';

/** How long an export may take, ms. */
const EXPORT_TIMEOUT_MS = 3_600_000;
/** How often Auth is asked whether who exports still may, ms. */
const ASKED_EVERY_MS = 100;

const eventSchema = z
  .strictObject({
    sequence: z.int().meta({ description: 'Its place: 1, 2, 3, …' }),
    id: z.string(),
    at: z.iso.datetime().meta({ description: 'Of refusals: when their minute began' }),
    action: z
      .string()
      .meta({ description: 'As `x-action` of the operations names it, or `auth.login`, `auth.refresh`, `auth.authenticate`' }),
    outcome: z.string().meta({
      description: '`DONE`; `UNDONE` when what an earlier event of the same job tells was taken back; or the code of refusals',
    }),
    count: z.int().optional().meta({
      description: 'Of refusals: how many in one minute. Of the deletion of a group with others below it: how many groups went',
    }),
    actorId: z.string().optional().meta({ description: 'The member that did it; absent: the system itself, or nobody knows' }),
    resources: z.array(z.strictObject({ type: z.string(), id: z.string() })).meta({
      description:
        'To what it was done: first what was asked for. Of the groups that are deleted with one a hundred are named, the oldest first. Of members in a group the positions are named that they come to hold by it, hold for longer or less long, or are let go from; until when is not said',
    }),
    sessionId: z.string().optional(),
    jobId: z.string().optional(),
    traceId: z.string().optional(),
    origin: z
      .strictObject({
        address: z.string().meta({ description: 'An IPv4 address, or an IPv6 network of 64 bits; empty: not known' }),
        client: z.string().meta({ description: 'What the client calls itself (`User-Agent`); empty: not known' }),
      })
      .nullable()
      .optional()
      .meta({ description: 'From where; absent: not known; null: its member has been erased' }),
  })
  .meta({
    id: 'AuditEvent',
    examples: [
      {
        sequence: 1_742,
        id: EXAMPLE_ID,
        at: '2026-11-26T08:15:00.000Z',
        action: 'member.suspend',
        outcome: 'DONE',
        actorId: EXAMPLE_ID,
        resources: [{ type: 'Member', id: EXAMPLE_ID }],
        sessionId: EXAMPLE_ID,
        jobId: EXAMPLE_ID,
        traceId: '0af7651916cd43dd8448eb211c80319c',
        origin: { address: '192.0.2.17', client: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0' },
      },
    ],
  });

const time = z.iso.datetime({ offset: true }).meta({ examples: ['2026-11-26T00:00:00Z'] });

const filters = {
  memberId: idOf('member').optional().meta({ description: 'Only what this member did, or what was done to it' }),
  action: name.optional().meta({ description: 'Only this action', examples: ['member.suspend'] }),
  since: time.optional().meta({ description: 'Not before this' }),
  until: time.optional().meta({ description: 'Before this' }),
};

const filterOf = ({ memberId, action, since, until }: z.output<z.ZodObject<typeof filters>>): AuditFilter => ({
  memberId,
  action,
  since: since === undefined ? undefined : new Date(since),
  until: until === undefined ? undefined : new Date(until),
});

const access = {
  tag: 'Auth',
  action: 'audit.list',
  resource: () => ({ type: 'System', id: '', ownerId: '' }),
} as const;

const listAuditEvents = route({
  ...access,
  method: 'GET',
  path: '/v1/audit-events',
  operationId: 'listAuditEvents',
  summary: 'Who did what to whom, newest first',
  description: 'What is done is there once it is acknowledged; refusals, which are counted, a minute later.',
  query: { ...filters, ...paging },
  responses: { 200: { description: 'A page of events', schema: pageSchema(eventSchema, 'AuditEventPage') } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ query: { pageSize, pageToken = '', ...filter } }, { auth }) {
    const { events, nextPageToken } = await auth.listAuditEvents({ filter: filterOf(filter), pageSize, pageToken });
    return pageOf(events.map(view), nextPageToken);
  },
});

const exportAuditEvents = route({
  ...access,
  method: 'GET',
  path: '/v1/audit-events:export',
  operationId: 'exportAuditEvents',
  summary: 'All of it as JSON lines, oldest first',
  description:
    'One `AuditEvent` in each line. A connection that ends before the answer does has not brought all of it: so it ends when the ' +
    'permission does, or the token.',
  query: filters,
  responses: { 200: { description: 'The events', contentType: 'application/jsonl', schema: z.string() } },
  async handle({ query, accessToken }, { auth }) {
    const asked = { accessToken, action: access.action, filtered: false, resource: access.resource() };
    const events = auth.exportAuditEvents({ filter: filterOf(query) }, { timeoutMs: EXPORT_TIMEOUT_MS })[Symbol.asyncIterator]();
    // What is refused is refused before anything is answered.
    const first = await events.next();
    const body = Readable.from(
      linesOf(first, events, () => auth.authorize(asked)),
      { objectMode: false },
    );
    return { status: 200 as const, body, headers: { 'Content-Type': 'application/jsonl' } };
  },
});

/** Read as it is taken: who takes no more ends it, and so does who may not any more. @param authorize throws then */
async function* linesOf(
  first: IteratorResult<AuditEvent>,
  events: AsyncIterator<AuditEvent>,
  authorize: () => Promise<unknown>,
): AsyncGenerator<string> {
  try {
    let askedAt = performance.now();
    for (let next = first; !next.done; next = await events.next()) {
      if (performance.now() - askedAt > ASKED_EVERY_MS) {
        await authorize();
        askedAt = performance.now();
      }
      yield `${JSON.stringify(view(next.value))}\n`;
    }
  } finally {
    await events.return?.();
  }
}

const view = ({ sequence, eventId, at, action, outcome, count, resources, origin, erased, ...who }: AuditEvent) => ({
  sequence,
  id: eventId,
  at: iso(at),
  action,
  outcome,
  count,
  actorId: who.actorId,
  resources,
  sessionId: who.sessionId,
  jobId: who.jobId,
  traceId: who.traceId,
  origin: erased ? null : origin,
});

export const auditEventRoutes = [listAuditEvents, exportAuditEvents];
