import { startLoop } from '#platform/concurrency/loop.ts';
import { LOOP_STOP_TIMEOUT_MS } from '#platform/concurrency/timeouts.ts';
import { serveGrpc } from '#platform/grpc/server.ts';
import type { App } from '#platform/process/program.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { AccessTokens } from './access-tokens.ts';
import { Attempts } from './attempts.ts';
import type { Config } from './config.ts';
import { DeviceCookies } from './device-cookies.ts';
import { AUTH_LIMITS, authHandlers } from './grpc.ts';
import { HashQueue } from './hash-queue.ts';
import { Passwords } from './passwords.ts';
import { Policies } from './policies.ts';
import { RefreshTokens } from './refresh-tokens.ts';
import { Sessions } from './sessions.ts';
import { KeyRing } from './signing-keys.ts';
import { authState } from './state.ts';
import { openStore } from './store.ts';
import { Pseudonyms, Vault } from './vault.ts';

export { shape } from './config.ts';

/** How often signing keys are maintained: far below the hour that a new one is published ahead. */
const MAINTAIN_KEYS_EVERY_MS = 60_000;

export async function start({ config, log, lifecycle, inProcess }: App<Config>): Promise<void> {
  const policies = new Policies();
  const store = await openStore({ url: config.MUSUBI_MONGODB_URL, log, lifecycle });
  const keys = new KeyRing(store.signingKeys, new Vault(config.MUSUBI_AUTH_MASTER_KEY, 'signing keys'), store.clock);
  await keys.maintain();
  const maintenance = startLoop(() => keys.maintain(), {
    name: 'the maintenance of signing keys',
    log,
    everyMs: MAINTAIN_KEYS_EVERY_MS,
    later: true,
  });
  lifecycle.onStop('signing keys', 'work', () => maintenance.stop(LOOP_STOP_TIMEOUT_MS));

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
  const masterKey = config.MUSUBI_AUTH_MASTER_KEY;
  const auth = {
    store,
    sessions: new Sessions(store),
    policies,
    log,
    passwords: new Passwords(cost, queue),
    attempts: new Attempts(store.attempts, rates, masterKey),
    accessTokens: new AccessTokens(keys, config.MUSUBI_PUBLIC_URL, store.clock),
    refreshTokens: new RefreshTokens(masterKey),
    deviceCookies: new DeviceCookies(masterKey, store.clock),
    sourceNames: new Pseudonyms(masterKey, 'known sources'),
    loginNames: new Pseudonyms(masterKey, 'logged logins'),
  };
  await serveGrpc(
    { listen: config.MUSUBI_GRPC_LISTEN, log, lifecycle, inProcess, limits: AUTH_LIMITS },
    AuthServiceService,
    authHandlers(auth, keys),
    authState(store),
  );
}
