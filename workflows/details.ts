import { setCurrentDetails } from '@temporalio/workflow';

/** How many rows are shown, the last ones: Temporal takes 20,000 bytes, and each new row tells all of them again. */
const ROWS = 50;
/** The most of a headline that is shown, in characters: it may quote a service. */
const HEADLINE = 2_000;

/**
 * What a saga tells operators of itself (the Web UI's User Metadata tab): where it is, and then every step with how
 * it went and how long it took, of which the timeline says nothing for a step of a local activity.
 */
export class Details {
  readonly #show: (details: string) => void;
  #headline = '';
  readonly #rows: { text: string }[] = [];
  /** How many rows there were before those that are shown. */
  #before = 0;

  /** @param show takes the whole text; default: what Temporal shows of the workflow */
  constructor(show: (details: string) => void = setCurrentDetails) {
    this.#show = show;
  }

  /** Says where the saga is, or how it ended. */
  say(headline: string): void {
    this.#headline = headline.slice(0, HEADLINE);
    this.#tell();
  }

  /**
   * Adds a row for what is done now.
   *
   * @param refusal what to say of an error; default: "failed"
   */
  async row<T>(what: string, work: () => Promise<T>, refusal: (error: unknown) => string = () => 'failed'): Promise<T> {
    const begun = Date.now();
    const row = this.#add(`- ${what} …`);
    const end = (how: string): void => {
      row.text = `- ${what}: ${how}, ${inSeconds(Date.now() - begun)}`;
      this.#tell();
    };
    try {
      const result = await work();
      end('done');
      return result;
    } catch (error) {
      end(`**${refusal(error)}**`);
      throw error;
    }
  }

  #add(text: string): { text: string } {
    const row = { text };
    this.#rows.push(row);
    if (this.#rows.length > ROWS) {
      this.#rows.shift();
      this.#before++;
    }
    return row;
  }

  #tell(): void {
    const before = this.#before > 0 ? [`- ${this.#before} before these`] : [];
    this.#show([this.#headline, '', ...before, ...this.#rows.map(({ text }) => text)].join('\n'));
  }
}

const inSeconds = (ms: number): string => (ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(1)} s`);
