import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A script for Redis. It names all its keys, which are of one partition. */
export interface Script {
  lua: string;
  /** By which a server knows it once it was given it. */
  sha: string;
}

export const scriptOf = (lua: string): Script => ({ lua, sha: createHash('sha1').update(lua).digest('hex') });

/** @param file the script's text @param before what it uses that others do, too */
export const readScript = (file: URL, ...before: string[]): Script =>
  scriptOf([...before, readFileSync(file, 'utf8')].join('\n'));
