import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LAYOUTS, type Layout, type MusubiProcess } from '../local/layouts.ts';
import type { Stack } from '../local/stack.ts';

/** What a test may do to a component of the running stack. */
type Action = 'kill' | 'start';

/**
 * Lets the test processes stop and start the components of the stack, which is the runner's:
 * `POST /kill/kafka`, `POST /start/kafka`, `GET /pids`, `GET /ports`. Loopback only.
 */
export async function serveControl(stack: Stack): Promise<{ url: string; close(): void }> {
  const actions: Record<Action, (name: string) => Promise<unknown>> = {
    kill: async (name) => stack.kill(name),
    start: async (name) => stack.start(name),
  };
  const server = createServer((request, response) => {
    const [, action = '', name = ''] = (request.url ?? '').split('/');
    const work = async (): Promise<unknown> => {
      if (action === 'pids') return stack.pids();
      if (action === 'ports') return stack.ports;
      if (action !== 'kill' && action !== 'start') throw new Error(`no such action: ${action}`);
      await actions[action](name);
      return {};
    };
    work().then(
      (body) => response.end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  // Never closed while a client may be about to use it again: that request would fail.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const control = process.env.MUSUBI_TEST_CONTROL;

async function call(method: string, path: string): Promise<unknown> {
  if (!control) throw new Error('this test needs the running stack: use `npm test`');
  const response = await fetch(`${control}${path}`, { method });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
  return await response.json();
}

/** How Musubi's programs are spread over processes in the running stack. */
export const layout = (): Layout => (process.env.MUSUBI_TEST_PROCESSES === 'each' ? 'each' : 'few');
/** Musubi's processes in the running stack. */
export const processes = (): readonly MusubiProcess[] => LAYOUTS[layout()];

/** Kills a component at once (SIGKILL) and leaves it dead. */
export const kill = async (name: string): Promise<void> => void (await call('POST', `/kill/${name}`));
/** Starts a component that was killed and waits until it is ready. */
export const start = async (name: string): Promise<void> => void (await call('POST', `/start/${name}`));
/** The process IDs of all components, by name. */
export const pids = async (): Promise<Record<string, number>> => (await call('GET', '/pids')) as Record<string, number>;
/** The ports of all components, by name, then by what they are for. */
export const ports = async (): Promise<Record<string, Record<string, number>>> =>
  (await call('GET', '/ports')) as Record<string, Record<string, number>>;
