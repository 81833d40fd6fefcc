import { status } from '@grpc/grpc-js';
import { MusubiError } from '../errors.ts';

/**
 * A message that breaks the contract: it does not parse, or is not what its schema says. Nothing but a change of its
 * readers makes it readable, so its group parks it. To be thrown only by what reads a message, before it is acted upon:
 * any failure of a store or a peer is waited for. Names fields, never what is in them.
 */
export class PoisonError extends MusubiError {
  constructor(message: string) {
    super(status.INVALID_ARGUMENT, 'INVALID_EVENT', message);
    this.name = 'PoisonError';
  }
}
