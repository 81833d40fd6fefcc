import type { StepCall } from '../activities/call.ts';
import { nameOf, type Part, type PartList, sizeOf, wordsOf } from './declaration.ts';

/** How far a job is. */
export type Place = NonNullable<StepCall['progress']>;

/** What a saga that runs another one counts besides it: what it has done before, and all but the other's own steps. */
export interface Around {
  done: number;
  others: number;
}

/** How far a run is: in the parts that it declares, where each item of a list counts. */
export class Progress {
  /** The part that was begun last. */
  last: Place | undefined;
  readonly #command: string;
  readonly #list: Pick<PartList, 'parts' | 'alternatives'>;
  readonly #around: Around;
  readonly #begun = new Set<string>();
  /** What lists have counted for beyond what is declared, those of the sagas that this one runs among them. */
  #more = 0;

  constructor(
    command: string,
    list: Pick<PartList, 'parts' | 'alternatives'>,
    { around, last }: { around?: Around | undefined; last?: Place | undefined },
  ) {
    this.#command = command;
    this.#list = list;
    this.#around = around ?? { done: 0, others: 0 };
    this.last = last;
  }

  /** How many steps this run has. */
  get size(): number {
    return this.#declared + this.#more;
  }

  /** How many steps the job has, as far as this run knows. */
  get total(): number {
    return this.#around.others + this.size;
  }

  /** Notes that a part begins. @param items how many it is done for; default: it is one */
  begin(part: Part, items = 1): Place {
    const name = nameOf(part);
    const { parts } = this.#list;
    const at = parts.findIndex((declared) => nameOf(declared) === name);
    if (at === -1) throw new Error(`${this.#command} does not declare ${name}`);
    if (this.#begun.has(name)) throw new Error(`${this.#command} does ${name} twice`);
    this.#begun.add(name);
    // What is done in place of the pivot has its place.
    const before = this.#sizeOf(parts.slice(0, at)) - (this.#isAlternative(part) ? 1 : 0);
    const done = this.#around.done + before + this.#more;
    this.grow(Math.max(0, items - 1) * sizeOf(part));
    this.last = { done, total: this.total, step: wordsOf(part) };
    return this.last;
  }

  /** There turned out to be so many steps more. */
  grow(by: number): void {
    this.#more += by;
  }

  /** What is around a saga that this one runs from that place on. */
  around(saga: Part, { done, total }: Place): Around {
    return { done, others: total - sizeOf(saga) };
  }

  get #declared(): number {
    return this.#sizeOf(this.#list.parts);
  }

  #sizeOf(parts: readonly Part[]): number {
    return parts.reduce((sum, part) => sum + (this.#isAlternative(part) ? 0 : sizeOf(part)), 0);
  }

  #isAlternative(part: Part): boolean {
    return this.#list.alternatives.includes(nameOf(part));
  }
}
