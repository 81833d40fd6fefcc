import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lock } from '../lock.ts';
import { cacheRoot } from '../places.ts';
import type { Say } from '../run-command.ts';

/**
 * The folder of this key in the cache, made by `build` when it is not there. It is built elsewhere and renamed into
 * place, so a folder that exists is whole; what a killed build left is cleared by the next one.
 */
export async function cached(key: string, say: Say, build: (folder: string) => Promise<void>): Promise<string> {
  const root = cacheRoot();
  const place = join(root, key);
  if (existsSync(place)) return place;
  const held = await lock(`cache ${place}`, () => say('waiting for another start that fetches the same'));
  try {
    if (existsSync(place)) return place;
    const building = join(root, '.building');
    await mkdir(building, { recursive: true });
    for (const left of await readdir(building))
      if (left.startsWith(`${key}~`)) await rm(join(building, left), { recursive: true, force: true });
    const folder = await mkdtemp(join(building, `${key}~`));
    await build(folder);
    await rename(folder, place);
    return place;
  } finally {
    await held.release();
  }
}

export const shortHash = (...parts: string[]) => createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 12);
