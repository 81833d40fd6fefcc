import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** A free port of this machine. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface Started {
  child: ChildProcess;
  ports: { grpc: number; http: number; ops: number };
  output(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts one more process of a role beside the running stack, and waits until it is ready. */
export async function startRole(role: string, args: string[] = [], env: Record<string, string> = {}): Promise<Started> {
  const ports = { grpc: await freePort(), http: await freePort(), ops: await freePort() };
  const child = spawn(process.execPath, [join(import.meta.dirname, '../main.ts'), role, ...args], {
    cwd: join(import.meta.dirname, '..'),
    env: {
      ...process.env,
      MUSUBI_GRPC_LISTEN: `127.0.0.1:${ports.grpc}`,
      MUSUBI_HTTP_LISTEN: `127.0.0.1:${ports.http}`,
      MUSUBI_OPS_LISTEN: `127.0.0.1:${ports.ops}`,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exited = once(child, 'exit');
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  const deadline = Date.now() + 60_000;
  for (;;) {
    const ready = await fetch(`http://127.0.0.1:${ports.ops}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return { child, ports, output: () => output, stop };
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop('SIGKILL');
      throw new Error(`${role} does not get ready:\n${output.slice(-2_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
