import { Caller, Callers, callerKeys, keyVariable, newCallerKeys } from '#platform/grpc/callers.ts';
import { connectPeer, type Proof } from '#platform/grpc/client.ts';
import { InProcess } from '#platform/grpc/in-process.ts';
import { type Handlers, serveGrpc } from '#platform/grpc/server.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import { startTelemetry } from '#platform/process/telemetry.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';

const CALLS = 10_000;
const ROUNDS = 7;
const AT_ONCE = 16;
const FIRSTS = 1_000;

/** Lets everybody in, as before callers proved who they are. */
class Open extends Callers {
  override async admit(): Promise<string> {
    return '';
  }
}

/** What it costs that callers prove who they are: the same calls, of a service that does nothing, with and without. */
export async function run(): Promise<void> {
  startTelemetry('bench', {});
  const log = createLogger('bench', 'silent');
  const lifecycle = new Lifecycle(log, 5_000);
  const variables = newCallerKeys(['gateway']);
  const keys = callerKeys().parse(variables.MUSUBI_CALLERS);
  const gateway = new Caller('gateway', variables[keyVariable('gateway')] ?? '');
  const mayCall = new Map([[QueryServiceService.getMember.path, new Set(['gateway'])]]);
  const handlers = { getMember: async () => ({ member: undefined }) } as unknown as Handlers<typeof QueryServiceService>;
  const all = new Proxy(handlers, { get: () => handlers.getMember });
  const ways: Record<string, Record<string, () => Promise<unknown>>> = {};
  for (const [kind, callers, proof] of [
    ['open', new Open('query', keys, mayCall), undefined],
    ['proved', new Callers('query', keys, mayCall), () => gateway.token('query')],
  ] as [string, Callers, Proof | undefined][]) {
    const inProcess = new InProcess(new Map([['query', lifecycle]]));
    const serving = { listen: { host: '127.0.0.1', port: 0 }, callers, log, lifecycle, inProcess };
    const port = await serveGrpc(serving, QueryServiceService, all);
    const peers = {
      'over a socket': connectPeer(`127.0.0.1:${port}`, QueryServiceService, lifecycle, proof),
      'in one process': inProcess.peer('query', QueryServiceService, proof),
    };
    for (const [way, peer] of Object.entries(peers))
      ways[way] = { ...ways[way], [kind]: () => peer.getMember({ memberId: 'x', seen: undefined }) };
  }
  for (const [way, { open, proved }] of Object.entries(ways)) {
    const costs: Record<string, number[]> = { open: [], proved: [] };
    for (let round = -1; round < ROUNDS; round++) {
      for (const [kind, call] of Object.entries({ open, proved })) {
        const cost = await cpuOf(call as () => Promise<unknown>);
        if (round >= 0) costs[kind]?.push(cost); // the first warms up
      }
    }
    const [before = 0, now = 0] = Object.values(costs).map((each) => each.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)]);
    process.stdout.write(
      `${way}: ${before.toFixed(1)} µs of CPU a call, of both sides; with proof ${now.toFixed(1)} µs (+${(now - before).toFixed(1)})\n`,
    );
  }
  const token = await gateway.token('query');
  const begun = process.cpuUsage();
  for (let i = 0; i < FIRSTS; i++) await new Callers('query', keys, mayCall).identify(token);
  const { user, system } = process.cpuUsage(begun);
  process.stdout.write(`a token that is seen for the first time: ${((user + system) / FIRSTS).toFixed(0)} µs\n`);
  await lifecycle.stop('done');
}

/** Microseconds of CPU of this process for a call. */
async function cpuOf(call: () => Promise<unknown>): Promise<number> {
  const begun = process.cpuUsage();
  const one = async (): Promise<void> => {
    for (let i = 0; i < CALLS / AT_ONCE; i++) await call();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / CALLS;
}
