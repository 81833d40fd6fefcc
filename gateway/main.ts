import type { z } from 'zod';
import { connectPeers, followServices } from '#platform/grpc/peers.ts';
import { allowedOrigins, hostPort, type programShape } from '#platform/process/config.ts';
import type { App } from '#platform/process/program.ts';
import { calledBy } from '../services/may-call.ts';
import { DOMAINS } from '../temporal.config.ts';
import { hostWorkers } from '../worker/host.ts';
import { connectTellers } from '../worker/reconcile/states.ts';
import { AbandonedJobs } from './commands/abandoned.ts';
import { SingleFlight } from './commands/single-flight.ts';
import { Waits } from './commands/waits.ts';
import { check, shape } from './config.ts';
import { CALLED, type Gateway } from './gateway.ts';
import { createApp } from './http/app.ts';
import { serveApp } from './http/server.ts';
import { allRoutes } from './routes/index.ts';

export { check, shape };

type Config = z.output<z.ZodObject<typeof shape & typeof programShape>>;

/** What the workers call that are hosted here. */
const SAGAS_CALL = calledBy('sagas');

/** The one door for clients: REST in; gRPC to Auth, Job and Query, and sagas, out. */
export async function start(process: App<Config>): Promise<void> {
  const { config, log, lifecycle } = process;
  const stopping = new AbortController();
  lifecycle.onStop('waiting requests', 'intake', () => stopping.abort());

  // Auth decides every request. Without Job there are no commands and without Query no lists, but logins work.
  // What is deployed apart is worked on there.
  const hosted = DOMAINS.filter((domain) => !config.MUSUBI_OWN_QUEUES.includes(domain));
  const domains = config.MUSUBI_GATEWAY_WORKER === 'on' ? hosted : [];
  const connecting = { ...process, caller: config.MUSUBI_GATEWAY_CALLER_KEY };
  followServices(CALLED, connecting, ['auth']);
  const sagas = domains.length > 0 ? config.MUSUBI_SAGAS_CALLER_KEY : undefined;
  const asSagas = sagas && { ...process, caller: sagas };
  // What only sagas call matters where they are worked on.
  const others = Object.fromEntries(Object.entries(SAGAS_CALL).filter(([name]) => !(name in CALLED)));
  if (asSagas) followServices(others, { ...asSagas, config: config as Record<string, unknown> as Record<string, string> });
  const called = asSagas && { peers: connectPeers(SAGAS_CALL, asSagas), tellers: connectTellers(asSagas) };
  const services = {
    ...connectPeers(CALLED, connecting),
    commands: hostWorkers(process, domains, { ...called, essential: false }),
    log,
    stopping: stopping.signal,
  };
  const gateway: Gateway = {
    ...services,
    abandoned: new AbandonedJobs(services),
    waits: new Waits(services),
    issuing: new SingleFlight(),
  };
  const origins = new Set(allowedOrigins(config.MUSUBI_ALLOWED_ORIGINS, config.MUSUBI_PUBLIC_URL));
  const listen = config.MUSUBI_HTTP_LISTEN;
  const trust = { origins, proxies: config.MUSUBI_TRUSTED_PROXIES };
  const port = await serveApp(createApp(gateway, allRoutes(config.MUSUBI_PUBLIC_URL), trust), { listen, lifecycle, log });
  // Its own, too: where it listens, also if clients know it by another name.
  for (const own of allowedOrigins([], `http://${hostPort({ ...listen, port })}`)) origins.add(own);
}
