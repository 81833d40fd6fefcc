import test from 'ava';
import type { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import type { Step, Steps } from './step.ts';

// What no service can be written with: each line under `@ts-expect-error` is refused by the type checker, or `tsc` fails on it.

interface Request {
  operationId: string;
}
/** A contract of two steps. */
type Contract = Pick<RoleServiceService, 'assignRoles' | 'unassignAllRoles'>;
const answer = async () => ({ result: { written: undefined } });
const undo = async () => {};

test('a step whose undo is missing is an error of types', (t) => {
  const whole: Step<object, Request, object, null> = { do: answer, undo };
  const late: Step<object, Request, object, null> = { do: answer, undo: 'impossible' };
  // @ts-expect-error: there is no undo
  const broken: Step<object, Request, object, null> = { do: answer };
  // @ts-expect-error: whether it can be undone must be said
  const unsaid: Step<object, Request, object, null> = { do: answer, undo: undefined };
  t.is([whole, late, broken, unsaid].length, 4);
});

test('a contract of which a step is missing, or has no undo, is an error of types', (t) => {
  const whole: Steps<Contract, object> = { assignRoles: { do: answer, undo }, unassignAllRoles: { do: answer, undo } };
  // @ts-expect-error: a step of the contract is left out
  const short: Steps<Contract, object> = { assignRoles: { do: answer, undo } };
  const broken: Steps<Contract, object> = {
    assignRoles: { do: answer, undo },
    // @ts-expect-error: there is no undo
    unassignAllRoles: { do: answer },
  };
  t.is([whole, short, broken].length, 3);
});
