import { existsSync } from 'node:fs';
import { mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** What every data folder of ours holds as soon as it has been used. */
const MARKS = ['secrets.json', 'pids.json'];

export interface DataFolder {
  path: string;
  /** For a start that was refused: leaves the disk as it was before. */
  undo(): Promise<void>;
}

/** Makes the folder, or makes sure that it is one of ours: `--fresh` empties it, so it must never be somebody's home. */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  const folder = await realpath(path);
  const entries = await readdir(folder);
  if (entries.length > 0 && !entries.some((entry) => MARKS.includes(entry)))
    throw new Error(`${folder} holds something else than Musubi's data: give an empty folder`);
  const undo = async (): Promise<void> => {
    if (made) await rm(made, { recursive: true, force: true });
    else if (entries.length === 0) await emptyDataFolder(folder);
  };
  return { path: folder, undo };
}

export async function emptyDataFolder(folder: string): Promise<void> {
  for (const entry of await readdir(folder)) await rm(join(folder, entry), { recursive: true, force: true });
}

/** Each start writes new logs; those of the start before are kept beside them. */
export async function rotateLogs(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const file of await readdir(folder)) {
    if (!file.endsWith('.log') || file.endsWith('.previous.log')) continue;
    const path = join(folder, file);
    if ((await stat(path)).size > 0) await rename(path, path.replace(/\.log$/, '.previous.log'));
  }
}

export const isFirstStart = (folder: string) => !existsSync(join(folder, 'secrets.json'));
