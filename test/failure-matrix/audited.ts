import { MongoClient } from 'mongodb';
import { address } from '../client.ts';

/**
 * How often Auth's audit tells of these jobs that they are done, less how often that it was undone. Where a job does several things, of which
 * each is told with what it is done to: how often of that one that is told most.
 */
export async function audited(jobIds: readonly string[]): Promise<Map<string, number>> {
  const mongo = await MongoClient.connect(address('MUSUBI_MONGODB_URL'));
  try {
    // One that waits is chained meanwhile: first it is there, then here. So it is looked for there first.
    const found = new Map<string, { jobId: string; outcome?: string; resources: object[] }>();
    for (const [name, key] of [
      ['audit_waiting', '_id'],
      ['audit_events', 'eventId'],
    ] as const)
      for await (const event of mongo
        .db('musubi_auth')
        .collection(name)
        .find({ jobId: { $in: jobIds } }))
        found.set(String(event[key]), { jobId: event.jobId, outcome: event.outcome, resources: event.resources });
    const told = new Map<string, Map<string, number>>();
    for (const { jobId, outcome = 'DONE', resources } of found.values()) {
      const ofJob = told.get(jobId) ?? new Map<string, number>();
      const what = JSON.stringify(resources);
      told.set(jobId, ofJob.set(what, (ofJob.get(what) ?? 0) + (outcome === 'DONE' ? 1 : -1)));
    }
    return new Map([...told].map(([jobId, ofJob]) => [jobId, Math.max(...ofJob.values())]));
  } finally {
    await mongo.close();
  }
}
