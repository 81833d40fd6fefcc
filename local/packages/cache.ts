import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lock } from '../lock.ts';
import { cacheRoot } from '../places.ts';
import type { Say } from '../run-command.ts';

/** What may be in the cache. */
export interface Entry {
  /** The name of its folder. */
  key: string;
  /** What it is called in front of people. */
  what: string;
  say: Say;
}

/** The places that this process builds just now. */
const building = new Set<string>();

/**
 * The folder of an entry of the cache, made by `build` when it is not there. It is built elsewhere and renamed into
 * place, so a folder that exists is whole; what a killed build left is cleared by the next one.
 */
export async function cached({ key, what, say }: Entry, build: (folder: string) => Promise<void>): Promise<string> {
  const root = cacheRoot();
  const place = join(root, key);
  if (existsSync(place)) return place;
  const held = await lock(`cache ${place}`, () =>
    say(`waiting for ${what}, which ${building.has(place) ? 'is' : 'another start has'} under way`),
  );
  building.add(place);
  try {
    if (existsSync(place)) return place;
    const site = join(root, '.building');
    await mkdir(site, { recursive: true });
    for (const left of await readdir(site))
      if (left.startsWith(`${key}~`)) await rm(join(site, left), { recursive: true, force: true });
    const folder = await mkdtemp(join(site, `${key}~`));
    await build(folder);
    await rename(folder, place);
    return place;
  } finally {
    building.delete(place);
    await held.release();
  }
}

export const shortHash = (...parts: string[]) => createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 12);
