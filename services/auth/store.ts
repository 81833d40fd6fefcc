import type { ClientSession, Collection, Db } from 'mongodb';
import { type Mongo, openMongo } from '#platform/mongo/database.ts';
import type { Step } from '#platform/operations/mongo.ts';
import type { Secret } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import type { Which } from '#platform/state.ts';
import type { Bucket } from './attempts.ts';
import { type Clock, openClock } from './clock.ts';
import { ADMIN, type Member, type MemberStatus, type PasswordHash, type Role } from './domain.ts';
import { loginNotFound } from './refusals.ts';
import type { SigningKeyDocument } from './signing-keys.ts';

export { loginNotFound, loginTaken } from './refusals.ts';

/** A password's hash on its way from the gateway to the saga that binds it. */
interface StagedPassword {
  /** The reference, 256 random bits. */
  _id: string;
  password: PasswordHash;
  expiresAt: Date;
}

/** A name that a member gave up, and that no other member gets yet. */
export interface HeldLogin {
  /** The name's `loginKey`. */
  _id: string;
  memberId: string;
  until: Date;
}

/** The collections of the Auth service. Operations and the outbox are the platform's. */
export interface Store {
  mongo: Mongo;
  /** The store's own time: what all times in it are, and are compared with. */
  clock: Clock;
  members: Collection<Member>;
  heldLogins: Collection<HeldLogin>;
  roles: Collection<Role>;
  secrets: Collection<StagedPassword>;
  signingKeys: Collection<SigningKeyDocument>;
  attempts: Collection<Bucket>;
}

/** A step of the Auth service. */
export type AuthStep<Request, Response, Kept = null> = Step<Store, Request, Response, Kept>;

/** Makes the indexes that are missing; several processes may do so at once. */
const makeIndexes = (db: Db): Promise<unknown> =>
  Promise.all([
    db.collection('members').createIndex({ loginKey: 1 }, { unique: true }),
    // Administrators are few, and are looked for among all members.
    db.collection('members').createIndex({ roleIds: 1 }, { partialFilterExpression: { roleIds: ADMIN } }),
    db.collection('held_logins').createIndex({ until: 1 }, { expireAfterSeconds: 0 }),
    db.collection('held_logins').createIndex({ memberId: 1 }),
    db.collection('secrets').createIndex({ expiresAt: 1 }, { expireAfterSeconds: 0 }),
    db.collection('login_attempts').createIndex({ fullAt: 1 }, { expireAfterSeconds: 0 }),
    db.collection('signing_keys').createIndex({ expiresAt: 1 }, { expireAfterSeconds: 0 }),
  ]);

/**
 * Connects, and keeps the collections and indexes made.
 *
 * @param options `clock` in place of the store's, for a test that lets time pass
 */
export async function openStore(options: {
  url: Secret;
  log: Logger;
  lifecycle: Lifecycle;
  database?: string;
  clock?: Clock;
}): Promise<Store> {
  const mongo = await openMongo({ database: 'musubi_auth', makeIndexes, ...options });
  return {
    mongo,
    clock: options.clock ?? (await openClock(mongo.db, options.log, options.lifecycle)),
    members: mongo.db.collection('members'),
    heldLogins: mongo.db.collection('held_logins'),
    roles: mongo.db.collection('roles'),
    secrets: mongo.db.collection('secrets'),
    // Local reads: whoever loses the race to make a key must see the winner's at once, not when a majority has it.
    signingKeys: mongo.db.collection('signing_keys', { readConcern: { level: 'local' } }),
    // One node's word is enough: what a failover forgets is a few attempts.
    attempts: mongo.db.collection('login_attempts', { readConcern: { level: 'local' }, writeConcern: { w: 1 } }),
  };
}

/** A member without what only a login needs: neither its password's hash nor its sessions leave the store. */
export type Login = Pick<Member, '_id' | 'loginId' | 'roleIds' | 'status' | 'version'>;

const LOGIN = { loginId: 1, roleIds: 1, status: 1, version: 1 } as const;

/**
 * Changes a member inside a transaction.
 *
 * @param from the states it may be in; any when left out
 * @returns the member before and after, or undefined when there is none in such a state
 */
export async function changeLogin(
  store: Store,
  session: ClientSession,
  memberId: string,
  change: Partial<Pick<Member, 'loginId' | 'loginKey' | 'roleIds' | 'status' | 'sessions'>>,
  from?: readonly MemberStatus[],
): Promise<{ before: Login; after: Login } | undefined> {
  const before = await store.members.findOneAndUpdate(
    { _id: memberId, ...(from ? { status: { $in: from } } : {}) },
    { $set: { ...change, updatedAt: new Date(store.clock.now()) }, $inc: { version: 1 } },
    { session, projection: LOGIN, returnDocument: 'before' },
  );
  if (!before) return undefined;
  const { sessions: _, ...login } = change;
  return { before, after: { ...before, ...login, version: before.version + 1 } };
}

/** @throws LOGIN_NOT_FOUND */
export async function requireLogin(store: Store, session: ClientSession, memberId: string): Promise<Login> {
  const login = await store.members.findOne<Login>({ _id: memberId }, { session, projection: LOGIN });
  if (!login) throw loginNotFound();
  return login;
}

/** A page of logins, or those of some members; in the order of the members' IDs. */
export function readLogins({ members }: Store, which: Which): Promise<Login[]> {
  const found =
    'ids' in which
      ? members.find<Login>({ _id: { $in: [...which.ids] } })
      : members.find<Login>({ _id: { $gt: which.after } }).limit(which.limit);
  return found.sort({ _id: 1 }).project<Login>(LOGIN).toArray();
}
