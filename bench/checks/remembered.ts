import { ANSWERS_KEPT } from '../../services/auth/policies.ts';
import { factsOf } from '../../services/auth/policy-facts.ts';
import { kindOf, type Question } from '../../services/auth/question.ts';

/**
 * Which questions Auth answers by what it remembers of a combination of roles: the same rule over the same questions in the same
 * order. (Those in flight at once may swap places, which moves a share by less than is shown.)
 */
export class Remembered {
  readonly #strings: ReadonlySet<string>;
  readonly #kinds = new Set<string>();
  #asked = 0;
  #known = 0;

  /** @param policies of the combination, in Cedar */
  constructor(policies: readonly string[], roleIds: readonly string[]) {
    this.#strings = new Set([...policies.flatMap((cedar) => factsOf(cedar).strings), ...roleIds]);
  }

  note(question: Question): void {
    this.#asked++;
    const kind = kindOf(question, this.#strings);
    if (this.#kinds.has(kind)) {
      this.#known++;
      return;
    }
    if (this.#kinds.size >= ANSWERS_KEPT) this.#kinds.clear();
    this.#kinds.add(kind);
  }

  /** The share of those noted since it was asked last, 0 to 1. */
  share(): number {
    const share = this.#known / this.#asked;
    this.#asked = 0;
    this.#known = 0;
    return share;
  }
}
