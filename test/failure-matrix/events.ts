import { setTimeout as sleep } from 'node:timers/promises';
import { connectPeer } from '#platform/grpc/client.ts';
import { topicOf } from '#platform/outbox/event.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { TELLERS, type Teller, TOPICS } from '../../services/catalogue.ts';
import { byWhoMay } from '../callers.ts';
import { ports } from '../control.ts';
import { readTopics } from '../evidence.ts';

/** What Kafka has of one aggregate: the versions as they first came, and whether the newest says that it is gone. */
interface Told {
  versions: number[];
  gone: boolean;
}

/** What is published of members, and can be held against what its service says of its present state. */
const PUBLISHED = TELLERS.filter(({ aggregateType }) => TOPICS.includes(topicOf(aggregateType)));

/** The versions of what a service has now, by ID. */
async function versionsNow({ service, aggregateType }: Teller): Promise<Map<string, number>> {
  const lifecycle = new Lifecycle(createLogger('matrix', 'silent'), 1_000);
  try {
    const state = connectPeer(`127.0.0.1:${(await ports())[service]?.grpc}`, StateServiceService, lifecycle, byWhoMay(service));
    const all = { aggregateType, afterId: '', limit: 0, ids: [] };
    const states = await Array.fromAsync(state.tellState(all, { timeoutMs: 60_000 }));
    return new Map(states.map(({ id, version }) => [id, version]));
  } finally {
    await lifecycle.stop('told');
  }
}

/**
 * Where what was published of these members differs from their stores, after a minute at most: a version that is
 * missing where each is told, also the last one, or that came before the one before it.
 */
export async function untold(memberIds: string[]): Promise<string[]> {
  for (const deadline = Date.now() + 60_000; ; await sleep(1_000)) {
    // A busy machine may not answer in time, and is asked again.
    const found = await differences(memberIds).catch((error: unknown) => [String(error)]);
    if (found.length === 0 || Date.now() > deadline) return found;
  }
}

async function differences(memberIds: string[]): Promise<string[]> {
  const told = new Map<string, Told>();
  const topics = PUBLISHED.map(({ aggregateType }) => topicOf(aggregateType));
  await readTopics(topics, (topic, { key, headers = {} }) => {
    const version = Number(String(headers.ce_aggregateversion));
    const of = told.get(`${topic} ${key}`) ?? { versions: [], gone: false };
    told.set(`${topic} ${key}`, of);
    if (of.versions.includes(version)) return; // told again, which readers take for the same
    of.versions.push(version);
    of.gone = /\b(deleted|removed)$/.test(String(headers.ce_type));
  });
  const found: string[] = [];
  for (const teller of PUBLISHED) {
    const topic = topicOf(teller.aggregateType);
    // Of what queries do not copy (logins), only what somebody does something with is published.
    const every = teller.copied;
    const now = await versionsNow(teller);
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
