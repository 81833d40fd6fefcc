import { serveErasure } from '#platform/erasure.ts';
import { kafkaOptions } from '#platform/kafka/config.ts';
import { lastStates } from '#platform/kafka/last-states.ts';
import { forgetParked } from '#platform/kafka/redrive.ts';
import type { App } from '#platform/process/program.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { EVENTS_KEPT_DAYS } from '../catalogue.ts';
import { serve } from '../serve.ts';
import type { Config } from './config.ts';
import { ERASURES_TOPIC, queryErasure } from './erasure.ts';
import { queryHandlers } from './grpc.ts';
import { listen } from './notifications.ts';
import { GROUPS, startProjector } from './projector.ts';
import { copiesState } from './state.ts';
import { DATABASE, openStore } from './store.ts';
import { Visibility } from './visibility.ts';

export { shape } from './config.ts';

/** Starts the query service: read models → notifications → gRPC → projections. Readiness follows the database and the consumer. */
export async function start(app: App<Config>): Promise<void> {
  const { config, log, lifecycle } = app;
  const url = config.MUSUBI_POSTGRES_URL;
  const db = await openStore({ url, log, lifecycle });
  const visibility = new Visibility(db);
  await listen({
    url,
    database: DATABASE,
    onVisible: (versions) => visibility.announce(versions),
    onListening: () => visibility.recheck(),
    log,
    lifecycle,
  });
  const kafka = kafkaOptions(config, EVENTS_KEPT_DAYS);
  const asking = { ...kafka, clientId: 'query-erasure', log };
  const inKafka = {
    told: () => lastStates(asking, ERASURES_TOPIC),
    forgetParked: (memberIds: readonly string[]) => forgetParked(asking, GROUPS, memberIds),
  };
  const erasure = queryErasure(db, inKafka, log);
  await serve(app, QueryServiceService, queryHandlers(db, visibility), copiesState(db), serveErasure(erasure));
  await startProjector({ db, visibility, ...kafka, log, lifecycle });
}
