/** Whether all is tried, which takes long: `npm run matrix`. */
export const whole = process.env.MUSUBI_TEST_WHOLE === '1';

/**
 * The cases of a test that are tried: all by `npm run matrix`, and by `npm test` one of each kind.
 *
 * @param byDefault which of them `npm test` tries, by name
 */
export function triedCases<T>(cases: Readonly<Record<string, T>>, byDefault: readonly string[]): [name: string, it: T][] {
  for (const name of byDefault) if (!Object.hasOwn(cases, name)) throw new Error(`there is no case ${name}`);
  return Object.entries(cases).filter(([name]) => whole || byDefault.includes(name));
}
