import type { ServerOptions, ServiceDefinition } from '@grpc/grpc-js';
import { Callers } from '#platform/grpc/callers.ts';
import type { GrpcConfig } from '#platform/grpc/config.ts';
import { serviceName } from '#platform/grpc/contract.ts';
import { type Handlers, type Served, serveGrpc } from '#platform/grpc/server.ts';
import type { App } from '#platform/process/program.ts';
import { MAY_CALL } from './may-call.ts';

/**
 * Serves a service of the catalogue, to those whom that lets call.
 *
 * @param app with `limits`: what differs from the limits of all services
 * @param beside what it serves besides its own contract
 */
export function serve<S extends ServiceDefinition>(
  { config, ...app }: Pick<App<GrpcConfig>, 'config' | 'log' | 'lifecycle' | 'inProcess'> & { limits?: ServerOptions },
  contract: S,
  handlers: Handlers<S>,
  ...beside: Served[]
): Promise<number> {
  const callers = new Callers(serviceName(contract), config.MUSUBI_CALLERS, MAY_CALL);
  const at = { listen: config.MUSUBI_GRPC_LISTEN, callers, reflection: config.MUSUBI_GRPC_REFLECTION === 'on' };
  return serveGrpc({ ...app, ...at }, contract, handlers, ...beside);
}
