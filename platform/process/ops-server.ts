import { SECURITY_HEADERS } from '../http/answer.ts';
import { serveHttp } from '../http/server.ts';
import type { Address } from './config.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './log.ts';
import { metrics } from './telemetry.ts';

/** Text that is appended to /metrics: for libraries with a registry of their own (Temporal's core). */
const extraMetrics: (() => Promise<string>)[] = [];
export function addMetricsSource(source: () => Promise<string>): void {
  extraMetrics.push(source);
}

/** Probes and scrapers are few, and quick. */
const LIMITS = { connections: 256, headers: 5_000, request: 5_000, silence: 30_000, unread: 15_000, drain: 0 };

/**
 * Serves the operator's view of this process:
 * - /livez: 200 while the event loop turns; without an answer, the process should be started again
 * - /readyz: 200 while all its programs can do useful work (with what is degraded), otherwise 503: whether it should get requests
 * - /healthz: 200 while nothing is away, otherwise 503 with all that is: for people, alarms and whoever starts a system; also
 *   503 while something waits for somebody to look at it (`attention`), which no start need wait for
 * - /readyz/PROGRAM and /healthz/PROGRAM: the same of one program
 * - /metrics: Prometheus text, unless that is not wanted
 *
 * @param programs by name, what each has started
 * @param own what the process has started, this server among it
 */
export async function serveOps(
  listen: Address,
  programs: ReadonlyMap<string, Lifecycle>,
  log: Logger,
  own: Lifecycle,
  { metrics: showsMetrics = true }: { metrics?: boolean } = {},
): Promise<void> {
  await serveHttp({
    name: 'ops server',
    listen,
    lifecycle: own,
    // Kept to the very end, so that an orchestrator sees "stopping" rather than a refused connection.
    phase: 'telemetry',
    log,
    limits: LIMITS,
    async handle({ url, method }, response) {
      const view = viewOf(url ?? '', programs, showsMetrics);
      const answer = await answerTo(view, programs, method).catch((error: unknown) => {
        log.error({ err: error, url }, 'ops request failed');
        return { status: 500, type: TEXT, body: 'failed\n' };
      });
      const { status, type, body, ...headers } = answer;
      response.writeHead(status, {
        ...SECURITY_HEADERS,
        'Content-Type': type,
        'Content-Length': Buffer.byteLength(body),
        ...headers,
      });
      response.end(body);
    },
  });
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';

interface OpsAnswer {
  status: number;
  type: string;
  body: string;
  Allow?: string;
}

type View = () => Promise<OpsAnswer>;

/** What is shown at a path; nothing, where there is nothing. */
function viewOf(path: string, programs: Programs, showsMetrics: boolean): View | undefined {
  if (path === '/livez') return async () => ({ status: 200, type: JSON_TYPE, body: '{"status":"alive"}' });
  if (path === '/metrics') return showsMetrics ? tellMetrics : undefined;
  const [, kind, name] = /^\/(readyz|healthz)(?:\/([a-z-]+))?$/.exec(path) ?? [];
  const of = name === undefined ? programs : new Map([...programs].filter(([program]) => program === name));
  if (kind === undefined || of.size === 0) return undefined;
  return () => health(of, (state) => (kind === 'readyz' ? state.ready : state.healthy));
}

async function answerTo(view: View | undefined, programs: Programs, method: string | undefined): Promise<OpsAnswer> {
  if (!view) return { status: 404, type: TEXT, body: hint(programs) };
  if (method === 'GET' || method === 'HEAD') return await view();
  return { status: 405, type: TEXT, body: 'only GET and HEAD\n', Allow: 'GET, HEAD' };
}

function hint(programs: Programs): string {
  const names = [...programs.keys()].join(', ');
  return `not found: try /livez, /readyz, /healthz or /metrics, or /readyz/PROGRAM or /healthz/PROGRAM of one of ${names}\n`;
}

const tellMetrics: View = async () => {
  const parts = await Promise.all([metrics.metrics(), ...extraMetrics.map((source) => source().catch(() => ''))]);
  return { status: 200, type: metrics.contentType, body: parts.join('\n') };
};

type Programs = ReadonlyMap<string, Lifecycle>;
type Findings = Record<string, string>;

async function health(programs: Programs, good: (state: { ready: boolean; healthy: boolean }) => boolean): Promise<OpsAnswer> {
  const [unready, degraded, attention] = await Promise.all([
    findings(programs, (lifecycle) => lifecycle.unready()),
    findings(programs, (lifecycle) => lifecycle.degraded()),
    findings(programs, (lifecycle) => lifecycle.attention()),
  ]);
  const ready = Object.keys(unready).length === 0;
  const healthy = ready && Object.keys({ ...degraded, ...attention }).length === 0;
  const status = healthy ? 'healthy' : ready ? 'degraded' : 'not ready';
  return {
    status: good({ ready, healthy }) ? 200 : 503,
    type: JSON_TYPE,
    body: JSON.stringify({ status, unready, degraded, attention }),
  };
}

/** What programs say of themselves: of several, each finding under its program's name. */
async function findings(programs: Programs, of: (lifecycle: Lifecycle) => Promise<Findings>): Promise<Findings> {
  const each = await Promise.all(
    [...programs].map(async ([program, lifecycle]) =>
      Object.entries(await of(lifecycle)).map(([name, why]) => [programs.size > 1 ? `${program}: ${name}` : name, why]),
    ),
  );
  return Object.fromEntries(each.flat());
}
