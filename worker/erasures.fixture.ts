import { notFound, unavailable } from '#platform/errors.ts';
import type { ConfirmErasuresRequest, ErasureNote } from '#proto/musubi/auth/v1/auth.ts';
import type { Erased } from '#proto/musubi/erasure/v1/erasure.ts';
import type { Job, JobState } from '#proto/musubi/job/v1/job.ts';
import { ERASERS, type Eraser } from '../services/catalogue.ts';

/** Services that have these members to erase, of whom each keeps one thing. */
export function services(known: Partial<Record<Eraser, string[]>>) {
  const away = new Set<string>();
  const pending = new Set<string>();
  const kept = new Map<Eraser, Set<string>>(ERASERS.map((name) => [name, new Set(Object.values(known).flat())]));
  const notes: ErasureNote[][] = [];
  const asked: string[][] = [];
  const jobs = new Map<string, JobState>();
  const overdue: string[] = [];
  const foreign = new Set<string>();
  /** Whom Auth was asked to tell of again. */
  const untold: string[] = [];
  /** Services of which what they tell of members has been forged. */
  const forged = new Set<string>();
  let failing = false;
  const present = (name: string): void => {
    if (away.has(name)) throw unavailable('SERVICE_UNAVAILABLE', 'away');
  };
  const peers = Object.fromEntries(
    ERASERS.map((name) => [
      name,
      {
        async listErased({ afterId, pageSize }: { afterId: string; pageSize: number }) {
          present(name);
          return {
            requested: (known[name] ?? [])
              .filter((id) => id > afterId)
              .toSorted()
              .slice(0, pageSize)
              .map((memberId) => ({ memberId, proof: forged.has(name) ? 'forged' : 'good' })),
          };
        },
        async erase({ memberIds }: { memberIds: string[] }) {
          present(name);
          if (name === 'member') asked.push(memberIds);
          const erased: Erased[] = memberIds
            .filter((id) => kept.get(name)?.delete(id))
            .map((memberId) => ({ memberId, place: 'things', count: 2 }));
          return { erased, pendingMemberIds: name === 'member' ? memberIds.filter((id) => pending.has(id)) : [] };
        },
        async confirmErasures({ requested, untoldMemberIds }: ConfirmErasuresRequest) {
          untold.push(...untoldMemberIds);
          if (requested.length > 500) throw new Error('too many');
          const genuine = requested.filter(({ memberId, proof }) => proof === 'good' && !foreign.has(memberId));
          return { memberIds: genuine.map(({ memberId }) => memberId) };
        },
        async noteErasures({ notes: list }: { notes: ErasureNote[] }) {
          present(name);
          if (failing && notes.length === 1) {
            failing = false;
            throw new Error('the process was killed');
          }
          notes.push(list);
          return { overdueMemberIds: overdue.filter((id) => list.some(({ memberId }) => memberId === id)) };
        },
      },
    ]),
  );
  const job = {
    async getJob({ jobId }: { jobId: string }) {
      present('job');
      const state = jobs.get(jobId);
      if (state === undefined) throw notFound('JOB_NOT_FOUND');
      return { job: { state } as Job };
    },
  };
  /** Fails once, at the second page. */
  const fail = (): void => {
    failing = true;
  };
  return { peers: { ...peers, job } as never, away, pending, kept, notes, asked, jobs, overdue, foreign, forged, untold, fail };
}
export type Services = ReturnType<typeof services>;
