import { status } from '@grpc/grpc-js';
import { MusubiError } from '../errors.ts';

/**
 * A message that breaks the contract: it does not parse, or is not what its schema says. Nothing but a change of its
 * readers makes it readable, so its group parks it. To be thrown by what reads a message, before it is acted upon, and
 * by nothing else: whatever a store or a peer says is waited for. Names fields, never what is in them.
 */
export class PoisonError extends MusubiError {
  constructor(message: string) {
    super(status.INVALID_ARGUMENT, 'INVALID_EVENT', message);
    this.name = 'PoisonError';
  }
}
