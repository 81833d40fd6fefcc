/**
 * The rules of logins, passwords and sessions. No I/O.
 *
 * - member: who logs in; Auth knows its login, its password's hash, its roles and its sessions
 * - session: one login on one device; every token belongs to one, and is refused once it is gone
 * - refresh family: the chain of refresh tokens of one session, each replacing the one before
 */

import type { FieldViolation } from '#platform/errors.ts';
import { PASSWORD_LENGTH } from '#platform/validation/fields.ts';

/**
 * - `pending`: the login is bound, but its registration is not done
 * - `active`: may log in
 * - `suspended`: closed, no password and no token is accepted: its member is suspended, or about to be removed
 */
export type MemberStatus = 'pending' | 'active' | 'suspended';

/** A password's argon2id hash with all that is needed to verify it later. */
export interface PasswordHash {
  algorithm: 'argon2id';
  /** KiB. */
  memory: number;
  passes: number;
  parallelism: number;
  /** Base64. */
  salt: string;
  /** Base64. */
  hash: string;
}

/** What is needed to open a sealed text again, save the key. All in base64. */
export interface Sealed {
  iv: string;
  tag: string;
  data: string;
}

export interface Session {
  id: string;
  createdAt: Date;
  /** The last refresh, or the login: a request writes nothing. */
  lastUsedAt: Date;
  userAgent: string;
  /** From where it was begun, sealed for its member; absent where that was not known. */
  address?: Sealed;
  /** When its refresh token is too old; every refresh moves it, up to `endsAt`. */
  expiresAt: Date;
  /** Of one that a change of password has ended: what `expiresAt` was, while that can be undone. */
  formerExpiresAt?: Date;
  /** When it ends at the latest: nothing moves it. */
  endsAt: Date;
  /** SHA-256 of the refresh token that is good now, base64. */
  tokenHash: string;
  /** When the newest of `usedHashes` was replaced. */
  rotatedAt: Date;
  /** SHA-256 of the tokens before it, oldest first, base64; the newest {@link USED_TOKENS_KEPT}. */
  usedHashes: string[];
}

/** From where a member has logged in. */
export interface KnownSource {
  /** A keyed hash of the source, another one for every member. */
  key: string;
  /** The last login, to the day. */
  at: Date;
}

export interface Member {
  /** The member ID. */
  _id: string;
  /** As the member writes it. */
  loginId: string;
  /** What makes it unique: {@link loginKey}. */
  loginKey: string;
  password: PasswordHash;
  /** What it was before, while a change of it can be undone: until then it is not changed again. */
  formerPassword?: PasswordHash;
  roleIds: string[];
  /** The groups that it is in, besides the whole organisation; absent: none. */
  groupIds?: string[];
  /** The positions that it is bound to, in those or in the whole organisation; absent: none. */
  positionIds?: string[];
  /** The groups that it is invited to; absent: none. */
  invitedTo?: string[];
  /** How often these three were changed; absent: never. */
  standings?: number;
  /** How often it was bound to a position, or for longer or less long than before; absent: never. */
  tenures?: number;
  /** To which, the last {@link TENURES_KEPT} times, the newest last. */
  lastTenures?: LastTenure[];
  status: MemberStatus;
  /** Grows by 1 with every change of the login, its roles and its state; events carry it. */
  version: number;
  /** At most {@link SESSIONS_KEPT}, in no order. */
  sessions: Session[];
  /** The newest {@link KNOWN_SOURCES_KEPT}; absent of a member of an earlier release that has not logged in since. */
  knownSources?: KnownSource[];
  /** When its bucket of renames is full; absent: it was not renamed. */
  renamesFullAt?: Date;
  createdAt: Date;
  updatedAt: Date;
}

/** That a member was bound to a position, or for another time, and for the how manieth time it was. */
export interface LastTenure {
  at: number;
  positionId: string;
}

export interface Policy {
  policyId: string;
  name: string;
  /** Cedar text. */
  cedar: string;
}

export interface Role {
  /** The role ID. */
  _id: string;
  version: number;
  policies: Policy[];
  /** The IDs that stand in its policies: of groups and positions it is only looked at those. Absent: none of these. */
  mentioned?: string[];
  /** Of administrators: how many logins were closed. What matters is that it is written. */
  loginsClosed?: number;
}

/** A member who logs in from one source more is no longer known at the one that was not used for longest. */
export const KNOWN_SOURCES_KEPT = 16;
/** A source that a member has not logged in from for so long is as unknown as any. */
export const KNOWN_SOURCE_MS = 90 * 24 * 3_600_000;
const DAY_MS = 24 * 3_600_000;
/** A member who logs in on one device more loses the session that was idle longest. */
export const SESSIONS_KEPT = 100;
/** A replaced refresh token is recognised as reused this many refreshes long; later it is merely unknown. */
export const USED_TOKENS_KEPT = 32;
/** Of so many changes of what a member is bound to it is known which position that was: more than one member makes while a command of another one is under way. */
export const TENURES_KEPT = 64;
/** A session that is not refreshed for this long is over. */
export const REFRESH_IDLE_MS = 30 * 24 * 3_600_000;
/** However often it is refreshed, a session is over after this. */
export const SESSION_MAX_MS = 180 * 24 * 3_600_000;
/**
 * For this long a replaced refresh token gets the same successor again, so that two tabs (or a client
 * whose answer was lost) don't end their own session. A thief gains nothing lasting by it: thief and
 * owner then hold the same token, and whoever uses it second is found out.
 */
