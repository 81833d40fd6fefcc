import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { patiently } from '#platform/concurrency/patience.ts';
import { callerShape } from '#platform/grpc/callers.ts';
import { connectPeer, type Peer } from '#platform/grpc/client.ts';
import { addressVariable, peerShape } from '#platform/grpc/peers.ts';
import { kafkaOptions, kafkaShape } from '#platform/kafka/config.ts';
import { openPublisher, type Publisher } from '#platform/kafka/publish.ts';
import { toRecord } from '#platform/outbox/event.ts';
import { type ConfigCheck, oneOf } from '#platform/process/config.ts';
import { type App, TaskError } from '#platform/process/program.ts';
import { PAGE } from '#platform/state.ts';
import { type State, StateServiceService, type TellStateRequest } from '#proto/musubi/state/v1/state.ts';
import { EVENTS_KEPT_DAYS, SERVICES, TELLERS, type Teller } from '../catalogue.ts';

const NAMES = [...new Set(TELLERS.map(({ service }) => service))];

/** The settings of the task `retell`. */
export const shape = {
  ...kafkaShape,
  ...peerShape(Object.fromEntries([...NAMES, 'query' as const].map((name) => [name, SERVICES[name].contract]))),
  ...callerShape('operator'),
  /** The service whose state is published; all by default. */
  MUSUBI_RETELL_SERVICE: oneOf(NAMES).optional(),
  /** The one aggregate that is published; all by default. */
  MUSUBI_RETELL_AGGREGATE: z.string().min(1).optional(),
  /** Whether the service's store was restored to an older copy: what readers have newer is then published again under newer versions. */
  MUSUBI_RETELL_AFTER_RESTORE: z.stringbool().default(false),
};

export const check: ConfigCheck<typeof shape> = (config): Record<string, string> => {
  const { MUSUBI_RETELL_SERVICE: service, MUSUBI_RETELL_AGGREGATE: aggregate, MUSUBI_RETELL_AFTER_RESTORE: restored } = config;
  if (service !== undefined) return {};
  if (aggregate !== undefined) return { MUSUBI_RETELL_SERVICE: 'is missing: the service of the aggregate' };
  return restored ? { MUSUBI_RETELL_SERVICE: 'is missing: the service that was restored' } : {};
};

type Config = z.output<z.ZodObject<typeof shape>>;

/** Standard output is for what was done, a line of JSON for each kind of aggregate. */
export const prints = true;

/** The operator's task: publishes the present state of services once more, and makes queries agree with it. */
export async function start({ config, log, lifecycle }: App<Config>): Promise<'done'> {
  const { MUSUBI_RETELL_SERVICE: only, MUSUBI_RETELL_AGGREGATE: aggregate } = config;
  const addresses = config as unknown as Record<string, string>;
  const stateOf = (name: string): Peer<StateServiceService> =>
    connectPeer(addresses[addressVariable(name)] ?? '', StateServiceService, lifecycle, () =>
      config.MUSUBI_OPERATOR_CALLER_KEY.token(name),
    );
  const copies = stateOf('query');
  let behind = '';
  for (const { service, aggregateType, copied } of TELLERS.filter((each) => only === undefined || each.service === only)) {
    const publisher = await openPublisher(service, {
      ...kafkaOptions(config, EVENTS_KEPT_DAYS),
      clientId: `retell-${service}`,
      log,
    });
    const insist: Insist = (server, work) => patiently(work, { server, log, lifecycle });
    try {
      const outcome = await retell({
        aggregateType,
        state: stateOf(service),
        copies: copied ? copies : undefined,
        publisher,
        aggregate,
        afterRestore: config.MUSUBI_RETELL_AFTER_RESTORE,
        insist,
      });
      process.stdout.write(`${JSON.stringify({ service, aggregateType, ...outcome })}\n`);
      if (outcome.older > 0) behind = service;
    } finally {
      await publisher.close();
    }
  }
  if (behind)
    throw new TaskError(`queries have newer states than ${behind} has: node main.ts retell --service ${behind} --after-restore`);
  return 'done';
}

type Insist = <T>(server: string, work: () => Promise<T>) => Promise<T>;

export interface Retell extends Pick<Teller, 'aggregateType'> {
  /** The service whose state it is. */
  state: Peer<StateServiceService>;
  /** Who has copies of it, with which it is compared. */
  copies: Peer<StateServiceService> | undefined;
  publisher: Pick<Publisher, 'publish'>;
  /** The only one that is published. */
  aggregate?: string | undefined;
  afterRestore?: boolean;
  /** Repeats what fails because a server is away. */
  insist: Insist;
}

/** What was done: numbers of aggregates. */
export interface Retold {
  /** Published as they are. */
  told: number;
  /** Of which queries have newer states than the service. */
  older: number;
  /** Whose versions were raised above those that queries have. */
  raised: number;
  /** Which queries still had, and the service has no more. */
  removed: number;
}

