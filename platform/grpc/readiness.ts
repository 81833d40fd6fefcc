import { Client, credentials, type MethodDefinition } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';
import type { Lifecycle } from '../lifecycle.ts';

const check = service.Check as MethodDefinition<{ service: string }, { status: string }>;

/**
 * Makes this process's readiness follow the peers' that are essential, and its health the others'.
 * Asked by the standard gRPC health protocol when this process is probed, with no spans, as nobody's request is behind it.
 *
 * @param peers the address of each by its name, which is what the probes call it
 */
export function followPeers(peers: Record<string, string>, lifecycle: Lifecycle, kind: 'essential' | 'other'): void {
  for (const [name, target] of Object.entries(peers)) {
    const client = new Client(target, credentials.createInsecure(), { 'grpc.max_reconnect_backoff_ms': 1_000 });
    lifecycle.onStop(`health of ${name}`, 'stores', () => client.close());
    const check = async (): Promise<void> => {
      const status = await ask(client);
      if (status !== 'SERVING') throw new Error(`is ${status}`);
    };
    if (kind === 'essential') lifecycle.onReady(name, check);
    else lifecycle.onHealthy(name, check);
  }
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
