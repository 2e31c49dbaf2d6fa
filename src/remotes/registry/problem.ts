import type { TransportError } from '#base/errors';
import { type HttpBytes, transportError } from '#remotes/http';
import { PROBLEM_MAX_CHARS } from './layout.ts';

/** The reason of a registry for a refusal. */
export interface Problem {
  /** Codes of the distribution specification, as sent: `MANIFEST_UNKNOWN`, `DENIED`, … */
  readonly codes: readonly string[];
  /** Its message, truncated and without control characters; empty if there is none. */
  readonly text: string;
}

/**
 * Reads the page of a refusal: `{"errors":[{"code","message"}]}`, `{"details"}` of token servers, or any other content, which is ignored.
 */
export function readProblem(page: Uint8Array): Problem {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(page).toString('utf8'));
  } catch {
    // HTML or plain text: only the status is reported.
    return { codes: [], text: '' };
  }
  const { errors, details } = recordOf(document);
  const list = (Array.isArray(errors) ? errors : []).slice(0, 8).map(recordOf);
  const codes = list.map(({ code }) => code).filter((code) => typeof code === 'string');
  const texts = list.map(({ code, message }) => [code, message].filter(isText).join(': '));
  if (typeof details === 'string') texts.push(details);
  return { codes: codes.map((code) => clean(code)), text: clean(texts.join('; ')) };
}

/** Context of a refusal. */
export interface RefusalContext {
  readonly method: string;
  /** `logged in by X` or `nobody is logged in`. */
  readonly who: string;
  /** What was done, as in `push layer`. */
  readonly attempts: number;
  /** The endpoint as `login` takes it. */
  readonly registry: string;
}

/** The error for a final response: HTTP_DENIED, RATE_LIMITED or HTTP_STATUS, with the message of the registry. */
export function refusalOf(answer: HttpBytes, context: RefusalContext): TransportError {
  const { status } = answer;
  const { codes, text } = readProblem(answer.body);
  const words = text === '' ? '' : `: "${text}"`;
  const { attempts, registry, who } = context;
  const where = { url: answer.url, method: context.method };
  const details = { status, attempts, codes: codes.join(' ') };
  if (status === 401 || status === 403) {
    const problem = `the registry refused access (${status}; ${who})${words}`;
    const hint = /the login$|--creds$/.test(who)
      ? 'Check the user name and the password'
      : `Run \`onecopy login --username NAME --password-stdin ${registry}\` with an account that may do this`;
    return transportError('HTTP_DENIED', where, problem, { retryable: false, details, hint });
  }
  if (status === 429) {
    const problem = `the registry asks to slow down (429)${words}`;
    return transportError('RATE_LIMITED', where, problem, { retryable: true, details });
  }
  const retryable = status >= 500 && status !== 501;
  const tries = attempts > 1 ? ` in ${attempts} attempts` : '';
  const problem = `the registry answered ${status}${tries}${words}`;
  return transportError('HTTP_STATUS', where, problem, { retryable, details });
}

/** The error for a response that violates the distribution specification. @param expected the expected response */
export function brokenAnswer(
  where: { readonly url: string; readonly method: string },
  expected: string,
  found: string,
): TransportError {
  const shown = clean(found);
  return transportError('REGISTRY_ANSWER_INVALID', where, `expected ${expected}, found ${shown}`, {
    retryable: false,
    details: { expected, found: shown },
  });
}

/** Refuses an encoded body: digests and ranges apply to the stored bytes. */
export function requireIdentity(answer: Pick<HttpBytes, 'headers' | 'url'>, method: string): void {
  const encoding = answer.headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity') {
    throw brokenAnswer({ url: answer.url, method }, 'no content-encoding', `"${encoding}"`);
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function clean(text: string): string {
  const shown = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return shown.length > PROBLEM_MAX_CHARS ? `${shown.slice(0, PROBLEM_MAX_CHARS)}…` : shown;
}
