import { Metadata, type MethodDefinition } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';
import type { Lifecycle } from '../process/lifecycle.ts';
import { CALLER, type Proof } from './client.ts';
import { RenewedClient } from './renewed-client.ts';

const check = service.Check as MethodDefinition<{ service: string }, { status: string }>;

/**
 * What asks a peer for its health, by the standard gRPC health protocol, and throws while it cannot serve. It makes no spans, as
 * nobody's request is behind it.
 *
 * @param name what the peer is called, for the log
 * @param target its address
 * @param proof says who asks: a peer that does not take it for one of ours is of no use
 */
export function healthOf(name: string, target: string, lifecycle: Lifecycle, proof: Proof): () => Promise<void> {
  const clients = new RenewedClient(target, { 'grpc.max_reconnect_backoff_ms': 1_000 });
  lifecycle.onStop(`health of ${name}`, 'stores', () => clients.close());
  return async () => {
    const metadata = new Metadata();
    metadata.set(CALLER, await proof(check.path));
    const status = await ask(clients, metadata);
    if (status !== 'SERVING') throw new Error(`is ${status}`);
  };
}

function ask(clients: RenewedClient, metadata: Metadata): Promise<string> {
  return new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = check;
    const { client, end } = clients.begin();
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service: '' },
      metadata,
      { deadline: Date.now() + 900 },
      (error, answer) => {
        end();
        if (error) reject(new Error(error.details || error.message));
        else resolve(answer?.status ?? 'UNKNOWN');
      },
    );
  });
}
