import { MongoClient } from 'mongodb';
import { address } from '../client.ts';

/** How often Auth's audit tells of these jobs that they are done, less how often that it was undone. */
export async function audited(jobIds: readonly string[]): Promise<Map<string, number>> {
  const mongo = await MongoClient.connect(address('MUSUBI_MONGODB_URL'));
  try {
    const told = new Map<string, number>();
    // One that waits is chained meanwhile: first it is there, then here. So it is looked for there first.
    const found = new Map<string, { jobId: string; outcome?: string }>();
    for (const [name, key] of [
      ['audit_waiting', '_id'],
      ['audit_events', 'eventId'],
    ] as const)
      for await (const event of mongo
        .db('musubi_auth')
        .collection(name)
        .find({ jobId: { $in: jobIds } }))
        found.set(String(event[key]), { jobId: event.jobId, outcome: event.outcome });
    for (const { jobId, outcome = 'DONE' } of found.values())
      told.set(jobId, (told.get(jobId) ?? 0) + (outcome === 'DONE' ? 1 : -1));
    return told;
  } finally {
    await mongo.close();
  }
}
