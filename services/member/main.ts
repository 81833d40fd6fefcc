import { serveErasure } from '#platform/erasure.ts';
import type { App } from '#platform/process/program.ts';
import { MemberServiceService } from '#proto/musubi/member/v1/member.ts';
import { serve } from '../serve.ts';
import type { Config } from './config.ts';
import { memberErasure } from './erasure.ts';
import { memberHandlers } from './grpc.ts';
import { memberState } from './state.ts';
import { openStore } from './store.ts';

export { shape } from './config.ts';

/** Starts the member service: its database (readiness follows it), then gRPC. */
export async function start(app: App<Config>): Promise<void> {
  const { config, log, lifecycle } = app;
  const db = await openStore({ url: config.MUSUBI_POSTGRES_URL, log, lifecycle });
  await serve(app, MemberServiceService, memberHandlers(db), memberState(db), serveErasure(memberErasure(db)));
}
