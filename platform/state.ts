import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { type State, StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { invalidFields } from './errors.ts';
import { type Served, served } from './grpc/server.ts';
import type { OutboxEvent } from './outbox/event.ts';

/** Which of a kind of aggregates: those of these IDs, or some in the order of their IDs. */
export type Which = ({ ids: readonly string[] } | { after: string; limit: number }) & {
  /** Also those that a job has begun to make, and that others do not see yet. Default: false. */
  begun?: boolean;
};

/** An aggregate as an event tells it; `deleted`: it is known to be gone; `changing`: a job is at it. */
export type TellableState = OutboxEvent & { deleted?: boolean; changing?: boolean };

/** One kind of a service's aggregates, as the service tells of them. */
export interface Told {
  /**
   * Reads one page. Those after an ID come in the order of their IDs, whichever that is, as long as it is always the same;
   * fewer than the limit are the last.
   */
  read(which: Which): Promise<TellableState[]>;
  /**
   * Gives each that is not newer than what readers have the version after that, and tells of it by an event; of one that is
   * not there, that it is deleted. Absent where readers keep no versions.
   */
  raise?(seen: readonly AggregateVersion[]): Promise<AggregateVersion[]>;
  /** Of a reader: all states are in their topic once more. */
  retold?(): Promise<void>;
}

/** The most aggregates that are read at once, by a service or by whoever asks for them by their IDs. */
export const PAGE = 500;
const IDS_AT_MOST = 1_000;

/** What a service says of its present state. @param told what it says, by aggregate type */
export function serveState(told: Readonly<Record<string, Told>>): Served {
  const toldOf = (type: string): Told => {
    const one = Object.hasOwn(told, type) ? told[type] : undefined;
    if (!one) throw invalidFields([{ field: 'aggregateType', message: `must be one of ${Object.keys(told).join(', ')}` }]);
    return one;
  };
  return served(StateServiceService, {
    async *tellState({ aggregateType, afterId, limit, ids, begun }) {
      const { read } = toldOf(aggregateType);
      atMost('ids', ids);
      if (ids.length > 0) return yield* (await read({ ids, begun })).map(toState);
      let left = limit > 0 ? limit : Number.POSITIVE_INFINITY;
      for (let after = afterId; left > 0; ) {
        const wanted = Math.min(left, PAGE);
        const page = await read({ after, limit: wanted, begun });
        yield* page.map(toState);
        const last = page.at(-1);
        if (!last || page.length < wanted) return;
        left -= page.length;
        after = last.aggregateId;
      }
    },
    async raiseVersions({ aggregateType, seen }) {
      const { raise } = toldOf(aggregateType);
      atMost('seen', seen);
      return { written: (await raise?.(seen)) ?? [] };
    },
    async noteRetold({ aggregateType }) {
      await toldOf(aggregateType).retold?.();
      return {};
    },
  });
}

function atMost(field: string, list: readonly unknown[]): void {
  if (list.length > IDS_AT_MOST) throw invalidFields([{ field, message: `must have at most ${IDS_AT_MOST} entries` }]);
}

const toState = ({
  aggregateType,
  aggregateId,
  version,
  type,
  payload,
  deleted = false,
  changing = false,
}: TellableState): State => ({
  aggregateType,
  id: aggregateId,
  version,
  type,
  payloadJson: JSON.stringify(payload ?? null),
  deleted,
  changing,
});
