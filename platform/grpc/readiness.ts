import { Client, credentials, type MethodDefinition } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';
import type { Lifecycle } from '../process/lifecycle.ts';

const check = service.Check as MethodDefinition<{ service: string }, { status: string }>;

/**
 * What asks a peer for its health, by the standard gRPC health protocol, and throws while it cannot serve. It makes no spans, as
 * nobody's request is behind it.
 *
 * @param name what the peer is called, for the log
 * @param target its address
 */
export function healthOf(name: string, target: string, lifecycle: Lifecycle): () => Promise<void> {
  const client = new Client(target, credentials.createInsecure(), { 'grpc.max_reconnect_backoff_ms': 1_000 });
  lifecycle.onStop(`health of ${name}`, 'stores', () => client.close());
  return async () => {
    const status = await ask(client);
    if (status !== 'SERVING') throw new Error(`is ${status}`);
  };
}

function ask(client: Client): Promise<string> {
  return new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = check;
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service: '' },
      { deadline: Date.now() + 900 },
      (error, answer) => (error ? reject(new Error(error.details || error.message)) : resolve(answer?.status ?? 'UNKNOWN')),
    );
  });
}