/** How long an event may be ahead of its state: the log tells of a commit before others see it. */
const UNSEEN_MS = 2_000;
const TELL_TIMEOUT_MS = 20_000;

/**
 * Publishes the state of each aggregate under the version that it has, so readers ignore what they have already. Then what
 * queries have is compared: what the service has no more is published as deleted.
 *
 * To end in the midst of it costs nothing, to run it again, or twice at once, costs repeats. It holds a page of states at a time.
 */
export async function retell(options: Retell): Promise<Retold> {
  const { copies, aggregate, afterRestore = false } = options;
  const retold: Retold = { told: 0, older: 0, raised: 0, removed: 0 };
  for await (const page of pagesOf(options, options.state, aggregate)) {
    await publishPage(options, page);
    retold.told += page.length;
    if (!copies) continue;
    const newer = await newerCopies(options, page, afterRestore);
    if (afterRestore) retold.raised += await raise(options, newer);
    else retold.older += newer.length;
  }
  if (!copies) return retold;
  for await (const page of pagesOf(options, copies, aggregate)) {
    const gone = await withoutState(
      options,
      page.filter(({ deleted }) => !deleted),
    );
    if (gone.length === 0) continue;
    if (retold.told === 0 && aggregate === undefined)
      throw new TaskError(
        `there is no ${options.aggregateType} at all, but queries show some: restore the service's database first`,
      );
    await sleep(UNSEEN_MS);
    retold.removed += await raise(options, await withoutState(options, gone));
  }
  const request = { aggregateType: options.aggregateType };
  if (aggregate === undefined) await options.insist('the query service', () => copies.noteRetold(request));
  return retold;
}

/** All of one kind, or the one that is wanted, page by page; each page is asked for by itself, after the last ID of the one before. */
async function* pagesOf(options: Retell, from: Peer<StateServiceService>, aggregate?: string): AsyncGenerator<State[]> {
  if (aggregate !== undefined) return yield await read(options, from, { ids: [aggregate] });
  for (let afterId = ''; ; ) {
    const page = await read(options, from, { afterId, limit: PAGE });
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    afterId = last.id;
  }
}

function read(
  { aggregateType, insist }: Retell,
  from: Peer<StateServiceService>,
  which: Partial<TellStateRequest>,
): Promise<State[]> {
  const request = { aggregateType, afterId: '', limit: 0, ids: [], ...which };
  return insist('the service', () => Array.fromAsync(from.tellState(request, { timeoutMs: TELL_TIMEOUT_MS })));
}

const idsOf = (states: readonly State[]): string[] => states.map(({ id }) => id);

/**
 * Publishes these states; and those that were changed meanwhile again, for their events may have come before: the last of a
 * key in the topic is its newest.
 */
async function publishPage(options: Retell, page: State[]): Promise<void> {
  for (let states = page; states.length > 0; ) {
    const tooLarge = await options.publisher.publish(states.map(toEvent));
    const [first] = tooLarge;
    if (first) throw new TaskError(`the state of ${first.aggregateId} is larger than the brokers take (max.message.bytes)`);
    const told = new Map(states.map(({ id, version }) => [id, version]));
    states = (await read(options, options.state, { ids: [...told.keys()] })).filter(
      ({ id, version }) => version > (told.get(id) ?? 0),
    );
  }
}

const toEvent = ({ aggregateType, id, version, type, payloadJson }: State) =>
  toRecord({ aggregateType, aggregateId: id, version, type, payload: JSON.parse(payloadJson) });

/** The copies that are newer than the service's states; `equal`: also those of the same version, which may differ in their state. */
async function newerCopies(options: Retell, page: State[], equal: boolean): Promise<State[]> {
  const { copies = options.state, state } = options;
  const had = await read(options, copies, { ids: idsOf(page) });
  // Read after the copies: a state is there before its copy is.
  const now = await read(options, state, { ids: idsOf(page) });
  const versions = new Map(now.map(({ id, version }) => [id, equal ? version - 1 : version]));
  return had.filter(({ id, version }) => version > (versions.get(id) ?? Number.POSITIVE_INFINITY));
}

/** Those that the service does not have. */
async function withoutState(options: Retell, copies: State[]): Promise<State[]> {
  if (copies.length === 0) return [];
  const told = await read(options, options.state, { ids: idsOf(copies) });
  const there = new Set(idsOf(told.filter(({ deleted }) => !deleted)));
  return copies.filter(({ id }) => !there.has(id));
}

async function raise({ aggregateType, state, insist }: Retell, copies: State[]): Promise<number> {
  if (copies.length === 0) return 0;
  const seen = copies.map(({ id, version }) => ({ type: aggregateType, id, version }));
  const request = { aggregateType, seen };
  const { written } = await insist('the service', () => state.raiseVersions(request, { timeoutMs: TELL_TIMEOUT_MS }));
  return written.length;
}
