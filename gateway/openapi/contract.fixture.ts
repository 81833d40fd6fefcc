import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { isProblemCode } from '#platform/problems.ts';
import { ANYWHERE, UNROUTED } from '../http/declared-problems.ts';
import { httpStatusOf } from '../http/problem.ts';
import { bySpecificity } from '../http/router.ts';

/** What a client was answered. */
export interface Answered {
  status: number;
  headers: Headers;
  body: unknown;
}

interface Content {
  content?: Record<string, { schema: object }>;
}
interface Operation {
  responses: Record<string, (Content & { $ref?: undefined }) | { $ref: string }>;
}
export interface OpenApi {
  paths: Record<string, Record<string, Operation>>;
  components: { responses: Record<string, Content> };
}

const FORMATS = {
  uuid: /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i,
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
  email: /^\S+@\S+$/,
  'uri-reference': /^\S+$/,
  binary: true,
} as const;

/** An OpenAPI document, by a validator that is not ours: what it says of values, and that a server sends nothing else. */
export class Contract {
  readonly #document: OpenApi;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true, formats: FORMATS });

  constructor(document: OpenApi) {
    this.#document = document;
    // Under a key, so that references into the document lead back to it.
    this.#ajv.addSchema(document, 'openapi');
  }

  /** What is wrong with a value, by the schema at this place of the document (`/components/schemas/Job`); empty when it is right. */
  violations(pointer: string, value: unknown): string {
    const schema: ValidateFunction | undefined = this.#ajv.getSchema(`openapi#${encodeURI(pointer)}`);
    if (!schema) throw new Error(`the document has nothing at ${pointer}`);
    return schema(value) ? '' : this.#ajv.errorsText(schema.errors, { dataVar: 'value' });
  }

  /** @throws unless the document declares that a request of this method and path (without its query) is answered so */
  check(method: string, path: string, answer: Answered): void {
    if (method === 'OPTIONS') return;
    const wrong = this.#wrong(method === 'HEAD' ? 'get' : method.toLowerCase(), path, answer, method === 'HEAD');
    if (wrong) throw new Error(`${method} ${path}: ${wrong}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }

  #wrong(method: string, path: string, { status, headers, body }: Answered, bodiless: boolean): string | undefined {
    const type = headers.get('content-type')?.split(';')[0] ?? '';
    const code = type === 'application/problem+json' && !bodiless ? codeOf(body) : undefined;
    if (code !== undefined && (!isProblemCode(code) || httpStatusOf(code) !== status))
      return 'no code of the catalogue, or not of its status';
    const template = this.#templateOf(path);
    const operation = template === undefined ? undefined : this.#document.paths[template]?.[method];
    if (template === undefined || !operation) {
      const unrouted: readonly string[] = [...UNROUTED, ...ANYWHERE];
      return code !== undefined && unrouted.includes(code) ? undefined : 'no such operation is declared';
    }
    const key = operation.responses[status] ? String(status) : 'default';
    const declared = operation.responses[key];
    if (!declared) return 'the status is not declared';
    const response = declared.$ref === undefined ? declared : this.#document.components.responses[nameIn(declared.$ref)];
    const pointer = declared.$ref?.slice(1) ?? `/paths/${escaped(template)}/${method}/responses/${key}`;
    const content = response?.content ?? {};
    if (bodiless || (Object.keys(content).length === 0 && body === '')) return undefined;
    const declaredType = [type, '*/*'].find((one) => content[one]);
    if (declaredType === undefined) return `a body of the type ${type} is not declared`;
    const isJson = /json$/.test(type);
    return isJson ? this.violations(`${pointer}/content/${escaped(declaredType)}/schema`, body) || undefined : undefined;
  }

  /** The path template that stands for this path and any method: of those that fit, the most specific. */
  #templateOf(path: string): string | undefined {
    return Object.keys(this.#document.paths)
      .filter((template) => patternOf(template).test(path))
      .sort(bySpecificity)
      .at(-1);
  }
}

const codeOf = (body: unknown): string =>
  typeof body === 'object' && body !== null && 'code' in body ? String(body.code) : 'none';
const nameIn = (reference: string): string => reference.split('/').at(-1) ?? '';
const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
const patternOf = (template: string): RegExp =>
  new RegExp(`^${template.replaceAll(/[.*+?^$()[\]\\]/g, '\\$&').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
