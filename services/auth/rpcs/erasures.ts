import { ERASED_AT_ONCE } from '#platform/erasure.ts';
import { invalidFields } from '#platform/errors.ts';
import { addEvents, transaction } from '#platform/operations/mongo.ts';
import type {
  ConfirmErasuresRequest,
  ListErasuresRequest,
  ListErasuresResponse,
  NoteErasuresRequest,
} from '#proto/musubi/auth/v1/auth.ts';
import type { Auth } from '../auth.ts';
import type { Store } from '../store.ts';

/** A place within a service: `member.operations`. */
const PLACE = /^[a-z]+\.\w+$/;

/**
 * Which of these members are to be erased now. Those that are not known any more, as the store was restored, are noted, and are at once.
 * What Kafka has lost of them is told there again: it is for a store that is restored.
 *
 * @throws INVALID_ARGUMENT
 */
export async function confirmErasures(
  { store: { mongo, erasures }, log }: Pick<Auth, 'store' | 'log'>,
  { requested, untoldMemberIds }: ConfirmErasuresRequest,
): Promise<string[]> {
  for (const [field, { length }] of Object.entries({ requested, untoldMemberIds }))
    if (length > ERASED_AT_ONCE) throw invalidFields([{ field, message: `must have at most ${ERASED_AT_ONCE} entries` }]);
  const memberIds = erasures.genuine(requested);
  const foreign = requested.length - memberIds.length;
  if (foreign > 0) log.error({ foreign }, 'members are not erased, as it was not Auth that asked for it');
  const early = await transaction(mongo, async (session) => {
    const early = await erasures.early(session, memberIds);
    const untold = await erasures.told({ ids: untoldMemberIds });
    await addEvents(mongo, session, [...untold, ...(await erasures.request(session, memberIds))]);
    return early;
  });
  return memberIds.filter((id) => !early.has(id));
}

/**
 * Notes what was erased of members, and what still waits.
 *
 * @returns those of them that are not erased though their deletion is a day old
 * @throws INVALID_ARGUMENT
 */
export async function noteErasures({ erasures }: Store, { notes }: NoteErasuresRequest): Promise<string[]> {
  if (notes.length > ERASED_AT_ONCE)
    throw invalidFields([{ field: 'notes', message: `must have at most ${ERASED_AT_ONCE} entries` }]);
  const wrong = notes.findIndex(({ erased }) => erased.some(({ place }) => !PLACE.test(place)));
  if (wrong >= 0) throw invalidFields([{ field: `notes[${wrong}].erased`, message: 'must name a service and a place of it' }]);
  return await erasures.note(notes);
}

/**
 * A page of what was erased of deleted members, in the order of their IDs.
 *
 * @throws INVALID_ARGUMENT
 */
export async function listErasures(
  { erasures }: Store,
  { pageSize, pageToken }: ListErasuresRequest,
): Promise<ListErasuresResponse> {
  if (pageSize < 1 || pageSize > ERASED_AT_ONCE)
    throw invalidFields([{ field: 'pageSize', message: `must be 1 to ${ERASED_AT_ONCE}` }]);
  const found = await erasures.list(pageToken, pageSize);
  return {
    erasures: found.map(({ _id: memberId, requestedAt, erasedAt, erasedAgainAt, erased, waitingFor }) => ({
      memberId,
      requestedAt,
      erasedAt,
      erasedAgainAt,
      erased: Object.entries(erased).flatMap(([service, places]) =>
        Object.entries(places).map(([place, count]) => ({ place: `${service}.${place}`, count })),
      ),
      waitingFor,
    })),
    nextPageToken: found.length === pageSize ? (found.at(-1)?._id ?? '') : '',
  };
}
