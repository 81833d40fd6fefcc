import { rows } from '../evidence.ts';

/**
 * Holds every registration at its last step, past its pivot, where a saga tries without end: Member's store refuses that one
 * write as a server in trouble would. Before its pivot a saga that is held ends by itself after a minute.
 *
 * @returns what lets them go on
 */
export async function holdRegistrations(): Promise<() => Promise<void>> {
  await rows(
    'musubi_member',
    `create function test_hold() returns trigger language plpgsql as $$
       begin
         if old.status = 'PENDING' and new.status = 'ACTIVE' then
           raise exception 'held by the test' using errcode = 'insufficient_resources';
         end if;
         return new;
       end $$;
     create trigger test_hold before update on members for each row execute function test_hold()`,
  );
  return async () => void (await rows('musubi_member', 'drop function test_hold cascade'));
}
