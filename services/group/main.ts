import { serveErasure } from '#platform/erasure.ts';
import { pruneHourly } from '#platform/operations/retention.ts';
import type { App } from '#platform/process/program.ts';
import { GroupServiceService } from '#proto/musubi/group/v1/group.ts';
import { serve } from '../serve.ts';
import type { Config } from './config.ts';
import { groupErasure } from './erasure.ts';
import { GROUP_LIMITS, groupHandlers } from './grpc.ts';
import { pruneAdditions } from './memberships/additions.ts';
import { groupState } from './state.ts';
import { openStore } from './store.ts';

export { shape } from './config.ts';

/** Starts the group service: its database (readiness follows it), then gRPC. */
export async function start(app: App<Config>): Promise<void> {
  const { config, log, lifecycle } = app;
  const db = await openStore({ url: config.MUSUBI_POSTGRES_URL, log, lifecycle });
  pruneHourly(() => pruneAdditions(db, config.MUSUBI_JOB_FINISHED_SECONDS), { database: 'additions', log, lifecycle });
  await serve(
    { ...app, limits: GROUP_LIMITS },
    GroupServiceService,
    groupHandlers(db),
    groupState(db),
    serveErasure(groupErasure(db)),
  );
}
