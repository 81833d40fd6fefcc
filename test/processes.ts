import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ofProgram } from '#platform/process/program.ts';
import { checkout } from '../local/places.ts';
import { Ports } from '../local/ports.ts';
import { requireHealthy } from '../local/programs.ts';

export interface Started {
  child: ChildProcess;
  ports: { grpc: number; http: number; ops: number };
  output(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/**
 * Starts one more process of a program, or of several, beside the running stack, and waits until it is ready.
 *
 * @param folder the checkout that it is of. Default: this one
 */
export async function startProgram(
  program: string,
  args: string[] = [],
  env: Record<string, string> = {},
  folder = checkout,
): Promise<Started> {
  // Reserved until the process has ended, and outside the range from which the system gives ports to whoever asks.
  const reserved = new Ports();
  const ports = { grpc: await reserved.reserve(), http: await reserved.reserve(), ops: await reserved.reserve() };
  const child = spawn(process.execPath, [join(folder, 'main.ts'), program, ...args], {
    cwd: folder,
    env: {
      ...withoutOverridden(program.split(','), env),
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
    await reserved.release();
  };
  const deadline = Date.now() + 120_000;
  for (;;) {
    const ready = await requireHealthy(ports).then(
      () => true,
      () => false,
    );
    if (ready) return { child, ports, output: () => output, stop };
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      await stop('SIGKILL');
      throw new Error(`${program} does not get ready:\n${output.slice(-2_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** This process's environment without what programs would read before the variables that are given. */
function withoutOverridden(programs: readonly string[], given: Record<string, string>): NodeJS.ProcessEnv {
  const own = new Set(programs.flatMap((program) => Object.keys(given).map((name) => ofProgram(program, name))));
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.has(name)));
}
