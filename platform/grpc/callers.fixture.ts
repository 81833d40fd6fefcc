import { Caller, Callers, callerKeys, keyVariable, newCallerKeys } from './callers.ts';
import type { Proof } from './client.ts';

/** The name of the one who calls in tests. */
const NAME = 'tests';
const keys = newCallerKeys([NAME]);

/** Calls services in tests, with a real key. */
export const TESTS = new Caller(NAME, keys[keyVariable(NAME)] ?? '');

/** A service that lets {@link TESTS} call every method. */
export const lettingTestsIn = (service: string): Callers =>
  new Callers(service, callerKeys().parse(keys.MUSUBI_CALLERS), new Everything());

/** What proves to a service that {@link TESTS} calls. */
export const byTests =
  (service: string): Proof =>
  () =>
    TESTS.token(service);

class Everything extends Map<string, ReadonlySet<string>> {
  override get(): ReadonlySet<string> {
    return new Set([NAME]);
  }
}
