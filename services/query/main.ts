import { serveGrpc } from '#platform/grpc/server.ts';
import { kafkaOptions } from '#platform/kafka/config.ts';
import type { App } from '#platform/process/program.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { EVENTS_KEPT_DAYS } from '../catalogue.ts';
import type { Config } from './config.ts';
import { queryHandlers } from './grpc.ts';
import { listen } from './notifications.ts';
import { startProjector } from './projector.ts';
import { copiesState } from './state.ts';
import { DATABASE, openStore } from './store.ts';
import { Visibility } from './visibility.ts';

export { shape } from './config.ts';

/** Starts the query service: read models → notifications → gRPC → projections. Readiness follows the database and the consumer. */
export async function start({ config, log, lifecycle, inProcess }: App<Config>): Promise<void> {
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
  await serveGrpc(
    { listen: config.MUSUBI_GRPC_LISTEN, log, lifecycle, inProcess },
    QueryServiceService,
    queryHandlers(db, visibility),
    copiesState(db),
  );
  await startProjector({ db, visibility, ...kafkaOptions(config, EVENTS_KEPT_DAYS), log, lifecycle });
}
