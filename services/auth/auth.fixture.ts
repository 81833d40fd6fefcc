import { randomBytes, randomUUID } from 'node:crypto';
import { MusubiError } from '#platform/errors.ts';
import type { StepHandlers } from '#platform/operations/step.ts';
import { Secret } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger, type Logger } from '#platform/process/log.ts';
import type { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { AccessTokens } from './access-tokens.ts';
import { type AttemptRates, Attempts } from './attempts.ts';
import { Audit } from './audit/audit.ts';
import type { Auth } from './auth.ts';
import { DeviceCookies } from './device-cookies.ts';
import type { Policy } from './domain.ts';
import { HashQueue } from './hash-queue.ts';
import type { LoginRules } from './held-logins.ts';
import { type Argon2Cost, Passwords } from './passwords.ts';
import { Permits } from './permits.ts';
import { Policies } from './policies.ts';
import { RefreshTokens } from './refresh-tokens.ts';
import type { LogIn } from './rpcs/log-in.ts';
import { putRoles } from './rpcs/put-roles.ts';
import { stagePassword } from './rpcs/stage-password.ts';
import { authSteps } from './saga-steps.ts';
import { Sessions } from './sessions.ts';
import { KeyRing } from './signing-keys.ts';
import { openStore, type Store } from './store.ts';
import { Pseudonyms, Vault } from './vault.ts';

/** Hashes in a moment: tests are not about how slow a password hash is. */
export const CHEAP: Argon2Cost = { memory: 64, passes: 1, parallelism: 1 };
export const ISSUER = 'https://musubi.example';
const RATE = { burst: 1_000_000, everySeconds: 1 };
const RATES: AttemptRates = { sourceAndLogin: RATE, source: RATE, login: RATE };
/** How logins are held, by default. */
export const LOGIN_RULES: LoginRules = { heldMs: 30 * 24 * 3_600_000, heldAtMost: 3, renames: RATE };
export const PASSWORD = 'a password of tests';

/** One process's worth of the Auth service, on a real MongoDB. */
export interface TestAuth extends Auth {
  keys: KeyRing;
  masterKey: Secret;
  lifecycle: Lifecycle;
  /** The steps of sagas, as these call them: one that met another is tried again. */
  steps: StepHandlers<AuthServiceService>;
  /** Another process on the same store. */
  sibling(options?: TestAuthOptions): Promise<TestAuth>;
  /** A member that may log in; returns its ID. */
  member(options?: { loginId?: string; roleIds?: string[] }): Promise<string>;
  /** Puts a role with these Cedar policies in place. */
  role(roleId: string, policies: readonly string[], version?: number): Promise<void>;
  /** Drops the database and disconnects. */
  close(): Promise<void>;
}

export interface TestAuthOptions {
  cost?: Argon2Cost;
  queue?: HashQueue;
  /** In place of the store's time. */
  now?: () => number;
  issuer?: string;
  /** As many guesses as a test likes, when it is not about them. */
  rates?: AttemptRates;
  /** Default: as they are by default, with as many renames as a test likes. */
  loginRules?: Partial<LoginRules>;
  log?: Logger;
  /** Who closes sockets; default: there are none. */
  sockets?: Auth['sockets'];
}

/** @param url MUSUBI_MONGODB_URL: a replica set that test databases may be made on */
export async function openTestAuth(url: string | undefined, options: TestAuthOptions = {}): Promise<TestAuth> {
  if (!url) throw new Error('MUSUBI_MONGODB_URL is not set: `npm test` sets it, or give the URL of a MongoDB replica set');
  return open(new Secret(url), `test_auth_${randomUUID().slice(0, 8)}`, new Secret(randomBytes(32).toString('base64')), options);
}

async function open(url: Secret, database: string, masterKey: Secret, options: TestAuthOptions): Promise<TestAuth> {
  const log = options.log ?? createLogger('auth', 'error');
  const lifecycle = new Lifecycle(log, 5_000);
  const { now } = options;
  const loginRules = { ...LOGIN_RULES, ...options.loginRules };
  const store = await openStore({ url, database, log, lifecycle, masterKey, loginRules, ...(now ? { clock: { now } } : {}) });
  const keys = new KeyRing(store.signingKeys, new Vault(masterKey, 'signing keys'), store.clock);
  await keys.maintain();
  const passwords = new Passwords(options.cost ?? CHEAP, options.queue ?? new HashQueue(2, 1_000));
  const policies = new Policies();
  const permits = new Permits(masterKey);
  const sessions = new Sessions(store);
  const audit = new Audit(store, masterKey);
  const steps = triedAgain(authSteps({ store, sessions, policies, permits, audit }));
  return {
    store,
    sessions,
    permits,
    audit,
    keys,
    masterKey,
    lifecycle,
    passwords,
    policies,
    accessTokens: new AccessTokens(keys, options.issuer ?? ISSUER, store.clock),
    attempts: new Attempts(store.attempts, options.rates ?? RATES, masterKey),
    refreshTokens: new RefreshTokens(masterKey),
    deviceCookies: new DeviceCookies(masterKey, store.clock),
    addresses: new Vault(masterKey, 'session addresses'),
    sourceNames: new Pseudonyms(masterKey, 'known sources'),
    loginNames: new Pseudonyms(masterKey, 'logged logins'),
    log,
    sockets: options.sockets ?? { closeSockets: async () => ({}) },
    sibling: (more = {}) => open(url, database, masterKey, { ...options, ...more }),
    steps,
    member: (member) => registerMember(store, steps, passwords, member),
    role: (roleId, texts, version = 1) => {
      const list = texts.map((cedar, index): Policy => ({ policyId: `${roleId}.${index}`, name: '', cedar }));
      return putRoles({ store, policies, audit }, [{ _id: roleId, version, policies: list }]);
    },
    close: async () => {
      await store.mongo.db.dropDatabase();
      await lifecycle.stop('done');
    },
  };
}

/** On a busy machine many calls at once meet each other for longer than one of them tries: here they go on, as sagas do. */
export function triedAgain<Calls extends object>(calls: Calls): Calls {
  const tried =
    (call: (...given: unknown[]) => Promise<unknown>) =>
    async (...given: unknown[]) => {
      for (;;) {
        try {
          return await call(...given);
        } catch (error) {
          if (!(error instanceof MusubiError && error.code === 'STORE_CONFLICT')) throw error;
        }
      }
    };
  const all = Object.entries(calls as Record<string, Parameters<typeof tried>[0]>);
  return Object.fromEntries(all.map(([name, call]) => [name, tried(call)])) as Calls;
}

async function registerMember(
  store: Store,
  steps: TestAuth['steps'],
  passwords: Passwords,
  { loginId = freshLogin(), roleIds = [] }: { loginId?: string; roleIds?: string[] } = {},
): Promise<string> {
  const memberId = randomUUID();
  const passwordRef = await stagePassword(store, passwords, PASSWORD);
  await steps.bindLogin({ operationId: randomUUID(), memberId, loginId, passwordRef });
  await steps.grantRoles({ operationId: randomUUID(), memberId, roleIds });
  return memberId;
}

/** A login as it comes from a test's one client. */
export const loginOf = (loginId: string, password = PASSWORD): LogIn => ({
  loginId,
  password,
  userAgent: 'test',
  source: '192.0.2.1',
  deviceCookie: '',
});

/** A login that nobody has. */
export const freshLogin = (): string => `member.${randomUUID()}`;
