import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { Caller, Callers, callerKeys, keyVariable, newCallerKeys } from './callers.ts';

// Two callers with keys, of whom `gateway` may call one method of one service.

const NAMES = ['gateway', 'sagas'];
export const MAY_CALL = new Map([[QueryServiceService.getMember.path, new Set(['gateway'])]]);

export const variables = newCallerKeys(NAMES);
export const privateKey = (name: string): string => variables[keyVariable(name)] ?? '';
export const keys = callerKeys().parse(variables.MUSUBI_CALLERS);
export const publicKey = (name: string): string => [...keys].find(([, whose]) => whose === name)?.[0] ?? '';
export const callers = (): Callers => new Callers('query', keys, MAY_CALL);
export const gateway = new Caller('gateway', privateKey('gateway'));
