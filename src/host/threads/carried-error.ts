import {
  BusyError,
  ConflictError,
  ERROR_CODES,
  type ErrorCode,
  type ErrorKind,
  FormatError,
  HostError,
  IntegrityError,
  isOnecopyError,
  NotFoundError,
  type OnecopyError,
  TransportError,
  UnsupportedError,
  UsageError,
} from '#base/errors';

/** Longest cause chain that is carried. */
const CAUSES_MAX = 8;

/** An error as plain data (JSON-safe), so that it can cross threads and keep its class, code, details, hint and causes. */
export interface CarriedError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** Set for errors of this project. */
  readonly code?: ErrorCode;
  readonly details?: { readonly [key: string]: unknown };
  readonly hint?: string;
  readonly cause?: CarriedError;
}

/** The plain form of any thrown value. */
export function carryError(error: unknown, depth = 0): CarriedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const cause = error.cause;
  return {
    name: error.name,
    message: error.message,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...(isOnecopyError(error) ? { code: error.code, details: error.details } : {}),
    ...(isOnecopyError(error) && error.hint !== undefined ? { hint: error.hint } : {}),
    ...(cause === undefined || depth >= CAUSES_MAX ? {} : { cause: carryError(cause, depth + 1) }),
  };
}

type AnyErrorClass = new (
  code: never,
  message: string,
  details: never,
  extras: { cause?: unknown; hint?: string },
) => OnecopyError;

const CLASS_BY_KIND: Record<Exclude<ErrorKind, 'usage'>, AnyErrorClass> = {
  'not-found': NotFoundError,
  conflict: ConflictError,
  integrity: IntegrityError,
  format: FormatError,
  unsupported: UnsupportedError,
  busy: BusyError,
  transport: TransportError,
  host: HostError,
};

/**
 * Rebuilds the error: a class of this library if it had one of its codes, otherwise an Error of the same name. The stack is the original
 * one.
 */
export function reviveError(carried: CarriedError): Error {
  const cause = carried.cause === undefined ? undefined : reviveError(carried.cause);
  const error = reviveClass(carried, cause);
  if (carried.stack !== undefined) {
    Object.defineProperty(error, 'stack', { value: carried.stack, configurable: true });
  }
  return error;
}

function reviveClass(carried: CarriedError, cause: Error | undefined): Error {
  const extras = {
    ...(cause === undefined ? {} : { cause }),
    ...(carried.hint === undefined ? {} : { hint: carried.hint }),
  };
  if (carried.code !== undefined && carried.code in ERROR_CODES) {
    const kind: ErrorKind = ERROR_CODES[carried.code].kind;
    if (kind === 'usage') return new UsageError(carried.message, carried.hint, extras);
    const Class = CLASS_BY_KIND[kind];
    return new Class(
      carried.code as never,
      carried.message,
      (carried.details ?? {}) as never,
      extras,
    );
  }
  const error = new Error(carried.message, extras);
  error.name = carried.name;
  return error;
}
