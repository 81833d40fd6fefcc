import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { classPath, compiled, jdkFolder } from '../packages/jars.ts';
import { archiveFlags, keepArchive } from './class-archive.ts';
import { mustAnswer, type Server } from './server.ts';

/** OpenSearch, with the Japanese analyzer. Its jars have no security plugin: it must never listen beyond loopback. */
export const opensearch: Server = {
  name: 'opensearch',
  title: 'OpenSearch',
  ports: { http: 9200, transport: 9300 },
  address: ({ ports }) => ({ MUSUBI_OPENSEARCH_URL: `http://127.0.0.1:${ports.http}` }),
  async prepare({ data, ports, say }) {
    const jars = await classPath('opensearch', say);
    const ours = await compiled(fileURLToPath(new URL('SearchServer.java', import.meta.url)), jars, say);
    const classes = [ours, jars].join(delimiter);
    const logging = join(data, 'log4j2.properties');
    await writeFile(logging, LOGGING);
    const archive = await archiveFlags('opensearch', classes, JVM);
    const settings = [data, String(ports.http), String(ports.transport)];
    return {
      command: join(await jdkFolder(), 'java'),
      args: [...JVM, ...archive, `-Dlog4j2.configurationFile=${logging}`, '-cp', classes, 'SearchServer', ...settings],
    };
  },
  probe: ({ ports }) => mustAnswer(`http://127.0.0.1:${ports.http}/_cluster/health?wait_for_status=yellow&timeout=1s`),
  settle: (_setting, pid) => keepArchive('opensearch', pid),
  stopSignal: 'SIGTERM',
  graceMs: 10_000,
};

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

const LOGGING = `\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
`;
