import type { Ended, Nearest } from './explain.ts';
import { linesOf, type State } from './state.ts';

// What is said of a round that is not explained. Of a log only the end is read at times, so it is short: what is wrong comes first, and of the rest what
// is about that.

/** Differences that are said. */
const SHOWN = 12;

interface Round {
  before: State;
  ended: readonly Ended[];
  after: State;
  differences: readonly string[];
  nearest: Nearest | undefined;
}

/** By their ends IDs are told apart well enough. */
const short = (text: string): string => text.replaceAll(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{6}([\da-f]{6})/g, '$1');
const inWords = ({ command: { kind, ...what }, end }: Ended): string => `${end}: ${kind} ${JSON.stringify(what)}`;
const idsIn = (texts: readonly string[]): Set<string> =>
  new Set(texts.flatMap((text) => text.match(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g) ?? []));

/** Of the groups that differ only. */
export function summary({ before, ended, after, differences, nearest }: Round): string[] {
  const { unexplained = [], made = [], found = [] } = nearest ?? {};
  const lines = { before: linesOf(before), after: linesOf(after) };
  const isGroup = (id: string): boolean => before.groups.has(id) || after.groups.has(id);
  const about = [...idsIn([...unexplained.map(inWords), ...made, ...found, ...differences])].filter(isGroup);
  const isAbout = (text: string): boolean => about.some((id) => text.includes(id));
  const more = differences.length > SHOWN ? [`and ${differences.length - SHOWN} more differences`] : [];
  return [
    ...(nearest ? ['no order explains it; the nearest one'] : []),
    ...unexplained.map((one) => `  has no room for ${inWords(one)}`),
    ...made.map((line) => `  makes   ${line}`),
    ...found.map((line) => `  but is  ${line}`),
    ...[...differences.slice(0, SHOWN), ...more],
    'what was asked about these groups, and what they were before',
    ...ended.map(inWords).filter(isAbout),
    ...lines.before.filter((line) => about.includes(line.split(' ')[0] ?? '')).map((line) => `  before  ${line}`),
  ].map(short);
}

/** All of it. */
export const whole = ({ before, ended, after, differences }: Round): string[] => [
  ...differences,
  ...linesOf(before).map((line) => `  before ${line}`),
  ...ended.map((one) => `  ${inWords(one)}`),
  ...linesOf(after).map((line) => `  after  ${line}`),
];
