import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVERS, type ServerName } from '../local/servers/index.ts';
import { type Stack, startStack } from '../local/stack.ts';

/** A server of one test's own, for what must not be done to one that others use: to fill it, to pause it, to lock it. */
export interface OwnServer {
  /** Its addresses, by the variables that hold them. */
  addresses: Record<string, string>;
  stack: Stack;
  /** SIGSTOP: it takes connections, and answers nothing. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
}

export async function ownServer(name: ServerName): Promise<OwnServer> {
  const dataDir = await mkdtemp(join(process.env.MUSUBI_TEST_DATA ?? tmpdir(), `${name}-`));
  const server = SERVERS.find((each) => each.name === name);
  if (!server) throw new Error(`there is no server ${name}`);
  // An address in the environment would be taken for that of the server to use.
  for (const variable of Object.keys(server.address({ ports: {}, secrets: {} as never }))) delete process.env[variable];
  const stack = await startStack({ dataDir, servers: [name], processes: 'none', ports: 'free', restart: false });
  return {
    addresses: stack.addresses,
    stack,
    pause: () => stack.kill(name, 'SIGSTOP'),
    resume: () => stack.kill(name, 'SIGCONT'),
    async stop() {
      await stack.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
