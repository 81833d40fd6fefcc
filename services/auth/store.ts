import type { ClientSession, Collection, Db } from 'mongodb';
import { failedPrecondition } from '#platform/errors.ts';
import { operationsOf } from '#platform/mongo/collections.ts';
import { type Mongo, openMongo } from '#platform/mongo/database.ts';
import type { Step } from '#platform/operations/mongo.ts';
import type { Secret } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import type { Which } from '#platform/state.ts';
import { ADMIN } from '#platform/validation/access-fields.ts';
import type { Bucket } from './attempts.ts';
import type { AuditCollections } from './audit/chain.ts';
import type { RefusalCount } from './audit/refusals.ts';
import { type Clock, openClock } from './clock.ts';
import type { Member, MemberStatus, PasswordHash, Role } from './domain.ts';
import { type ErasureRecord, Erasures } from './erasures.ts';
import type { Group } from './groups/group.ts';
import { HeldLogins, type LoginRules } from './held-logins.ts';
import { type MemberKeyDocument, MemberKeys } from './member-keys.ts';
import { findPage } from './page.ts';
import { Pivots } from './pivots.ts';
import { factsOf } from './policy-facts.ts';
import { loginNotFound } from './refusals.ts';
import type { SigningKeyDocument } from './signing-keys.ts';
import { Pseudonyms } from './vault.ts';

/** A password's hash on its way from the gateway to the saga that binds it. */
interface StagedPassword {
  /** The reference, 256 random bits. */
  _id: string;
  password: PasswordHash;
  /** The hash (without its salt) that it replaces, which tells whose it is; absent: of a login that is to be bound. */
  replaces?: string;
  expiresAt: Date;
}

/** A job that adds many to a group, part by part. */
interface Addition {
  /** The job. */
  _id: string;
  /** What allowed it, sealed; absent: the system itself began it. */
  permit?: string;
}

/** The collections of the Auth service. Operations and the outbox are the platform's. */
export interface Store {
  mongo: Mongo;
  /** The store's own time: what all times in it are, and are compared with. */
  clock: Clock;
  members: Collection<Member>;
  heldLogins: HeldLogins;
  pivots: Pivots;
  erasures: Erasures;
  roles: Collection<Role>;
  groups: Collection<Group>;
  additions: Collection<Addition>;
  secrets: Collection<StagedPassword>;
  signingKeys: Collection<SigningKeyDocument>;
  attempts: Collection<Bucket>;
  memberKeys: MemberKeys;
  audit: AuditCollections & { counts: Collection<RefusalCount> };
}

/** A step of the Auth service. */
export type AuthStep<Request, Response, Kept = null> = Step<Store, Request, Response, Kept> & {
  /** Whether it may take a permission away, always or asked for this: then it is answered once no pivot that looked before can pass any more. */
  takesAway: boolean | ((request: Request) => boolean);
};

/** Makes the indexes that are missing; several processes may do so at once. */
const makeIndexes = (db: Db): Promise<unknown> =>
  Promise.all([
    db.collection('members').createIndex({ loginKey: 1 }, { unique: true }),
    // Of expired sessions nothing is kept, and they are looked for among all members.
    db.collection('members').createIndex({ 'sessions.expiresAt': 1 }),
    // Administrators are few, and are looked for among all members.
    db.collection('members').createIndex({ roleIds: 1 }, { partialFilterExpression: { roleIds: ADMIN } }),
    // All that is below a group.
    db.collection('groups').createIndex({ path: 1 }),
    // Of which groups positions are that members are bound to, or that policies name.
    db.collection('groups').createIndex({ 'positions.id': 1 }),
    // Who is in a group that goes, or is bound to a position that does.
    db.collection('members').createIndex({ groupIds: 1 }),
    db.collection('members').createIndex({ positionIds: 1 }),
    db.collection('members').createIndex({ invitedTo: 1 }),
    db.collection('held_logins').createIndex({ until: 1 }, { expireAfterSeconds: 0 }),
    db.collection('held_logins').createIndex({ memberId: 1 }),
    // Those of whom it is too early.
    db.collection('erasures').createIndex({ requestedAt: 1 }),
    db.collection('secrets').createIndex({ expiresAt: 1 }, { expireAfterSeconds: 0 }),
    db.collection('login_attempts').createIndex({ fullAt: 1 }, { expireAfterSeconds: 0 }),
    // Collections without another index, made by this one: of two transactions that would each make a collection, one fails.
    db.collection('audit_waiting').createIndex({ _id: 1 }),
    db.collection('member_keys').createIndex({ _id: 1 }),
    db.collection('additions').createIndex({ _id: 1 }),
    db.collection('audit_counts').createIndex({ minute: 1 }),
    // By time, in which they are listed: all, or those of a member or an action.
    db.collection('audit_events').createIndex({ at: -1, _id: -1 }),
    db.collection('audit_events').createIndex({ actorId: 1, at: -1, _id: -1 }, { sparse: true }),
    db.collection('audit_events').createIndex({ 'resources.id': 1, at: -1, _id: -1 }),
    db.collection('audit_events').createIndex({ action: 1, at: -1, _id: -1 }),
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
  masterKey: Secret;
  loginRules: LoginRules;
  /** How long after its deletion a member is erased. Default: at once. */
  erasedAfterMs?: number;
}): Promise<Store> {
  const mongo = await openMongo({ database: 'musubi_auth', makeIndexes, ...options });
  const clock = options.clock ?? (await openClock(mongo.db, options.log, options.lifecycle));
  const names = new Pseudonyms(options.masterKey, 'held logins');
  const heldLogins = new HeldLogins(mongo.db.collection('held_logins'), options.loginRules, names, clock);
  await heldLogins.renameOld();
  const pivots = new Pivots(mongo.db.collection('pivots'));
  await pivots.make();
  const proofs = new Pseudonyms(options.masterKey, 'erasures');
  const erasures = new Erasures(mongo.db.collection<ErasureRecord>('erasures'), clock, proofs, options.erasedAfterMs ?? 0);
  await nameOldUndos(mongo);
  return {
    mongo,
    clock,
    members: mongo.db.collection('members'),
    heldLogins,
    pivots,
    erasures,
    roles: mongo.db.collection('roles'),
    groups: mongo.db.collection('groups'),
    additions: mongo.db.collection('additions'),
    secrets: mongo.db.collection('secrets'),
    // Local reads: whoever loses the race to make a key must see the winner's at once, not when a majority has it.
    signingKeys: mongo.db.collection('signing_keys', { readConcern: { level: 'local' } }),
    // One node's word is enough: what a failover forgets is a few attempts.
    attempts: mongo.db.collection('login_attempts', { readConcern: { level: 'local' }, writeConcern: { w: 1 } }),
    memberKeys: new MemberKeys(mongo.db.collection<MemberKeyDocument>('member_keys'), options.masterKey),
    audit: {
      waiting: mongo.db.collection('audit_waiting'),
      events: mongo.db.collection('audit_events'),
      cuts: mongo.db.collection('audit_cuts'),
      counts: mongo.db.collection('audit_counts'),
    },
  };
}

