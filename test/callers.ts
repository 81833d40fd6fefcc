import { Caller, keyVariable } from '#platform/grpc/callers.ts';
import { connectPeer, type Proof } from '#platform/grpc/client.ts';
import { addressVariable, type Peers } from '#platform/grpc/peers.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import { SERVICES, type ServiceName } from '../services/catalogue.ts';
import { type ContractOf, MAY_CALL, servedBy } from '../services/may-call.ts';
import { fromEnvironment } from './scratch-database.ts';

const known = new Map<string, Caller>();

/** One of the running system's callers. */
export function caller(name: string): Caller {
  const made = known.get(name) ?? new Caller(name, fromEnvironment(keyVariable(name)));
  known.set(name, made);
  return made;
}

/** For a peer of a test, which calls what several callers may: each method as one that may call it. */
export const byWhoMay =
  (service: ServiceName): Proof =>
  (path) => {
    const [name] = MAY_CALL.get(path) ?? [];
    if (name === undefined) throw new Error(`nobody may call ${path}`);
    return caller(name).token(service);
  };

/** How long a test waits for an answer, ms: tests that run beside it keep the machine busy. */
const PATIENCE_MS = 60_000;

/** All services, with all of their methods. */
export function everyPeer(lifecycle: Lifecycle): Peers<{ [Name in ServiceName]: ContractOf<Name> }> {
  const peers = Object.entries(SERVICES).map(([name, entry]) => {
    const target = fromEnvironment(addressVariable(name));
    return [name, connectPeer(target, servedBy(entry), lifecycle, byWhoMay(name as ServiceName), PATIENCE_MS)];
  });
  return Object.fromEntries(peers);
}
