import { status } from '@grpc/grpc-js';
import type { FieldPlace, MusubiError } from '../errors.ts';
import { type FieldCode, type ProblemCode, problemKind, problemTitle, problemType } from '../problems.ts';

/** The one map from the system's error model to HTTP. Where HTTP has a status of its own for a code, the catalogue names it. */
const HTTP_STATUS: Record<status, number> = {
  [status.OK]: 200,
  [status.CANCELLED]: 499,
  [status.UNKNOWN]: 500,
  [status.INVALID_ARGUMENT]: 400,
  [status.DEADLINE_EXCEEDED]: 504,
  [status.NOT_FOUND]: 404,
  [status.ALREADY_EXISTS]: 409,
  [status.PERMISSION_DENIED]: 403,
  [status.RESOURCE_EXHAUSTED]: 429,
  [status.FAILED_PRECONDITION]: 409,
  [status.ABORTED]: 409,
  [status.OUT_OF_RANGE]: 400,
  [status.UNIMPLEMENTED]: 501,
  [status.INTERNAL]: 500,
  [status.UNAVAILABLE]: 503,
  [status.DATA_LOSS]: 500,
  [status.UNAUTHENTICATED]: 401,
};

/** The HTTP status that an error is answered with: that of its code, always. */
export const httpStatus = (error: MusubiError): number => httpStatusOf(error.told.code);

/** The HTTP status that a code is answered with. */
export function httpStatusOf(code: ProblemCode): number {
  const { http, status: name } = problemKind(code);
  return http ?? HTTP_STATUS[status[name]];
}

/** `Retry-After`: what the error says, otherwise a second where the status asks for one. */
export function retryAfterOf(error: MusubiError): Record<string, string> {
  const code = httpStatus(error);
  const seconds = error.retryAfterSeconds ?? (code === 503 || code === 429 ? 1 : undefined);
  return seconds === undefined ? {} : { 'Retry-After': String(seconds) };
}

/** What stands at the `type` of a problem: what it means, and what to do about it. */
export function kindDocument(code: ProblemCode) {
  const { meaning, remedy = '' } = problemKind(code);
  return { type: problemType(code), code, title: problemTitle(code), status: httpStatusOf(code), meaning, remedy };
}

/** What an RFC 9457 problem of ours says. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ProblemCode;
  errors: { in: FieldPlace; field: string; code: FieldCode; message: string }[];
  traceId: string;
}

/** Where the request has a field that a service names. */
export type Locate = (field: string) => { in: FieldPlace; field: string };
const inBody: Locate = (field) => ({ in: 'body', field });

/** The document that tells a client of an error. Nothing of the inside (addresses, causes, stacks) is in it. */
export function problemDocument(error: MusubiError, traceId: string, locate = inBody): ProblemDocument {
  const { code, message } = error.told;
  return {
    type: problemType(code),
    title: problemTitle(code),
    status: httpStatusOf(code),
    detail: message,
    code,
    errors: error.fields.map(({ in: place, field, code: kind = 'INVALID', message: text }) => ({
      ...(place ? { in: place, field } : locate(field)),
      code: kind,
      message: text,
    })),
    traceId,
  };
}
