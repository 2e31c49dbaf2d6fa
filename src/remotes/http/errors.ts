import { type CodeOf, type DetailsOf, TransportError } from '#base/errors';
import { MIN_BYTES_PER_SEC } from './progress.ts';
import { redactUrl } from './redact.ts';

/** Details of every transport error of this room. */
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

/** Creates a TransportError whose message and details never contain credentials or a query string. */
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

/** What timed out: the connection, the head, any byte, or the minimum data rate. */
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

/** The error for a body that exceeds its limit. */
export function tooLarge(context: TransportContext, limitBytes: number): TransportError {
  return transportError(
    'RESPONSE_TOO_LARGE',
    context,
    `the body is longer than ${limitBytes} bytes`,
    { retryable: false, details: { limitBytes } },
  );
}

/** True for a transport error after which the same request may succeed. */
export function isRetryable(error: unknown): error is TransportError {
  return error instanceof TransportError && error.details['retryable'] === true;
}

/** OpenSSL verification results and the host name check of Node, as in `error.code`. */
export function isTrustFailure(code: string): boolean {
  return /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/.test(
    code,
  );
}

/** System and TLS errors contain hosts and ports only; messages of HTTP libraries may repeat the URL, so they are truncated. */
function redactCause(cause: unknown): unknown {
  if (!(cause instanceof Error) || !/:\/\//.test(cause.message)) return cause;
  const clean = new Error(cause.message.replace(/\b[a-z][a-z0-9+.-]*:\/\/\S+/gi, redactUrl));
  clean.name = cause.name;
  return clean;
}
