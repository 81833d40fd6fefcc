import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';

/**
 * A lock that the kernel lets go when its holder dies, however it dies: a listening socket in Linux's abstract
 * namespace. There is no file that could be left behind, and no moment at which two holders can both believe they won.
 */
export interface Lock {
  release(): Promise<void>;
}

/** Longer than a child takes from its birth to its own program, until when it has a copy of all that its parent had open. */
const SPAWN_MS = 500;

/**
 * Takes the lock of this name, or returns undefined when another process (or this one) has it. One that was released may
 * be held for a moment more by a child that was born just then.
 */
export async function tryLock(name: string): Promise<Lock | undefined> {
  for (const begun = performance.now(); ; await new Promise((resolve) => setTimeout(resolve, 25))) {
    const held = await take(name);
    if (held || performance.now() - begun > SPAWN_MS) return held;
  }
}

function take(name: string): Promise<Lock | undefined> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(socketName(name), () => {
      server.unref();
      resolve({ release: () => close(server) });
    });
  });
}

/** Waits for the lock of this name. */
export async function lock(name: string, onWait?: () => void): Promise<Lock> {
  for (let tries = 0; ; tries++) {
    const held = await take(name);
    if (held) return held;
    if (tries === 0) onWait?.();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const socketName = (name: string) => `\0musubi-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
const close = (server: Server) => new Promise<void>((resolve) => server.close(() => resolve()));
