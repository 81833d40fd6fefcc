import type { Handlers } from '#platform/grpc/server.ts';
import {
  type Addition,
  AdditionOutcome,
  GroupServiceService,
  type ListAdditionsRequest,
  type StopAdditionsRequest,
} from '#proto/musubi/group/v1/group.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import type { CommandInput } from '../workflows/commands.ts';
import type { State } from './applied.fixture.ts';
import { noPageToken } from './lists.fixture.ts';

/** What the gateway never calls. */
const never = async (): Promise<never> => {
  throw new Error('the gateway never calls this');
};

/** Group, as far as it is asked by the gateway: of what a job adds, the first is added and the second is not found. */
export function groupOf(world: State) {
  return {
    ...(Object.fromEntries(
      Object.keys(GroupServiceService).map((name) => [name, never]),
    ) as unknown as Handlers<GroupServiceService>),
    async stopAdditions({ jobId }: StopAdditionsRequest) {
      const job = world.jobs.get(jobId);
      if (job) Object.assign(job, { state: JobState.JOB_STATE_COMPLETED });
      return {};
    },
    async getAdditionSums() {
      return { added: 7, already: 2, refused: 1 };
    },
    async listAdditions({ jobId, outcome, pageToken }: ListAdditionsRequest) {
      noPageToken(pageToken);
      const start = world.started.find((one) => one.jobId === jobId);
      const ids = start?.command === 'group.add-members' ? (start.input as CommandInput<'group.add-members'>).memberIds : [];
      const lines = ids.map((memberId, line): Addition => {
        const refused = line === 1;
        const outcome = refused ? AdditionOutcome.ADDITION_OUTCOME_REFUSED : AdditionOutcome.ADDITION_OUTCOME_ADDED;
        return { line, memberId, outcome, code: refused ? 'MEMBER_NOT_FOUND' : '' };
      });
      const all = outcome === AdditionOutcome.ADDITION_OUTCOME_UNSPECIFIED;
      return { additions: lines.filter((one) => all || one.outcome === outcome), nextPageToken: '' };
    },
  };
}
