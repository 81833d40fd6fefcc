import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionContext } from 'ava';
import { pino } from 'pino';
import { Lifecycle } from '../process/lifecycle.ts';
import { type HttpServer, serveHttp } from './server.ts';

export const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

export interface Served {
  port: number;
  /** The requests that were handed over, and their answers. */
  handled: { request: IncomingMessage; response: ServerResponse }[];
  lines: Record<string, unknown>[];
  refused: string[];
  lifecycle: Lifecycle;
}

/** A server that is stopped with its test. Without a `handle` it answers nothing by itself. */
export async function serve(t: ExecutionContext, options: Partial<HttpServer> = {}): Promise<Served> {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const lifecycle = new Lifecycle(log, 5_000);
  const handled: Served['handled'] = [];
  const refused: string[] = [];
  const { handle, limits, ...others } = options;
  const port = await serveHttp({
    name: 'test server',
    listen: { host: '127.0.0.1', port: 0 },
    lifecycle,
    log,
    limits: { check: 20, drain: 0, ...limits },
    handle(request, response) {
      handled.push({ request, response });
      return handle?.(request, response);
    },
    refused: ({ code }) => refused.push(code),
    ...others,
  });
  t.teardown(() => lifecycle.stop('test'));
  return { port, handled, lines, refused, lifecycle };
}
