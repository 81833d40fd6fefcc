import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { address } from '../client.ts';
import { readTopics, rows } from '../evidence.ts';

/** What Kafka has of one aggregate: the versions as they first came, and whether the newest says that it is gone. */
interface Told {
  versions: number[];
  gone: boolean;
}

/** What is published of a member, and what its store says now: the version, or that there is none. */
const TOPICS: Record<string, { inStore: () => Promise<Map<string, number>>; every: boolean }> = {
  'member.events': {
    every: true,
    inStore: async () => versionsIn(await rows('musubi_member', 'select member_id, version from members')),
  },
  'member-roles.events': {
    every: true,
    inStore: async () => versionsIn(await rows('musubi_role', 'select member_id, version from member_role_versions')),
  },
  // Of a login only what may end sessions is published.
  'auth.events': { every: false, inStore: () => loginVersions() },
};

async function loginVersions(): Promise<Map<string, number>> {
  const mongo = await new MongoClient(address('MUSUBI_MONGODB_URL')).connect();
  try {
    const logins = mongo.db('musubi_auth').collection<{ _id: string; version: number }>('members');
    const found = await logins.find({}, { projection: { version: 1 } }).toArray();
    return new Map(found.map(({ _id, version }) => [_id, version]));
  } finally {
    await mongo.close();
  }
}

const versionsIn = (found: Record<string, unknown>[]) =>
  new Map(found.map(({ member_id, version }) => [String(member_id), Number(version)]));

/**
 * Where what was published of these members differs from their stores, after a minute at most: a version that is
 * missing where each is told, also the last one, or that came before the one before it.
 */
export async function untold(memberIds: string[]): Promise<string[]> {
  for (const deadline = Date.now() + 60_000; ; await sleep(1_000)) {
    const found = await differences(memberIds);
    if (found.length === 0 || Date.now() > deadline) return found;
  }
}

async function differences(memberIds: string[]): Promise<string[]> {
  const told = new Map<string, Told>();
  await readTopics(Object.keys(TOPICS), (topic, { key, value }) => {
    const { version, member, status } = JSON.parse(String(value)) as { version: number; member?: object; status?: string };
    const of = told.get(`${topic} ${key}`) ?? { versions: [], gone: false };
    told.set(`${topic} ${key}`, of);
    if (of.versions.includes(Number(version))) return; // told again, which readers take for the same
    of.versions.push(Number(version));
    of.gone = topic === 'member.events' ? member === undefined : status === 'removed';
  });
  const found: string[] = [];
  for (const [topic, { inStore, every }] of Object.entries(TOPICS)) {
    const now = await inStore();
    for (const memberId of memberIds) {
      const { versions, gone } = told.get(`${topic} ${memberId}`) ?? { versions: [], gone: true };
      const outOfOrder = versions.some((version, i) => (every ? version !== i + 1 : version <= (versions[i - 1] ?? 0)));
      if (outOfOrder) found.push(`${topic} of ${memberId}: ${versions.join(' ')}`);
      const version = now.get(memberId);
      if (version === undefined ? !gone : every && versions.at(-1) !== version)
        found.push(`${topic} of ${memberId}: ${versions.at(-1)} was told last, and the store has ${version ?? 'nothing'}`);
    }
  }
  return found;
}
