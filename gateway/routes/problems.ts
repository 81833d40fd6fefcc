import { z } from 'zod';
import { kindDocument } from '#platform/http/problem.ts';
import { CLIENT_CODES } from '#platform/problems.ts';
import { problemCodeSchema } from '../http/problem.ts';
import { route } from '../http/route.ts';

const kindSchema = z
  .strictObject({
    type: z.string().meta({ format: 'uri-reference', description: 'Its address', examples: ['/problems/LOGIN_TAKEN'] }),
    code: problemCodeSchema,
    title: z.string(),
    status: z.int().meta({ description: 'The HTTP status that it is answered with' }),
    meaning: z.string(),
    remedy: z.string().meta({ description: 'What the client can do about it' }),
  })
  .meta({ id: 'ProblemKind', description: 'What a problem means, and what to do about it' });

const listProblems = route({
  method: 'GET',
  path: '/problems',
  tag: 'Documents',
  operationId: 'listProblems',
  summary: 'Every kind of problem: what it means, and what to do about it',
  public: true,
  responses: { 200: { description: 'The catalogue', schema: z.strictObject({ items: z.array(kindSchema) }) } },
  async handle() {
    return { status: 200 as const, body: { items: CLIENT_CODES.map(kindDocument) } };
  },
});

const getProblem = route({
  method: 'GET',
  path: '/problems/{code}',
  tag: 'Documents',
  operationId: 'getProblem',
  summary: 'One kind of problem: the address that is its `type`',
  public: true,
  params: { code: problemCodeSchema },
  responses: { 200: { description: 'The kind of problem', schema: kindSchema } },
  async handle({ params }) {
    return { status: 200 as const, body: kindDocument(params.code) };
  },
});

export const problemRoutes = [listProblems, getProblem];
