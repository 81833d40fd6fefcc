import { startLoop } from '#platform/concurrency/loop.ts';
import { LOOP_STOP_TIMEOUT_MS } from '#platform/concurrency/timeouts.ts';
import { serveErasure } from '#platform/erasure.ts';
import { connectPeers, followServices } from '#platform/grpc/peers.ts';
import { pruneHourly } from '#platform/operations/retention.ts';
import type { App } from '#platform/process/program.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { serve } from '../serve.ts';
import { AccessTokens } from './access-tokens.ts';
import { Attempts } from './attempts.ts';
import { Audit } from './audit/audit.ts';
import { keepAudit } from './audit/keep.ts';
import { CALLED, type Config } from './config.ts';
import { DeviceCookies } from './device-cookies.ts';
import { authErasure } from './erasure.ts';
import { AUTH_LIMITS, authHandlers } from './grpc.ts';
import { HashQueue } from './hash-queue.ts';
import { Passwords } from './passwords.ts';
import { Permits } from './permits.ts';
import { Policies } from './policies.ts';
import { RefreshTokens } from './refresh-tokens.ts';
import { Sessions } from './sessions.ts';
import { KeyRing } from './signing-keys.ts';
import { authState } from './state.ts';
import { forgetExpiredSessions, openStore } from './store.ts';
import { Pseudonyms, Vault } from './vault.ts';

export { shape } from './config.ts';

/** How often signing keys are maintained: far below the hour that a new one is published ahead. */
const MAINTAIN_KEYS_EVERY_MS = 60_000;

export async function start(app: App<Config>): Promise<void> {
  const { config, log, lifecycle } = app;
  const connecting = { ...app, caller: config.MUSUBI_AUTH_CALLER_KEY };
  const policies = new Policies();
  const loginRules = {
    heldMs: config.MUSUBI_AUTH_LOGIN_HELD_DAYS * 24 * 3_600_000,
    heldAtMost: config.MUSUBI_AUTH_LOGINS_HELD,
    renames: config.MUSUBI_AUTH_RENAMES,
  };
  const masterKey = config.MUSUBI_AUTH_MASTER_KEY;
  const erasedAfterMs = config.MUSUBI_AUTH_ERASED_AFTER_MINUTES * 60_000;
  const store = await openStore({ url: config.MUSUBI_MONGODB_URL, log, lifecycle, masterKey, loginRules, erasedAfterMs });
  const keys = new KeyRing(store.signingKeys, new Vault(masterKey, 'signing keys'), store.clock);
  await keys.maintain();
  const maintenance = startLoop(() => keys.maintain(), {
    name: 'the maintenance of signing keys',
    log,
    everyMs: MAINTAIN_KEYS_EVERY_MS,
    later: true,
  });
  lifecycle.onStop('signing keys', 'work', () => maintenance.stop(LOOP_STOP_TIMEOUT_MS));

  pruneHourly(() => forgetExpiredSessions(store), { database: 'expired sessions', log, lifecycle });

  const cost = {
    memory: config.MUSUBI_AUTH_ARGON2_MEMORY,
    passes: config.MUSUBI_AUTH_ARGON2_PASSES,
    parallelism: config.MUSUBI_AUTH_ARGON2_PARALLELISM,
  };
  const queue = new HashQueue(config.MUSUBI_AUTH_HASH_CONCURRENCY, config.MUSUBI_AUTH_HASH_QUEUE);
  const rates = {
    sourceAndLogin: config.MUSUBI_AUTH_GUESSES_PER_SOURCE_AND_LOGIN,
    source: config.MUSUBI_AUTH_GUESSES_PER_SOURCE,
    login: config.MUSUBI_AUTH_GUESSES_PER_LOGIN,
  };
  const audit = new Audit(store, masterKey);
  keepAudit(audit, app, { forDays: config.MUSUBI_AUTH_AUDIT_DAYS, clock: store.clock });
  // That it is away keeps no session from ending.
  followServices(CALLED, connecting);
  const auth = {
    store,
    sessions: new Sessions(store),
    policies,
    sockets: connectPeers(CALLED, connecting).websocket,
    permits: new Permits(masterKey),
    audit,
    log,
    passwords: new Passwords(cost, queue),
    attempts: new Attempts(store.attempts, rates, masterKey),
    accessTokens: new AccessTokens(keys, config.MUSUBI_PUBLIC_URL, store.clock),
    refreshTokens: new RefreshTokens(masterKey),
    deviceCookies: new DeviceCookies(masterKey, store.clock),
    addresses: new Vault(masterKey, 'session addresses'),
    sourceNames: new Pseudonyms(masterKey, 'known sources'),
    loginNames: new Pseudonyms(masterKey, 'logged logins'),
  };
  const handlers = authHandlers(auth, keys);
  await serve({ ...app, limits: AUTH_LIMITS }, AuthServiceService, handlers, authState(store), serveErasure(authErasure(store)));
}
