import type { Snapshot } from './snapshot.ts';

/** What Auth calls a login that is held: a UUID of version 8, another one for every login. */
const PSEUDONYM = /[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[\da-f]{4}-[\da-f]{12}/g;

/** Milliseconds since 1970, or the version of something in a partition of Redis, which begins with those. */
const MOMENT = /(?<!\d)1\d{12}(\d{3})?(?!\d)/g;

/**
 * A snapshot with a case's own IDs, hashes, skeletons of names and times taken out, so that two cases can be compared. Lists
 * and fields are sorted by what stands for the IDs: services keep them in the order of the IDs, which are random.
 */
export function shape(snapshot: Snapshot, names: Record<string, string>): Snapshot {
  return snapshot
    .map((line) => {
      let text = line;
      for (const [name, id] of Object.entries(names)) text = text.replaceAll(new RegExp(id, 'gi'), `<${name}>`);
      return text
        .replaceAll(PSEUDONYM, '<pseudonym>')
        .replaceAll(/"job_id":"[^"]*"/g, '"job_id":"<job>"')
        .replaceAll(/"\d{4}-\d\d-\d\dT[^"]+"/g, '"<time>"')
        .replaceAll(MOMENT, '0')
        .replace(/^redis\.\{chat:\d\d\}/, 'redis.{chat:**}')
        .replaceAll(/"(salt|hash|key|tokenHash|iv|tag|data|\w+_skeleton)":("[^"]*"|\{[^}]*\})/g, '"$1":"<secret>"')
        .replace(/(?<= ).*$/s, (content) => JSON.stringify(JSON.parse(content, sorted)));
    })
    .sort();
}

function sorted(_key: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).sort()) : value;
}