export const REFRESH_GRACE_MS = 10_000;
/** How long a staged password waits for its saga. */
export const STAGED_PASSWORD_MS = 15 * 60_000;

/** In UTF-16 units: what is longer is no login in any form of Unicode (64 letters of two units each). */
const LONGEST_LOGIN = 128;

/** What makes a login unique: logins that look the same or differ in case are one. What is too long for one gives the key of none. */
export const loginKey = (loginId: string): string =>
  loginId
    .slice(0, LONGEST_LOGIN + 1)
    .normalize('NFKC')
    .toLowerCase();

/** In UTF-16 units, in any form of Unicode. */
const LONGEST_PASSWORD = 4 * PASSWORD_LENGTH.most;

/**
 * A password as it is hashed and compared: the same characters typed on another keyboard
 * (full-width, composed) are the same password (NIST SP 800-63B, 3.1.1.2).
 * What is too long for one is cut: it is a wrong one all the same, and megabytes would only cost time.
 */
export const normalizePassword = (password: string): string => password.slice(0, LONGEST_PASSWORD + 1).normalize('NFKC');

/** The most common passwords of known leaks that are long enough to be tried here. */
const COMMON = [
  'password passw0rd p@ssw0rd p@ssword password1 password123 passwort qwertyuiop qwerty123 qwertyui 1q2w3e4r 1qaz2wsx',
  'qazwsxedc zaq12wsx asdfghjkl zxcvbnm1 iloveyou sunshine princess football baseball superman trustno1 starwars welcome1',
  'letmein1 admin123 administrator changeme computer internet michelle jennifer abcd1234 abc12345 aa123456 a1b2c3d4',
  '12345678 87654321 11223344 123123123 987654321 12341234 sakura123',
].flatMap((line) => line.split(' '));

const SEQUENCES = ['01234567890', '09876543210', 'abcdefghijklmnopqrstuvwxyz'];

/** Why a password can't be taken; undefined if it can. The length is in characters, not bytes. */
export function passwordViolation(password: string): Omit<FieldViolation, 'field'> | undefined {
  const characters = [...normalizePassword(password)];
  const { least, most } = PASSWORD_LENGTH;
  if (password.length > LONGEST_PASSWORD || characters.length < least || characters.length > most)
    return { code: characters.length < least ? 'TOO_SHORT' : 'TOO_LONG', message: `must have ${least} to ${most} characters` };
  const plain = characters.join('').toLowerCase();
  const common = COMMON.some(
    (word) => plain === word || word.includes(plain) || (plain.includes(word) && plain.length - word.length < 4),
  );
  const repeated = new Set(characters).size <= 2;
  const sequence = SEQUENCES.some((line) => line.includes(plain));
  const isCommon = common || repeated || sequence;
  return isCommon ? { code: 'TOO_COMMON', message: 'is one of the most common passwords; choose another' } : undefined;
}

/** When a session that is used now for the last time expires. */
export const idleExpiry = (now: Date): Date => new Date(now.getTime() + REFRESH_IDLE_MS);

/** When a session that is used now expires. */
export const sessionExpiry = (now: Date, endsAt: Date): Date => new Date(Math.min(idleExpiry(now).getTime(), endsAt.getTime()));

/** Whether a member has logged in from there. */
export const knowsSource = (sources: readonly KnownSource[], key: string, now: Date): boolean =>
  sources.some((source) => source.key === key && now.getTime() - source.at.getTime() < KNOWN_SOURCE_MS);

/** The sources of a member that logs in from there now; the same when nothing worth a write has changed. */
export function withSource(sources: readonly KnownSource[], key: string, now: Date): readonly KnownSource[] {
  const at = sources.find((source) => source.key === key)?.at;
  if (at && now.getTime() - at.getTime() < DAY_MS) return sources;
  return [...sources.filter((source) => source.key !== key), { key, at: now }].slice(-KNOWN_SOURCES_KEPT);
}

/**
 * The /48 of an IPv6 network, as far as one client may well have all of it; undefined for an IPv4 address.
 *
 * @param source a /64 as RFC 5952 writes it
 */
export function siteOf(source: string): string | undefined {
  if (!source.endsWith('::/64')) return undefined;
  const groups = source.slice(0, -'::/64'.length).split(':').slice(0, 3);
  while (groups.at(-1) === '0') groups.pop();
  return `${groups.join(':')}::/48`;
}