/** Those of earlier releases do not say whose names they hold. */
async function nameOldUndos({ db }: Mongo): Promise<void> {
  const unnamed = { state: 'done' as const, step: { $in: ['rebindLogin', 'releaseLogin'] }, undoOf: { $exists: false } };
  await operationsOf(db).updateMany(unnamed, [{ $set: { undoOf: '$undo.memberId' } }]);
}

/** A member without what only a login needs: neither its password's hash nor its sessions leave the store. */
export type Login = Pick<Member, '_id' | 'loginId' | 'roleIds' | 'status' | 'version'>;

const LOGIN = { loginId: 1, roleIds: 1, status: 1, version: 1 } as const;

/**
 * Changes a member inside a transaction.
 *
 * @param change `renamesFullAt` undefined: it is taken out
 * @param from the states it may be in; any when left out
 * @returns the member before and after, or undefined when there is none in such a state
 */
export async function changeLogin(
  store: Store,
  session: ClientSession,
  memberId: string,
  change: Partial<Pick<Member, 'loginId' | 'loginKey' | 'roleIds' | 'status' | 'sessions'>> & {
    renamesFullAt?: Date | undefined;
  },
  from?: readonly MemberStatus[],
): Promise<{ before: Login; after: Login } | undefined> {
  const { renamesFullAt, ...rest } = change;
  const renames = renamesFullAt ? { renamesFullAt } : {};
  const noRenames = 'renamesFullAt' in change && !renamesFullAt ? { $unset: { renamesFullAt: '' as const } } : {};
  const before = await store.members.findOneAndUpdate(
    { _id: memberId, ...(from ? { status: { $in: from } } : {}) },
    { $set: { ...rest, ...renames, updatedAt: new Date(store.clock.now()) }, ...noRenames, $inc: { version: 1 } },
    { session, projection: LOGIN, returnDocument: 'before' },
  );
  if (!before) return undefined;
  const { sessions: _, ...login } = rest;
  return { before, after: { ...before, ...login, version: before.version + 1 } };
}

/** @throws LOGIN_NOT_FOUND */
export async function requireLogin(store: Store, session: ClientSession, memberId: string): Promise<Login> {
  const login = await store.members.findOne<Login>({ _id: memberId }, { session, projection: LOGIN });
  if (!login) throw loginNotFound();
  return login;
}

/** Removes the sessions that nobody can use any more, with what they hold of their members. */
export async function forgetExpiredSessions({ members, clock }: Pick<Store, 'members' | 'clock'>): Promise<void> {
  const expired = { expiresAt: { $lte: new Date(clock.now()) }, formerExpiresAt: { $exists: false } };
  await members.updateMany({ sessions: { $elemMatch: expired } }, { $pull: { sessions: expired } });
}

/** A page of logins, or those of some members; in the order of the members' IDs. */
export const readLogins = ({ members }: Store, which: Which): Promise<Login[]> =>
  findPage(members, which).project<Login>(LOGIN).toArray();

/** Of two that each lower, close or bind one of the last two administrators one begins again, as both write this document. */
export const oneAfterTheOther = ({ roles }: Store, session: ClientSession) =>
  roles.updateOne({ _id: ADMIN }, { $inc: { loginsClosed: 1 } }, { session });

/**
 * Without an administrator who can log in, and to whom nothing is forbidden, nobody could ever open a login or give a role again.
 * Called after a change that may take away the last one.
 *
 * @throws LAST_ADMIN
 */
export async function requireAdmin(store: Store, session: ClientSession): Promise<void> {
  await oneAfterTheOther(store, session);
  const { members, roles } = store;
  const admins = await members.find({ roleIds: ADMIN, status: 'active' }, { session, projection: { roleIds: 1 } }).toArray();
  const held = [...new Set(admins.flatMap(({ roleIds }) => roleIds))];
  const forbidding = (await roles.find({ _id: { $in: held } }, { session }).toArray())
    .filter(({ policies }) => policies.some(({ cedar }) => factsOf(cedar).forbids))
    .map(({ _id }) => _id);
  if (!admins.some(({ roleIds }) => !roleIds.some((roleId) => forbidding.includes(roleId))))
    throw failedPrecondition('LAST_ADMIN');
}
