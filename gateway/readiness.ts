import { Client, credentials, type MethodDefinition } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';
import type { Lifecycle } from '#platform/lifecycle.ts';

const check = service.Check as MethodDefinition<{ service: string }, { status: string }>;

/**
 * Makes readiness follow the peers': a gateway whose services are away can answer nothing but 503, and says so.
 * Asked by the standard gRPC health protocol, with no spans, as nobody's request is behind it.
 */
export function needPeers(peers: Record<string, string>, lifecycle: Lifecycle): void {
  for (const [name, target] of Object.entries(peers)) {
    const client = new Client(target, credentials.createInsecure(), { 'grpc.max_reconnect_backoff_ms': 1_000 });
    lifecycle.onStop(`health of ${name}`, 'stores', () => client.close());
    lifecycle.onReady(name, async () => {
      const status = await ask(client);
      if (status !== 'SERVING') throw new Error(`is ${status}`);
    });
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
