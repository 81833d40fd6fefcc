import { setCurrentDetails } from '@temporalio/workflow';

/**
 * What a saga tells operators of itself (the Web UI's User Metadata tab): where it is, and then every step with how
 * it went and how long it took, of which the timeline says nothing for a step of a local activity.
 */
export class Details {
  #headline = '';
  readonly #rows: string[] = [];

  /** Says where the saga is, or how it ended. */
  say(headline: string): void {
    this.#headline = headline;
    this.#tell();
  }

  /**
   * Adds a row for what is done now.
   *
   * @param refusal what to say of an error; default: "failed"
   */
  async row<T>(what: string, work: () => Promise<T>, refusal: (error: unknown) => string = () => 'failed'): Promise<T> {
    const begun = Date.now();
    const index = this.#rows.length;
    const end = (how: string): void => {
      this.#rows[index] = `- ${what}: ${how}, ${inSeconds(Date.now() - begun)}`;
      this.#tell();
    };
    this.#rows.push(`- ${what} …`);
    try {
      const result = await work();
      end('done');
      return result;
    } catch (error) {
      end(`**${refusal(error)}**`);
      throw error;
    }
  }

  #tell(): void {
    setCurrentDetails([this.#headline, '', ...this.#rows].join('\n'));
  }
}

const inSeconds = (ms: number): string => (ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(1)} s`);
