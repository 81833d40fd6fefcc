import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiled, jars } from '../packages/jars.ts';
import { type JavaProgram, javaLaunch, keepArchive, QUIET } from './java.ts';
import { mustAnswer, type Server, type Setting } from './server.ts';

/** OpenSearch, with the Japanese analyzer. Its jars have no security plugin: it must never listen beyond loopback. */
export const opensearch: Server = {
  name: 'opensearch',
  title: 'OpenSearch',
  ports: { http: 9200, transport: 9300 },
  address: ({ ports }) => ({ MUSUBI_OPENSEARCH_URL: `http://127.0.0.1:${ports.http}` }),
  async prepare(setting) {
    const { data, ports } = setting;
    await writeFile(join(data, LOGGING), QUIET);
    return await javaLaunch(await node(setting), ['SearchServer', String(ports.http), String(ports.transport)]);
  },
  probe: ({ ports }) => mustAnswer(`http://127.0.0.1:${ports.http}/_cluster/health?wait_for_status=yellow&timeout=1s`),
  reach: ({ MUSUBI_OPENSEARCH_URL = '' }) => mustAnswer(MUSUBI_OPENSEARCH_URL),
  settle: async (setting, pid) => keepArchive(await node(setting), pid),
  stopSignal: 'SIGTERM',
  graceMs: 10_000,
};

const LOGGING = 'log4j2.properties';

async function node({ data, say }: Setting): Promise<JavaProgram> {
  const theirs = await jars('opensearch', say);
  const ours = await compiled(fileURLToPath(new URL('SearchServer.java', import.meta.url)), theirs, say);
  return { name: 'opensearch', data, jars: [ours, ...theirs], flags: [...JVM, `-Dlog4j2.configurationFile=${LOGGING}`] };
}

const JVM = [
  '-Xms96m',
  '-Xmx256m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:MaxDirectMemorySize=128m',
  '-XX:MinHeapFreeRatio=10',
  '-XX:MaxHeapFreeRatio=30',
  '-Xss512k',
  '-Djava.awt.headless=true',
  '-Dlog4j2.disable.jmx=true',
  '-Dlog4j.shutdownHookEnabled=false',
  '-Dio.netty.noUnsafe=true',
  '-Dio.netty.allocator.numDirectArenas=1',
  '-Dio.netty.recycler.maxCapacityPerThread=0',
  '-Djava.locale.providers=SPI,COMPAT',
];
