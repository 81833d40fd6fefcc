import { serveErasure } from '#platform/erasure.ts';
import type { App } from '#platform/process/program.ts';
import { PositionServiceService } from '#proto/musubi/position/v1/position.ts';
import { serve } from '../serve.ts';
import type { Config } from './config.ts';
import { positionErasure } from './erasure.ts';
import { positionHandlers } from './grpc.ts';
import { positionState } from './state.ts';
import { openStore } from './store.ts';

export { shape } from './config.ts';

/** Starts the position service: its database (readiness follows it), then gRPC. */
export async function start(app: App<Config>): Promise<void> {
  const { config, log, lifecycle } = app;
  const db = await openStore({ url: config.MUSUBI_POSTGRES_URL, log, lifecycle });
  await serve(app, PositionServiceService, positionHandlers(db), positionState(db), serveErasure(positionErasure(db)));
}
