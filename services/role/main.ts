import { serveGrpc } from '#platform/grpc/server.ts';
import type { App } from '#platform/process/program.ts';
import { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import type { Config } from './config.ts';
import { roleHandlers } from './grpc.ts';
import { roleState } from './state.ts';
import { openStore } from './store.ts';

export { shape } from './config.ts';

/** Starts the role service: its database (readiness follows it), then gRPC. */
export async function start({ config, log, lifecycle, inProcess }: App<Config>): Promise<void> {
  const db = await openStore({ url: config.MUSUBI_POSTGRES_URL, log, lifecycle });
  await serveGrpc(
    { listen: config.MUSUBI_GRPC_LISTEN, log, lifecycle, inProcess },
    RoleServiceService,
    roleHandlers(db),
    roleState(db),
  );
}
