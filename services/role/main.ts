import { serveErasure } from '#platform/erasure.ts';
import type { App } from '#platform/process/program.ts';
import { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import { serve } from '../serve.ts';
import type { Config } from './config.ts';
import { roleErasure } from './erasure.ts';
import { roleHandlers } from './grpc.ts';
import { roleState } from './state.ts';
import { openStore } from './store.ts';

export { shape } from './config.ts';

/** Starts the role service: its database (readiness follows it), then gRPC. */
export async function start(app: App<Config>): Promise<void> {
  const { config, log, lifecycle } = app;
  const db = await openStore({ url: config.MUSUBI_POSTGRES_URL, log, lifecycle });
  await serve(app, RoleServiceService, roleHandlers(db), roleState(db), serveErasure(roleErasure(db)));
}
