import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CollectedSpan {
  service: string;
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  /** Its attributes, events and status as one text, to look for what must not be there. */
  attributes: string;
}

interface OtlpRequest {
  resourceSpans: {
    resource: { attributes: { key: string; value: { stringValue?: string } }[] };
    scopeSpans: {
      spans: {
        name: string;
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        attributes?: unknown;
        events?: unknown;
        status?: unknown;
      }[];
    }[];
  }[];
}

/** The newest spans that are kept: enough for every test, little for memory. */
const KEPT = 50_000;

/**
 * An OpenTelemetry collector of the tests: takes OTLP/HTTP JSON at `/v1/traces`, and answers
 * `GET /trace/{traceId}` with what it has of that trace (`GET /trace/` with everything).
 */
export async function serveCollector(): Promise<{ url: string; close(): void }> {
  const spans: CollectedSpan[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const traceId = request.url?.match(/^\/trace\/(\w*)$/)?.[1];
      if (traceId !== undefined) {
        response.end(JSON.stringify(spans.filter((span) => traceId === '' || span.traceId === traceId)));
        return;
      }
      for (const { resource, scopeSpans } of (JSON.parse(Buffer.concat(chunks).toString()) as OtlpRequest).resourceSpans) {
        const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
        for (const { name, traceId, spanId, parentSpanId = '', attributes, events, status } of scopeSpans.flatMap(
          (scope) => scope.spans,
        )) {
          spans.push({ service, name, traceId, spanId, parentSpanId, attributes: JSON.stringify([attributes, events, status]) });
        }
      }
      spans.splice(0, Math.max(0, spans.length - KEPT));
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  // Never closed while a client may be about to use it again: that request would fail.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What the collector has of a trace now. */
export async function trace(traceId: string): Promise<CollectedSpan[]> {
  const url = process.env.MUSUBI_TEST_COLLECTOR;
  if (!url) throw new Error('MUSUBI_TEST_COLLECTOR is not set: use `npm test`');
  return (await (await fetch(`${url}/trace/${traceId}`)).json()) as CollectedSpan[];
}
