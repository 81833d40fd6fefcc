import { serveGrpc } from '#platform/grpc/server.ts';
import type { App } from '#platform/process.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { AccessTokens } from './access-tokens.ts';
import type { Config } from './config.ts';
import { authHandlers } from './grpc.ts';
import { HashQueue } from './hash-queue.ts';
import { Passwords } from './passwords.ts';
import { Policies } from './policies.ts';
import { RefreshTokens } from './refresh-tokens.ts';
import { KeyRing } from './signing-keys.ts';
import { openStore } from './store.ts';
import { Vault } from './vault.ts';

export { shape } from './config.ts';

/** How often signing keys are looked after: far below the hour that a new one is published ahead. */
const KEY_MAINTENANCE_MS = 60_000;

export async function start({ config, log, lifecycle }: App<Config>): Promise<void> {
  const policies = new Policies();
  const store = await openStore({ url: config.MUSUBI_MONGODB_URL, log, lifecycle });
  const keys = new KeyRing(store.signingKeys, new Vault(config.MUSUBI_AUTH_MASTER_KEY, 'signing keys'), store.clock);
  await keys.maintain();
  const maintenance = setInterval(() => {
    keys.maintain().catch((error: unknown) => log.warn({ err: error }, 'signing keys could not be looked after'));
  }, KEY_MAINTENANCE_MS);
  lifecycle.onStop('signing keys', 'work', () => clearInterval(maintenance));

  const cost = {
    memory: config.MUSUBI_AUTH_ARGON2_MEMORY,
    passes: config.MUSUBI_AUTH_ARGON2_PASSES,
    parallelism: config.MUSUBI_AUTH_ARGON2_PARALLELISM,
  };
  const queue = new HashQueue(config.MUSUBI_AUTH_HASH_CONCURRENCY, config.MUSUBI_AUTH_HASH_QUEUE);
  const auth = {
    store,
    policies,
    passwords: new Passwords(cost, queue),
    accessTokens: new AccessTokens(keys, config.MUSUBI_PUBLIC_URL, store.clock),
    refreshTokens: new RefreshTokens(config.MUSUBI_AUTH_MASTER_KEY),
  };
  await serveGrpc({ listen: config.MUSUBI_GRPC_LISTEN, log, lifecycle }, AuthServiceService, authHandlers(auth, keys));
}
