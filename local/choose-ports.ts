import { readFile, writeFile } from 'node:fs/promises';
import type { Ports } from './ports.ts';

/** Who needs ports: by use, the ones that it would like. */
interface Needs {
  name: string;
  ports: object;
  refuses?(port: number): boolean;
}

interface Choice {
  reserved: Ports;
  /** Keeps what was chosen: a replica set or a bookmark then still finds it at the next start. */
  file: string;
  /** Whether the well-known ports come first. */
  preferred: boolean;
  /** The gateway's, exactly. */
  gatewayPort?: number;
}

/**
 * Reserves a port for every use of every component: the preferred one if wanted, else the one of the last start, else any.
 * `keep` writes them down.
 */
export async function choosePorts(needs: Needs[], { reserved, file, preferred, gatewayPort }: Choice) {
  const last: Record<string, Record<string, number>> = JSON.parse(await readFile(file, 'utf8').catch(() => '{}'));
  const all: Record<string, Record<string, number>> = {};
  const pinned =
    gatewayPort && needs.some(({ name }) => name === 'gateway') ? await reserved.reserveExactly(gatewayPort) : undefined;
  for (const { name, ports, refuses } of needs) {
    const chosen: Record<string, number> = {};
    for (const [use, wanted] of Object.entries(ports)) {
      if (pinned !== undefined && name === 'gateway' && use === 'http') chosen[use] = pinned;
      else {
        const wishes = preferred ? [wanted, last[name]?.[use]] : [last[name]?.[use]];
        // One that is refused stays reserved, so that the next answer is another.
        let port = await reserved.reserve(...wishes);
        while (refuses?.(port)) port = await reserved.reserve(...wishes);
        chosen[use] = port;
      }
    }
    all[name] = chosen;
  }
  return { ports: all, keep: () => writeFile(file, `${JSON.stringify({ ...last, ...all }, null, 1)}\n`) };
}
