import test from 'ava';
import fc from 'fast-check';
import { Framing } from './framing.ts';
import { frame } from './raw.fixture.ts';

/** Messages of a few frames, with control frames before, between and behind them. */
const frames = fc
  .array(
    fc.record({
      fragments: fc.array(fc.oneof(fc.nat(200), fc.constantFrom(0, 125, 126, 127, 65_535, 65_536, 70_000)), {
        minLength: 1,
        maxLength: 3,
      }),
      control: fc.option(fc.nat(125)),
    }),
    { maxLength: 4 },
  )
  .map((messages) =>
    messages.flatMap(({ fragments, control }) =>
      fragments.flatMap((length, at) => {
        const last = at === fragments.length - 1;
        const of = { bytes: frame(Buffer.alloc(length), { opcode: at === 0 ? 1 : 0, last }), ends: last ? 1 : 0, within: !last };
        if (control === null) return [of];
        // Before the first frame of a message it is within none.
        return [{ bytes: frame(Buffer.alloc(control), { opcode: 9 }), ends: 0, within: at > 0 }, of];
      }),
    ),
  );

test('however a stream of frames is cut, it is known at each cut whether a message is whole, and how many are', (t) => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 80_000 })), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(({ bytes }) => bytes));
      // What holds after each byte at which a frame ends.
      const ends = new Map<number, { messages: number; unfinished: boolean }>([[0, { messages: 0, unfinished: false }]]);
      let [length, messages] = [0, 0];
      for (const { bytes, ends: whole, within } of sent) {
        length += bytes.length;
        messages += whole;
        ends.set(length, { messages, unfinished: within });
      }
      const framing = new Framing();
      let at = 0;
      for (const size of [...cuts, stream.length]) {
        const next = Math.min(at + size, stream.length);
        framing.read(stream.subarray(at, next));
        at = next;
        const { unfinished } = framing;
        t.deepEqual(unfinished, ends.get(at)?.unfinished ?? true, `after ${at} of ${stream.length} bytes`);
        const whole = [...ends].findLast(([end]) => end <= at)?.[1].messages;
        t.is(framing.messages, whole ?? 0);
      }
    }),
  );
  t.pass();
});

test('byte by byte, too', (t) => {
  const framing = new Framing();
  const stream = Buffer.concat([
    frame('a', { last: false }),
    frame('', { opcode: 9 }),
    frame(Buffer.alloc(300), { opcode: 0 }),
    frame(''),
  ]);
  const unfinished = [...stream].map((byte) => {
    framing.read(Buffer.from([byte]));
    return framing.unfinished;
  });
  t.is(framing.messages, 2);
  const whole = stream.length - 1 - 6;
  t.deepEqual(
    unfinished.flatMap((is, at) => (is ? [] : [at])),
    [whole, stream.length - 1],
  );
});
