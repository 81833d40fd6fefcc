import type { ServiceDefinition } from '@grpc/grpc-js';
import { peer } from '../process/config.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import type { Caller } from './callers.ts';
import { boundTo, connectPeer, type Peer } from './client.ts';
import type { InProcess } from './in-process.ts';
import { healthOf } from './readiness.ts';

/** The contracts of several services, by the services' names. */
type Contracts = Record<string, ServiceDefinition>;

type AddressOf<Name> = `MUSUBI_${Uppercase<Name & string>}_ADDRESS`;
/** The settings that say where these services are. */
export type PeerAddresses<C> = { [Name in keyof C as AddressOf<Name>]: string };

/** Several services as they are called. */
export type Peers<C> = { [Name in keyof C]: C[Name] extends ServiceDefinition ? Peer<C[Name]> : never };

/** The variable that says where a service is: `MUSUBI_AUTH_ADDRESS`. */
export const addressVariable = <Name extends string>(name: Name): AddressOf<Name> =>
  `MUSUBI_${name.toUpperCase() as Uppercase<Name>}_ADDRESS`;

/** The environment variables that say where these services are. */
export function peerShape<C extends Contracts>(contracts: C): Record<keyof PeerAddresses<C>, ReturnType<typeof peer>> {
  return Object.fromEntries(Object.keys(contracts).map((name) => [addressVariable(name), peer()])) as Record<
    keyof PeerAddresses<C>,
    ReturnType<typeof peer>
  >;
}

/** What a program connects with. */
interface Connecting<C> {
  config: PeerAddresses<C>;
  /** Who it is to the services. */
  caller: Caller;
  lifecycle: Lifecycle;
  /** The programs of this process are called without a socket. */
  inProcess?: InProcess;
}

/** Connects to services; the connections end with the lifecycle. */
export function connectPeers<C extends Contracts>(
  contracts: C,
  { config, caller, lifecycle, inProcess }: Connecting<C>,
): Peers<C> {
  const addresses = addressesOf(contracts, config);
  const peers = Object.entries(contracts).map(([name, contract]) => {
    const proof = () => caller.token(name);
    const here = inProcess?.has(name) ?? false;
    return [name, here ? inProcess?.peer(name, contract, proof) : connectPeer(addresses[name] ?? '', contract, lifecycle, proof)];
  });
  return Object.fromEntries(peers) as Peers<C>;
}

/** The same services for somebody who may leave: then what is asked of them for that one ends. */
export function boundPeers<C extends Contracts>(signal: AbortSignal, contracts: C, peers: Peers<C>): Peers<C> {
  const unbound = peers as Record<string, Peer<ServiceDefinition>>;
  const bound = Object.keys(contracts).map((name) => [name, boundTo(signal, unbound[name] as Peer<ServiceDefinition>)]);
  return Object.fromEntries(bound) as Peers<C>;
}

/**
 * Makes this program's readiness follow the services without which it can do nothing, and its health all the others.
 *
 * @param essential the names of the former
 */
export function followServices<C extends Contracts>(
  contracts: C,
  { config, caller, lifecycle, inProcess }: Connecting<C>,
  essential: readonly (keyof C)[] = [],
): void {
  for (const [name, target] of Object.entries(addressesOf(contracts, config))) {
    const proof = () => caller.token(name);
    const check = inProcess?.has(name) ? () => inProcess.requireReady(name) : healthOf(name, target, lifecycle, proof);
    if (essential.includes(name)) lifecycle.onReady(name, check);
    else lifecycle.onHealthy(name, check);
  }
}

function addressesOf<C extends Contracts>(contracts: C, config: PeerAddresses<C>): Record<string, string> {
  const given = config as Record<string, string>;
  return Object.fromEntries(Object.keys(contracts).map((name) => [name, given[addressVariable(name)] ?? '']));
}
