import type { Filter, FindCursor } from 'mongodb';
import { z } from 'zod';
import { invalidFields } from '#platform/errors.ts';
import { kept, LONGEST_NAME, PAGE_SIZE, pageSize as pageSizeRule } from '#platform/validation/fields.ts';
import { requireId } from '#platform/validation/id.ts';
import { fromPageToken, timeInPlace, toPageToken } from '#platform/validation/page-token.ts';
import type {
  AuditEvent,
  AuditFilter,
  ExportAuditEventsRequest,
  ListAuditEventsRequest,
  ListAuditEventsResponse,
} from '#proto/musubi/auth/v1/auth.ts';
import type { ChainedEvent, Origin } from '../audit/event.ts';
import type { Auth } from '../auth.ts';

/** A list that looks at so much that it takes longer is cut: a narrower time helps. */
const LONGEST_MS = 4_000;
/** Events whose keys are looked up together. */
const OPENED_AT_ONCE = 200;

/**
 * A page of the audit, the newest first. What was done before it is asked for is in it.
 *
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID
 */
export async function listAuditEvents(
  auth: Auth,
  { filter, pageSize, pageToken }: ListAuditEventsRequest,
): Promise<ListAuditEventsResponse> {
  kept({ pageSize: pageSizeRule }, { pageSize });
  const size = pageSize || PAGE_SIZE.default;
  const wanted = wantedBy(filter);
  const list = ['audit', filter ?? NOTHING];
  const after = fromPageToken(list, pageToken, PLACE);
  await auth.audit.chain.chain();
  const { events } = auth.store.audit;
  const found = await events
    .find({ $and: [wanted, after ? behind(after) : {}] }, { sort: { at: -1, _id: -1 }, limit: size + 1, maxTimeMS: LONGEST_MS })
    .toArray();
  const page = found.slice(0, size);
  const last = page.at(-1);
  return {
    events: await opened(auth, page),
    nextPageToken: found.length > size && last ? toPageToken(list, [last.at.getTime(), last._id]) : '',
  };
}

/**
 * All of it up to now, the oldest first. It is read as its reader takes it.
 *
 * @throws INVALID_ARGUMENT
 */
export async function* exportAuditEvents(auth: Auth, { filter }: ExportAuditEventsRequest): AsyncGenerator<AuditEvent> {
  const wanted = wantedBy(filter);
  await auth.audit.chain.chain();
  const { events } = auth.store.audit;
  const newest = await events.findOne({}, { sort: { _id: -1 }, projection: { _id: 1 } });
  const upToNow = { $and: [wanted, { _id: { $lte: newest?._id ?? 0 } }] };
  const found = events.find(upToNow, { sort: { at: 1, _id: 1 }, batchSize: OPENED_AT_ONCE });
  for await (const page of pagesOf(found)) yield* await opened(auth, page);
}

async function* pagesOf(found: FindCursor<ChainedEvent>): AsyncGenerator<ChainedEvent[]> {
  for await (const event of found) yield [event, ...found.readBufferedDocuments()];
}

/** @throws INVALID_ARGUMENT */
function wantedBy({ memberId, action, since, until }: AuditFilter = NOTHING): Filter<ChainedEvent> {
  if (memberId !== undefined) requireId('memberId', memberId);
  if (action !== undefined && action.length > LONGEST_NAME)
    throw invalidFields([{ field: 'action', message: `must have at most ${LONGEST_NAME} characters` }]);
  const at = { ...(since ? { $gte: since } : {}), ...(until ? { $lt: until } : {}) };
  return {
    ...(memberId === undefined ? {} : { $or: [{ actorId: memberId }, { 'resources.id': memberId }] }),
    ...(action === undefined ? {} : { action }),
    ...(since || until ? { at } : {}),
  };
}

/** When it happened, and its number. */
const PLACE = z.tuple([timeInPlace, z.int().positive()]).transform(([at, _id]): Position => ({ at: new Date(at), _id }));

const NOTHING: AuditFilter = { memberId: undefined, action: undefined, since: undefined, until: undefined };

/** As callers see them, with what is sealed for members who were not erased. */
async function opened({ store, log }: Auth, events: readonly ChainedEvent[]): Promise<AuditEvent[]> {
  const sealed = events.flatMap(({ from }) => (from ? [{ memberId: from.sealedFor, sealed: from.origin }] : []));
  const texts = (await store.memberKeys.open(sealed)).values();
  return events.map((event) => {
    const { _id: sequence, eventId, at, action, outcome = 'DONE', count, actorId, sessionId, jobId, traceId } = event;
    const text = event.from ? texts.next().value : undefined;
    if (text === undefined && event.from) log.warn({ sequence }, 'from where an audited event came can not be read');
    const shown = { sequence, eventId, at, action, outcome, count, actorId, sessionId, jobId, traceId };
    const origin = text ? (JSON.parse(text) as Origin) : undefined;
    return { ...shown, resources: [...event.resources], origin, erased: text === null };
  });
}

/** Where an event stands in the list. */
type Position = Pick<ChainedEvent, 'at' | '_id'>;

const behind = ({ at, _id }: Position): Filter<ChainedEvent> => ({ $or: [{ at: { $lt: at } }, { at, _id: { $lt: _id } }] });
