import { processShape } from '#platform/process/config.ts';
import { environmentOf, ofProgram } from '#platform/process/program.ts';
import { configurationOf } from './environment.ts';

/**
 * What a process is given of our variables: those that its programs read, and no others' secrets. What programs of it read
 * differently, each reads by a variable of its own.
 *
 * @param everything the variables of the whole system, a program's own among them (`MUSUBI_MEMBER_POSTGRES_URL`)
 */
export function environmentOfProcess(
  programs: readonly string[],
  everything: NodeJS.ProcessEnv,
): Record<string, string | undefined> {
  const given: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(everything)) if (!name.startsWith('MUSUBI_')) given[name] = value;
  for (const name of Object.keys(processShape)) given[name] = everything[name];
  const values = new Map<string, [program: string, value: string][]>();
  for (const program of programs) {
    const seen = environmentOf(program, everything);
    for (const name of Object.keys(configurationOf(program).shape)) {
      const value = seen[name];
      if (value !== undefined) values.set(name, [...(values.get(name) ?? []), [program, value]]);
    }
  }
  for (const [name, read] of values) {
    if (new Set(read.map(([, value]) => value)).size === 1) given[name] = read[0]?.[1];
    else for (const [program, value] of read) given[ofProgram(program, name)] = value;
  }
  return given;
}
