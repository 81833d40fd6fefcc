import { z } from 'zod';
import { kept, PAGE_SIZE, pageSize as sizeRule } from '#platform/validation/fields.ts';
import { fromPageToken, timeInPlace, toPageToken } from '#platform/validation/page-token.ts';
import type { ListSessionsRequest, ListSessionsResponse, Session as SessionMessage } from '#proto/musubi/auth/v1/auth.ts';
import { authenticate } from '../access.ts';
import type { Auth } from '../auth.ts';
import type { Session } from '../domain.ts';

/** What is told of a session: nothing that opens anything. */
type Shown = Pick<Session, 'id' | 'createdAt' | 'lastUsedAt' | 'expiresAt' | 'userAgent' | 'address'>;

const SHOWN = Object.fromEntries(
  ['id', 'createdAt', 'lastUsedAt', 'expiresAt', 'userAgent', 'address'].map((field) => [`sessions.${field}`, 1]),
);

/**
 * A page of the sessions of a token's member, the newest first.
 *
 * @throws as `authenticate`; INVALID_ARGUMENT, PAGE_TOKEN_INVALID
 */
export async function listSessions(
  auth: Auth,
  { accessToken, pageSize, pageToken }: ListSessionsRequest,
  signal?: AbortSignal,
): Promise<ListSessionsResponse> {
  kept({ pageSize: sizeRule }, { pageSize });
  const after = fromPageToken(LIST, pageToken, PLACE);
  const { memberId, sessionId } = await authenticate(auth, accessToken, signal);
  const { store } = auth;
  const member = await store.members.findOne<{ sessions: Shown[] }>({ _id: memberId }, { projection: SHOWN });
  const now = new Date(store.clock.now());
  const rest = (member?.sessions ?? [])
    .filter((session) => session.expiresAt > now && (!after || inOrder(after, session) < 0))
    .sort(inOrder);
  const page = rest.slice(0, pageSize || PAGE_SIZE.default);
  const last = page.at(-1);
  return {
    sessions: page.map((session) => toMessage(auth, memberId, session, session.id === sessionId)),
    nextPageToken: page.length < rest.length && last ? toPageToken(LIST, [last.createdAt.getTime(), last.id]) : '',
  };
}

function toMessage({ addresses, log }: Auth, memberId: string, session: Shown, current: boolean): SessionMessage {
  const { id: sessionId, address: sealed, ...times } = session;
  let address = '';
  try {
    if (sealed) address = addresses.open(sealed, memberId);
  } catch (err) {
    log.warn({ err, memberId, sessionId }, 'the address of a session can not be read');
  }
  return { ...times, sessionId, address, current };
}

const LIST = ['sessions'];
/** When it began, and its ID. */
const PLACE = z.tuple([timeInPlace, z.uuid()]).transform(([at, id]): Position => ({ createdAt: new Date(at), id }));

/** Where a session stands in the list. */
type Position = Pick<Session, 'createdAt' | 'id'>;

/** The newest first. */
const inOrder = (a: Position, b: Position): number =>
  b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? -1 : Number(a.id > b.id));
