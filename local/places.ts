import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout that this file belongs to. */
export const checkout = dirname(dirname(fileURLToPath(import.meta.url)));

/** Everything that the local stack writes stays under this git-ignored folder, unless an option says otherwise. */
export const musubiFolder = join(checkout, '.musubi');

/** Downloads that any stack of this machine may share. */
export const cacheRoot = () => resolve(process.env.MUSUBI_CACHE ?? join(musubiFolder, 'cache'));
