import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVERS, type ServerName } from '../../local/servers/index.ts';
import { type Stack, startStack } from '../../local/stack.ts';

/** Servers of a test file's own, which it may stop, hang and fill; `servers` and new processes use them. */
export interface OwnServers {
  stack: Stack;
  /** The folder of each in here is its data. */
  dataDir: string;
  close(): Promise<void>;
}

export async function ownServers(...names: ServerName[]): Promise<OwnServers> {
  const dataDir = await mkdtemp(join(process.env.MUSUBI_TEST_DATA ?? tmpdir(), 'own-'));
  // Or they would be taken for servers that are there already.
  for (const { name, address } of SERVERS) {
    if (!names.includes(name as ServerName)) continue;
    for (const variable of Object.keys(address({ ports: {}, secrets: {} as never }))) delete process.env[variable];
  }
  const stack = await startStack({ dataDir, ports: 'free', servers: names, processes: 'none', restart: false });
  Object.assign(process.env, stack.addresses);
  return {
    stack,
    dataDir,
    close: async () => {
      await stack.stop();
      await rm(dataDir, { recursive: true });
    },
  };
}
