import { type CodeOf, type DetailsOf, TransportError } from '#base/errors';
import { MIN_BYTES_PER_SEC } from './progress.ts';
import { redactUrl } from './redact.ts';

/** What every transport error of this room says beside its sentence. */
export interface TransportContext {
  readonly url: string;
  readonly method: string;
}

/** Options of `transportError`. */
export interface TransportExtras {
  /** True when the same request may succeed later; drives the retry loop. */
  readonly retryable: boolean;
  readonly cause?: unknown;
  readonly hint?: string;
  readonly details?: { readonly [key: string]: string | number | boolean | null };
}

/** Builds a TransportError whose sentence and details never hold credentials or a query string. */
export function transportError<C extends CodeOf<'transport'>>(
  code: C,
  context: TransportContext,
  problem: string,
  extras: TransportExtras,
): TransportError {
  const url = redactUrl(context.url);
  return new TransportError(
    code as CodeOf<'transport'>,
    `Cannot fetch ${url}: ${problem}`,
    {
      url,
      method: context.method,
      retryable: extras.retryable,
      ...extras.details,
    } as unknown as DetailsOf<CodeOf<'transport'>>,
    {
      ...(extras.cause === undefined ? {} : { cause: redactCause(extras.cause) }),
      ...(extras.hint === undefined ? {} : { hint: extras.hint }),
    },
  );
}

/** What a peer failed to send in time: a connection, a head, any byte, or bytes at a bearable pace. */
export type Missing = 'connection' | 'head' | 'data' | 'progress';

/** The error for a peer that makes no progress. */
export function timeOutError(
  context: TransportContext,
  missing: Missing,
  waitedMs: number,
): TransportError {
  const waited = Math.round(waitedMs);
  const problem =
    missing === 'progress'
      ? `less than ${MIN_BYTES_PER_SEC} bytes a second for ${waited} ms`
      : `no ${missing} for ${waited} ms`;
  return transportError('TIMEOUT', context, problem, {
    retryable: true,
    details: { missing, waitedMs: waited },
  });
}

/** The error for a body that is longer than its bound. */
export function tooLarge(context: TransportContext, limitBytes: number): TransportError {
  return transportError(
    'RESPONSE_TOO_LARGE',
    context,
    `the body is longer than ${limitBytes} bytes`,
    { retryable: false, details: { limitBytes } },
  );
}

/** True for a transport error that the same request may not meet again. */
export function isRetryable(error: unknown): error is TransportError {
  return error instanceof TransportError && error.details['retryable'] === true;
}

/** OpenSSL verification results and Node's host name check, as they stand in `error.code`. */
export function isTrustFailure(code: string): boolean {
  return /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/.test(
    code,
  );
}

/** System and TLS errors name hosts and ports only; messages of HTTP libraries may repeat the URL, so those are cut. */
function redactCause(cause: unknown): unknown {
  if (!(cause instanceof Error) || !/:\/\//.test(cause.message)) return cause;
  const clean = new Error(cause.message.replace(/\b[a-z][a-z0-9+.-]*:\/\/\S+/gi, redactUrl));
  clean.name = cause.name;
  return clean;
}
