import { randomBytes } from 'node:crypto';
import { Contract, type OpenApi } from '../gateway/openapi/contract.fixture.ts';

/** What the tests know of the running system: only what any client knows. */
export function address(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: this test needs the running stack, use \`npm test\``);
  return value;
}

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed if it is JSON: a test looks into any answer. */
  body: any;
}

/** Whether somebody was refused before it was looked whether that was asked for before: no job's end, which is answered however often it is asked for. */
export const isAtTheDoor = ({ status, body }: Answer): boolean =>
  (status === 403 || status === 404) && body?.jobId === undefined && !body?.instance?.startsWith('/v1/jobs/');

/** As long as the gateway lets anybody wait. */
const WAIT_TO_THE_END = 'wait=30';

const contracts = new Map<string, Promise<Contract>>();

/** What the gateway at that address says of itself. */
function contractOf(base: string): Promise<Contract> {
  const known = contracts.get(base);
  if (known) return known;
  const read = fetch(`${base}/openapi.json`).then(async (response) => new Contract((await response.json()) as OpenApi));
  contracts.set(base, read);
  // Not away for good because it was away once.
  read.catch(() => contracts.delete(base));
  return read;
}

/** A client of the REST API, with or without a session. All answers must be declared in the gateway's OpenAPI document. */
export class Client {
  readonly base: string;
  token: string | undefined;

  constructor(token?: string, base = address('MUSUBI_PUBLIC_URL')) {
    this.base = base;
    this.token = token;
  }

  /** Who waits for its command's end is told it also where that takes longer, as on a machine that others keep busy. */
  async request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    // Who cancels a job that is over is refused.
    if (headers.prefer !== WAIT_TO_THE_END || path.endsWith(':cancel')) return await this.#ask(method, path, body, headers);
    const repeatable = { 'idempotency-key': unique('key'), ...headers };
    const answer = await this.#ask(method, path, body, repeatable);
    if (answer.status !== 202) return answer;
    const isOver = await this.finished(answer.body.jobId, 300).catch(() => undefined);
    if (!isOver) return answer;
    const again = await this.#ask(method, path, body, repeatable);
    // Who may not ask for it any more, though it is done, is told by its job.
    return isAtTheDoor(again) ? answer : again;
  }

  async #ask(method: string, path: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
    const response = await fetch(this.base + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = /json(;|$)/.test(response.headers.get('content-type') ?? '');
    const answer = { status: response.status, headers: response.headers, body: json && text ? JSON.parse(text) : text };
    (await contractOf(this.base)).check(method, path.split('?')[0] ?? '', answer);
    return answer;
  }

  get = (path: string, headers?: Record<string, string>): Promise<Answer> => this.request('GET', path, undefined, headers);
  post = (path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> =>
    this.request('POST', path, body, headers);
  put = (path: string, body: unknown, headers?: Record<string, string>): Promise<Answer> =>
    this.request('PUT', path, body, headers);
  patch = (path: string, body: unknown, headers?: Record<string, string>): Promise<Answer> =>
    this.request('PATCH', path, body, headers);
  delete = (path: string, headers?: Record<string, string>): Promise<Answer> => this.request('DELETE', path, undefined, headers);

  /** Polls a job until it is final. */
  async finished(jobId: string, seconds = 120): Promise<Answer['body']> {
    const deadline = Date.now() + seconds * 1_000;
    let last: Answer | undefined;
    while (Date.now() < deadline) {
      last = await this.get(`/v1/jobs/${jobId}`).catch(() => last);
      if (['completed', 'failed', 'cancelled'].includes(last?.body?.state)) return last?.body;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`job ${jobId} is not final after ${seconds} s: ${JSON.stringify(last?.body)}`);
  }
}

export async function login(loginId: string, password: string, base?: string): Promise<Client> {
  const client = new Client(undefined, base);
  const ask = (): Promise<Answer> => client.post('/v1/auth/login', { loginId, password });
  let answer = await ask();
  // All tests log in from one address, many at the same time: who is refused for a while comes again.
  for (let i = 0; answer.body?.code === 'TOO_BUSY' && i < 30; i++) {
    await new Promise((resolve) => setTimeout(resolve, Number(answer.headers.get('retry-after')) * 1_000));
    answer = await ask();
  }
  if (answer.status !== 200) throw new Error(`login failed: ${answer.status} ${JSON.stringify(answer.body)}`);
  client.token = answer.body.accessToken;
  return client;
}

/** The first admin, logged in. */
export const admin = (): Promise<Client> => login(address('MUSUBI_ADMIN_LOGIN_ID'), address('MUSUBI_ADMIN_PASSWORD'));

/** A name that no other test uses. */
export const unique = (stem: string): string => `${stem}-${randomBytes(6).toString('hex')}`;

export interface Registered {
  memberId: string;
  loginId: string;
  password: string;
}

/** A new member of this test's own, called `${stem} of a test`. */
export async function register(as: Client, stem = 'member', waitSeconds = 30): Promise<Registered> {
  const loginId = unique(stem);
  const password = `pass-${randomBytes(9).toString('base64url')}`;
  const answer = await as.post(
    '/v1/members',
    { loginId, password, displayName: `${stem} of a test`, email: `${loginId}@example.com` },
    { prefer: `wait=${waitSeconds}` },
  );
  if (answer.status === 201) return { memberId: answer.body.id, loginId, password };
  // Not done within the time: a consumer's group that is being rebalanced, a machine that is busy.
  const job = answer.status === 202 ? await as.finished(answer.body.jobId) : undefined;
  if (job?.state !== 'completed') throw new Error(`not registered: ${answer.status} ${JSON.stringify(job ?? answer.body)}`);
  return { memberId: job.result.id, loginId, password };
}
