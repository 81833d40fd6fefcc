import type { ClientSession } from 'mongodb';
import { countedBy, type Erased, type Erasure } from '#platform/erasure.ts';
import { toMongoError } from '#platform/mongo/database.ts';
import { addEvents, eraseUndos, transaction } from '#platform/operations/mongo.ts';
import { loginEvent } from './events.ts';
import type { Store } from './store.ts';

/** So many in one transaction: it must be over within seconds, also where each member has something to erase. */
const AT_ONCE = 50;

/** How Auth erases what it keeps of deleted members; it is the one that knows which are to be erased, and since when. */
export const authErasure = (store: Store): Erasure => ({
  list: (after, limit) => store.erasures.due(after, limit).catch((error: unknown) => Promise.reject(toMongoError(error))),
  async erase(memberIds) {
    const erased: Erased[] = [];
    for (let at = 0; at < memberIds.length; at += AT_ONCE) {
      const ids = memberIds.slice(at, at + AT_ONCE);
      erased.push(...(await transaction(store.mongo, (session) => erase(store, session, ids))));
    }
    return { erased };
  },
});

async function erase(store: Store, session: ClientSession, ids: readonly string[]): Promise<Erased[]> {
  const { members, heldLogins, memberKeys, mongo } = store;
  const back = await members.find({ _id: { $in: [...ids] } }, { session, projection: { loginId: 1, version: 1 } }).toArray();
  await members.deleteMany({ _id: { $in: back.map(({ _id }) => _id) } }, { session });
  const names = await heldLogins.forgetNames(session, ids);
  for (const login of back) await heldLogins.holdWithoutName(session, login);
  const undos = await eraseUndos(mongo, session, ids);
  // What audit must keep of them is sealed with these keys.
  const keys: string[] = [];
  for (const id of await memberKeys.undestroyed(session, ids)) if (await memberKeys.destroy(session, id)) keys.push(id);
  const removed = back.map(({ _id, version }) =>
    loginEvent('auth.login-removed', { _id, status: 'removed', version: version + 1 }),
  );
  await addEvents(mongo, session, removed);
  return [
    ...countedBy(
      'members',
      back.map(({ _id }) => _id),
    ),
    ...countedBy('held_logins', names),
    ...countedBy('member_keys', keys),
    ...undos,
  ];
}
