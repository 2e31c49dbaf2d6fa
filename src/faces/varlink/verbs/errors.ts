import { type ErrorKind, isOnecopyError } from '#base/errors';
import type { VarlinkMember } from '#formats/varlink';
import { CallError } from '../serve/service.ts';

/** The error of an interface for each kind of error, with advice for the client. */
const ERRORS: Readonly<Record<ErrorKind | 'internal', readonly [name: string, says: string]>> = {
  'not-found': ['NotFound', 'Something that the call names does not exist.'],
  conflict: ['Conflict', 'Something exists that must not, or differs from what the call asks for.'],
  integrity: ['Corrupt', 'Bytes do not have the digest that they must have.'],
  format: ['Malformed', 'Some input violates its format.'],
  unsupported: ['Unsupported', 'This host or this version cannot do it.'],
  busy: ['Busy', 'Another process uses it.'],
  transport: ['Network', 'A server could not be reached, or refused.'],
  host: ['Host', 'A system call failed.'],
  usage: ['Refused', 'The parameters do not fit together.'],
  internal: ['Internal', 'The service made a mistake.'],
};

/** The descriptions of the errors. Codes and details are those of `onecopy --json`. */
export function errorMembers(): VarlinkMember[] {
  const string = { kind: 'string' } as const;
  const fields = [
    { name: 'code', type: string },
    { name: 'message', type: string },
    { name: 'hint', type: { kind: 'optional', of: string } },
    { name: 'details', type: { kind: 'object' } },
  ] as const;
  return Object.values(ERRORS).map(([name, says]) => ({
    kind: 'error',
    name,
    comment: [says],
    parameters: { kind: 'struct', fields },
  }));
}

/** Parameters by the option of the command line that has the same meaning, for example `minSizeBytes` for `--min-size`. */
export type ParameterNames = ReadonlyMap<string, string>;

/**
 * Converts a thrown value to an error of an interface.
 * @param names how options that a message or a hint mentions are called here
 */
export function explainBy(
  interfaceName: string,
  error: unknown,
  names: ParameterNames = new Map(),
): CallError {
  const spelled = (text: string) =>
    text.replace(/(?<![\w-])--[a-z][\w.-]*\w/g, (option) => names.get(option) ?? option);
  if (!isOnecopyError(error)) {
    const message = error instanceof Error ? error.message : String(error);
    const parameters = { code: 'INTERNAL', message, hint: null, details: {} };
    return new CallError(`${interfaceName}.${ERRORS.internal[0]}`, parameters);
  }
  const { code, details, kind } = error;
  const message = spelled(error.message);
  const hint = error.hint === undefined ? null : spelled(error.hint);
  return new CallError(`${interfaceName}.${ERRORS[kind][0]}`, { code, message, hint, details });
}
