/**
 * A statement with its parameters, made by {@link sql}. Text and values travel apart,
 * so no value can become part of the statement.
 */
export class Query {
  readonly #strings: readonly string[];
  readonly values: readonly unknown[];

  constructor(strings: readonly string[], values: readonly unknown[]) {
    this.#strings = strings;
    this.values = values;
  }

  /** The statement with `$1`, `$2`, … in the places of the values. */
  get text(): string {
    let text = this.#strings[0] ?? '';
    for (let index = 1; index < this.#strings.length; index++) text += `$${index}${this.#strings[index]}`;
    return text;
  }

  /** The literal parts; one more than values. */
  get strings(): readonly string[] {
    return this.#strings;
  }
}

/**
 * ``sql`select … where id = ${id}` ``: every value is a bound parameter; a nested Query becomes part of the statement.
 * Objects are bound as JSON, arrays as PostgreSQL arrays (stringify an array that is meant as JSON), `undefined` as null.
 */
export function sql(template: TemplateStringsArray, ...values: unknown[]): Query {
  if (!values.some((value) => value instanceof Query)) return new Query(template, values);
  const strings = [template[0] ?? ''];
  const flat: unknown[] = [];
  const append = (text: string): void => {
    strings[strings.length - 1] += text;
  };
  values.forEach((value, index) => {
    if (value instanceof Query) {
      append(value.strings[0] ?? '');
      value.values.forEach((inner, at) => {
        flat.push(inner);
        strings.push(value.strings[at + 1] ?? '');
      });
      append(template[index + 1] ?? '');
    } else {
      flat.push(value);
      strings.push(template[index + 1] ?? '');
    }
  });
  return new Query(strings, flat);
}

/** Joins statements' parts, for lists of conditions or columns: ``join(conditions, sql` and `)``. */
export function join(parts: readonly Query[], separator: Query = sql`, `): Query {
  // In one go: to add one after the other would copy all before it each time.
  const all = parts.flatMap((part, index) => (index === 0 ? [part] : [separator, part]));
  return sql(Object.assign(Array(all.length + 1).fill(''), { raw: [] }) as TemplateStringsArray, ...all);
}

/** A table's or column's name as a part of a statement. For names that the program itself has written: lower case, letters, digits, `_`. */
export function identifier(name: string): Query {
  if (!/^[a-z_][a-z0-9_]*$/.test(name)) throw new Error(`"${name}" is no name of ours`);
  return new Query([name], []);
}

/**
 * Where statements run. `query` gives the rows; int8 columns are numbers (an error beyond 2^53), timestamps Dates.
 * Statements are sent at once, without waiting for the earlier one's answer, and run in the order they were sent:
 * `await Promise.all([tx.query(a), tx.query(b)])` costs one round trip.
 *
 * Errors: UNAVAILABLE when the server is away, ABORTED for conflicts; others as pg gives them (`isUniqueViolation`).
 */
export interface Transaction {
  query<R>(query: Query): Promise<R[]>;
}

/** The transaction that is being run. */
export interface OpenTransaction extends Transaction {
  /** Sends a statement whose rows nobody needs: it travels with the commit. Its error fails the transaction. */
  defer(query: Query): void;
}

export interface Database extends Transaction {
  /**
   * @param signal of the caller: once it has aborted, the statement is not sent
   * @throws CALLER_GONE
   */
  query<R>(query: Query, signal?: AbortSignal): Promise<R[]>;
  /**
   * Runs `work` in one transaction (READ COMMITTED): committed when it returns, rolled back when it throws.
   * After a deadlock or serialization failure it is run again from the start, up to 5 times in all (and after a
   * migration once more for each connection that knew the table as it was), so `work` must not change anything outside
   * the transaction.
   */
  transaction<T>(work: (tx: OpenTransaction) => Promise<T>): Promise<T>;
}
/** The column that a field is kept in: `memberId` in `member_id`. */
export const columnOf = (field: string): Query => identifier(field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));

/** The field that a column holds. */
export const fieldOf = (column: string): string => column.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** Fields as an answer has them: `m.member_id as "memberId"`. @param table its name in the statement; default: none is needed */
export function fieldsOf(fields: readonly string[], table?: string): Query {
  const from = table === undefined ? sql`` : sql`${identifier(table)}.`;
  return join(fields.map((field) => sql`${from}${columnOf(field)} as ${new Query([`"${field}"`], [])}`));
}

/** A row whose nulls are absent, as they are in a message. */
export function nullsAbsent<Row extends object>(row: Row): NullsAbsent<Row> {
  return Object.fromEntries(Object.entries(row).map(([field, value]) => [field, value ?? undefined])) as NullsAbsent<Row>;
}

type NullsAbsent<Row> = { [F in keyof Row]: null extends Row[F] ? Exclude<Row[F], null> | undefined : Row[F] };
