import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { BadRequest, ErrorInfo, RetryInfo } from '#proto/google/rpc/error_details.ts';
import { Status } from '#proto/google/rpc/status.ts';
import { type FieldViolation, MusubiError } from '../errors.ts';
import { isFieldCode, knownCode } from '../problems.ts';

/** The metadata key of gRPC's richer error model (https://grpc.io/docs/guides/error/#richer-error-model). */
const DETAILS = 'grpc-status-details-bin';
const DOMAIN = 'musubi';
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';
const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

/** Characters and fields that trailers are sure to hold: those with more would break the connection, for all calls on it. */
const LONGEST = { message: 1_000, field: 100, description: 200, fields: 50 };

const shortened = (text: string, longest: number): string => (text.length > longest ? `${text.slice(0, longest - 1)}…` : text);

/** A MusubiError as a gRPC status with ErrorInfo, BadRequest and RetryInfo details. Its cause stays here, and so does what is too long. */
export function toServiceError(error: MusubiError): Pick<ServiceError, 'code' | 'details' | 'metadata'> {
  const details = [
    { typeUrl: ERROR_INFO, value: Buffer.from(ErrorInfo.encode({ reason: error.code, domain: DOMAIN, metadata: {} }).finish()) },
  ];
  if (error.fields.length > 0) {
    const fieldViolations = error.fields.slice(0, LONGEST.fields).map(({ field, message, code }) => ({
      field: shortened(field, LONGEST.field),
      description: shortened(message, LONGEST.description),
      reason: code ?? '',
      localizedMessage: undefined,
    }));
    details.push({ typeUrl: BAD_REQUEST, value: Buffer.from(BadRequest.encode({ fieldViolations }).finish()) });
  }
  if (error.retryAfterSeconds !== undefined) {
    const retryDelay = { seconds: error.retryAfterSeconds, nanos: 0 };
    details.push({ typeUrl: RETRY_INFO, value: Buffer.from(RetryInfo.encode({ retryDelay }).finish()) });
  }
  const message = shortened(error.message, LONGEST.message);
  const metadata = new Metadata();
  metadata.set(DETAILS, Buffer.from(Status.encode({ code: error.grpcStatus, message, details }).finish()));
  return { code: error.grpcStatus, details: message, metadata };
}

/** The error that a gRPC call failed with; the reverse of {@link toServiceError}. */
export function fromServiceError(error: ServiceError): MusubiError {
  const raw = error.metadata?.get(DETAILS)[0];
  let code: string | undefined;
  let fields: FieldViolation[] = [];
  let retryAfterSeconds: number | undefined;
  if (Buffer.isBuffer(raw)) {
    for (const detail of Status.decode(raw).details) {
      if (detail.typeUrl === ERROR_INFO) code = ErrorInfo.decode(detail.value).reason;
      if (detail.typeUrl === BAD_REQUEST) {
        fields = BadRequest.decode(detail.value).fieldViolations.map(({ field, description, reason }) => ({
          field,
          message: description,
          ...(isFieldCode(reason) ? { code: reason } : {}),
        }));
      }
      if (detail.typeUrl === RETRY_INFO) retryAfterSeconds = RetryInfo.decode(detail.value).retryDelay?.seconds;
    }
  }
  // Without details the status was made by gRPC itself: a deadline, a lost connection, an unknown method.
  const grpcStatus = code === undefined && isCutOff(error) ? status.UNAVAILABLE : error.code;
  return new MusubiError(grpcStatus, knownCode(code ?? '', status[grpcStatus] ?? ''), error.details || error.message, {
    fields,
    retryAfterSeconds,
    forOperators: code === undefined,
    cause: error,
  });
}

/**
 * Whether the stream of a call was ended before an answer came, as by a server whose deadline is over a moment before the caller's.
 * grpc-js (1.14) calls that INTERNAL, which would be a defect of who was called.
 */
const isCutOff = ({ code, details }: ServiceError): boolean =>
  code === status.INTERNAL && details?.startsWith('Received RST_STREAM') === true;
