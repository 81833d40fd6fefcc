import type { World } from './gateway.fixture.ts';
import { Contract, type OpenApi } from './openapi/contract.fixture.ts';
import { openApiDocument } from './openapi/document.ts';
import { allRoutes } from './routes/index.ts';

let contract: Contract | undefined;

/** What the gateway says of itself. */
export function ownContract(): Contract {
  contract ??= new Contract(JSON.parse(JSON.stringify(openApiDocument(allRoutes(), undefined))) as OpenApi);
  return contract;
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into any answer
  body: any;
}

/** One request to the gateway, whose answer must be one that its OpenAPI document declares; a body that is a string or bytes is sent as it is. */
export async function send(
  world: World,
  method: string,
  path: string,
  { token, body, headers = {} }: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(world.base + path, {
    method,
    redirect: 'manual',
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(body === undefined || raw ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: raw ? (body as NonNullable<RequestInit['body']>) : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = /json(;|$)/.test(response.headers.get('content-type') ?? '');
  const answer = { status: response.status, headers: response.headers, body: json && text ? JSON.parse(text) : text };
  ownContract().check(method, path.split('?')[0] ?? '', answer);
  return answer;
}
