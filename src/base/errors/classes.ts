import {
  type CodeOf,
  type DetailsOf,
  ERROR_CODES,
  type ErrorCode,
  type ErrorKind,
} from './codes.ts';

const BRAND = Symbol.for('onecopy.error');

/** Options of every constructor, beside code, message and details. */
export interface ErrorExtras {
  /** The error below this one; shown as a `cause:` line. */
  readonly cause?: unknown;
  /** One sentence that tells the user what to do. */
  readonly hint?: string;
}

const EXIT_BY_KIND: Record<ErrorKind, number> = {
  'not-found': 4,
  conflict: 5,
  integrity: 6,
  format: 7,
  unsupported: 8,
  busy: 9,
  transport: 10,
  host: 11,
  usage: 2,
};

/** Exit status for system calls that fail because of a path of the user: it is missing, exists already, or is in use. */
const EXIT_BY_ERRNO: Readonly<Record<string, number>> = {
  ENOENT: EXIT_BY_KIND['not-found'],
  ENOTDIR: EXIT_BY_KIND['not-found'],
  EEXIST: EXIT_BY_KIND.conflict,
  EBUSY: EXIT_BY_KIND.busy,
  ETXTBSY: EXIT_BY_KIND.busy,
};

/**
 * Base of every error that this library throws on purpose. A bug is an `assert` failure and never one of these.
 * Message grammar: "Cannot read object 4e67: expected 4096 bytes, found 1024" (upper-case start, no full stop).
 */
export abstract class OnecopyError extends Error {
  abstract readonly kind: ErrorKind;
  readonly code: ErrorCode;
  readonly details: { readonly [key: string]: unknown };
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: object, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = details as { readonly [key: string]: unknown };
    this.hint = extras.hint;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Exit status of the command line for this error (cli: 2, 4 to 14). For a failed system call, the status depends on errno. */
  get exitCode(): number {
    const entry: { kind: ErrorKind; exit?: number } = ERROR_CODES[this.code];
    const byErrno =
      entry.kind === 'host' ? EXIT_BY_ERRNO[String(this.details['errno'])] : undefined;
    return entry.exit ?? byErrno ?? EXIT_BY_KIND[entry.kind];
  }
}

/** True for errors of this library, also of another loaded copy of it. */
export function isOnecopyError(value: unknown): value is OnecopyError {
  return value instanceof Error && BRAND in value;
}

/** True when `value` is an error of this library with this code. */
export function hasCode<C extends ErrorCode>(value: unknown, code: C): value is OnecopyError {
  return isOnecopyError(value) && value.code === code;
}

/** The requested name does not exist: choose another. */
export class NotFoundError<
  C extends CodeOf<'not-found'> = CodeOf<'not-found'>,
> extends OnecopyError {
  readonly kind = 'not-found';
  constructor(code: C, message: string, details: DetailsOf<C>, extras?: ErrorExtras) {
    super(code, message, details, extras);
  }
}

/** The target already exists: rename, or accept it. */
export class ConflictError<C extends CodeOf<'conflict'> = CodeOf<'conflict'>> extends OnecopyError {
  readonly kind = 'conflict';
  constructor(code: C, message: string, details: DetailsOf<C>, extras?: ErrorExtras) {
    super(code, message, details, extras);
  }
}

/** Bytes do not match their digest: distrust the source, run fsck. */
export class IntegrityError<
  C extends CodeOf<'integrity'> = CodeOf<'integrity'>,
> extends OnecopyError {
  readonly kind = 'integrity';
  constructor(code: C, message: string, details: DetailsOf<C>, extras?: ErrorExtras) {
    super(code, message, details, extras);
  }
}

/** The input violates its format: reject it. */
export class FormatError<C extends CodeOf<'format'> = CodeOf<'format'>> extends OnecopyError {
  readonly kind = 'format';
  constructor(code: C, message: string, details: DetailsOf<C>, extras?: ErrorExtras) {
    super(code, message, details, extras);
  }
}

/** This host, kernel or version does not support the operation: use another one, or another option. */
export class UnsupportedError<
  C extends CodeOf<'unsupported'> = CodeOf<'unsupported'>,
> extends OnecopyError {
  readonly kind = 'unsupported';
  constructor(code: C, message: string, details: DetailsOf<C>, extras?: ErrorExtras) {
    super(code, message, details, extras);
  }
}

/** Another process holds the lock: wait, or stop that process. */
export class BusyError<C extends CodeOf<'busy'> = CodeOf<'busy'>> extends OnecopyError {
  readonly kind = 'busy';
  constructor(code: C, message: string, details: DetailsOf<C>, extras?: ErrorExtras) {
    super(code, message, details, extras);
  }
}

/** The network or the peer failed: retry if `details.retryable`. */
export class TransportError<
  C extends CodeOf<'transport'> = CodeOf<'transport'>,
> extends OnecopyError {
  readonly kind = 'transport';
  constructor(code: C, message: string, details: DetailsOf<C>, extras?: ErrorExtras) {
    super(code, message, details, extras);
  }
}

/** The request itself is invalid: change it. The only class with a single code. */
export class UsageError extends OnecopyError {
  readonly kind = 'usage';
  constructor(message: string, hint?: string, extras: Pick<ErrorExtras, 'cause'> = {}) {
    super('USAGE', message, {}, { ...extras, ...(hint === undefined ? {} : { hint }) });
  }
}

/** A system call failed: fix the host. `details` holds errno, syscall and target. */
export class HostError<C extends CodeOf<'host'> = CodeOf<'host'>> extends OnecopyError {
  readonly kind = 'host';
  constructor(code: C, message: string, details: DetailsOf<C>, extras?: ErrorExtras) {
    super(code, message, details, extras);
  }
}
