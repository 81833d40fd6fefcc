import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kafkaClient } from '#platform/kafka/client.ts';
import { createLogger } from '#platform/process/log.ts';
import { jars } from '../packages/jars.ts';
import { run } from '../run-command.ts';
import { type JavaProgram, javaLaunch, keepArchive, QUIET } from './java.ts';
import type { Server, Setting } from './server.ts';

/** Kafka in KRaft mode: one node that is both controller and broker. */
export const kafka: Server = {
  name: 'kafka',
  title: 'Kafka',
  ports: { kafka: 9092, controller: 9093 },
  address: ({ ports }) => ({ MUSUBI_KAFKA_BROKERS: `127.0.0.1:${ports.kafka}` }),
  async prepare(setting) {
    const { data, say } = setting;
    const program = await broker(setting);
    await writeFile(join(data, CONFIGURATION), properties(setting));
    await writeFile(join(data, LOGGING), QUIET);
    if (!existsSync(join(data, LOG, 'meta.properties'))) {
      say('formatting the log');
      // A format that was killed half way is begun again; there is nothing in it yet.
      await rm(join(data, LOG), { recursive: true, force: true });
      const format = ['format', `--cluster-id=${clusterId()}`, `--config=${CONFIGURATION}`];
      const { command, args, cwd } = await javaLaunch(program, ['kafka.tools.StorageTool', ...format]);
      await run(command, args, { cwd });
    }
    return await javaLaunch(program, ['kafka.Kafka', CONFIGURATION]);
  },
  probe: (setting) => kafka.reach(kafka.address(setting)),
  async reach({ MUSUBI_KAFKA_BROKERS = '' }) {
    const client = kafkaClient({
      clientId: 'musubi-local',
      brokers: MUSUBI_KAFKA_BROKERS.split(',').map((broker) => broker.trim()),
      requestTimeoutMs: 5_000,
      retries: 0,
      log: createLogger('local', 'silent'),
    });
    const admin = client.admin();
    try {
      await admin.connect();
      // A broker lists itself only once the controller has let it take part.
      const { brokers } = await admin.describeCluster();
      if (brokers.length === 0) throw new Error('the broker is still fenced');
    } finally {
      await admin.disconnect();
    }
  },
  settle: async (setting, pid) => keepArchive(await broker(setting), pid),
  stopSignal: 'SIGTERM',
  graceMs: 10_000,
};

const CONFIGURATION = 'server.properties';
const LOGGING = 'log4j2.properties';
const LOG = 'log';

const broker = async ({ data, say }: Setting): Promise<JavaProgram> => ({
  name: 'kafka',
  data,
  jars: await jars('kafka', say),
  flags: [...JVM, `-Dlog4j2.configurationFile=${LOGGING}`],
});

/** Sixteen bytes in base64url, as Kafka has them: without `-`, because Kafka takes an ID that begins with one for an option. */
export function clusterId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.includes('-')) return id;
  }
}

const JVM = [
  '-Xms48m',
  '-Xmx256m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:MaxDirectMemorySize=64m',
  // Gives unused heap back to the system sooner than the default does.
  '-XX:MinHeapFreeRatio=10',
  '-XX:MaxHeapFreeRatio=30',
  '-Xss512k',
  '-Djava.awt.headless=true',
];

const properties = ({ ports }: Setting) => `\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${ports.controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:${ports.kafka},CONTROLLER://127.0.0.1:${ports.controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${ports.kafka}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=${LOG}

# Topics are made on purpose, by the processes that own them.
auto.create.topics.enable=false
delete.topic.enable=true
num.partitions=1

# One node: every internal topic has one copy.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# A consumer that joins alone need not wait for others.
group.initial.rebalance.delay.ms=0

# A small machine: few threads, small buffers.
num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.dedupe.buffer.size=2097152
log.segment.bytes=67108864
log.index.size.max.bytes=1048576

# After a kill the controller takes the broker back after 3 s instead of 9 s.
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=3000
`;
