import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { contextFrom, currentTraceparent, metrics, startTelemetry, withSpan } from './telemetry.ts';

startTelemetry('test', {});

const GIVEN = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

/** The trace and the span of the running call. */
const here = () => currentTraceparent().split('-').slice(1, 3);

test('where no span is told of, a request has one, of the trace that it came with', async (t) => {
  await withSpan('request', { parent: contextFrom(GIVEN) }, async (span) => {
    const [traceId, spanId] = here();
    t.is(traceId, '4bf92f3577b34da6a3ce929d0e0e4736');
    t.not(spanId, '00f067aa0ba902b7', 'the span of the client is not ours');
    t.is(span.spanContext().spanId, spanId ?? '');
    await withSpan('within', {}, async (inner) => {
      t.deepEqual(here(), [traceId, spanId]);
      t.is(inner, span);
    });
  });
});

test('the parent that is given counts, not what is running', async (t) => {
  await withSpan('one request', {}, async () => {
    const [traceId] = here();
    await withSpan('a call of another', { parent: contextFrom(GIVEN) }, async () => t.is(here()[0], GIVEN.split('-')[1]));
    t.is(here()[0], traceId);
  });
});

test('an error of the work goes on', async (t) => {
  await withSpan('request', {}, async () => {
    await t.throwsAsync(
      withSpan('within', {}, () => Promise.reject(new Error('no'))),
      { message: 'no' },
    );
  });
});

test('of a process that has no lag none is shown', async (t) => {
  await sleep(2_500);
  const text = await metrics.metrics();
  const lags = [...text.matchAll(/^(nodejs_eventloop_lag\w*) (\S+)$/gm)].map(([, name, value]) => ({
    name,
    value: Number(value),
  }));
  t.true(lags.length > 0);
  for (const { name, value } of lags) t.true(value < 0.5, `${name} ${value}`);
});
