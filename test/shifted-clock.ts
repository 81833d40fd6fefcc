/**
 * To be loaded before everything else (`--import`): a process whose clock is wrong by MUSUBI_TEST_CLOCK_SHIFT_MS.
 * Only the time of day: what a process measures itself (`performance.now`, timers) is as on any host.
 */
const shift = Number(process.env.MUSUBI_TEST_CLOCK_SHIFT_MS);
if (!Number.isFinite(shift)) throw new Error('MUSUBI_TEST_CLOCK_SHIFT_MS is not set');

const RealDate = Date;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, given, newTarget) =>
    Reflect.construct(target, given.length === 0 ? [RealDate.now() + shift] : given, newTarget) as Date,
  apply: () => new RealDate(RealDate.now() + shift).toString(),
  get: (target, name, receiver) => (name === 'now' ? () => RealDate.now() + shift : Reflect.get(target, name, receiver)),
});
