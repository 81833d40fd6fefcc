import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Stack, startStack } from '../../local/stack.ts';

/** Starts a Kafka of this test file's own, and makes it the one that `servers` and new processes use: it may be stopped. */
export async function ownKafka(): Promise<Pick<Stack, 'kill' | 'start' | 'restart' | 'stop'>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'musubi-kafka-'));
  // Or it would be taken for one that is there already.
  delete process.env.MUSUBI_KAFKA_BROKERS;
  const stack = await startStack({ dataDir, ports: 'free', servers: ['kafka'], roles: [], restart: false });
  process.env.MUSUBI_KAFKA_BROKERS = stack.addresses.MUSUBI_KAFKA_BROKERS;
  return {
    kill: (name, signal) => stack.kill(name, signal),
    start: (name) => stack.start(name),
    restart: (name) => stack.restart(name),
    stop: async () => {
      await stack.stop();
      await rm(dataDir, { recursive: true });
    },
  };
}
