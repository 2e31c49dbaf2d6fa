import type { TransportError } from '#base/errors';
import { type HttpBytes, transportError } from '#remotes/http';
import { PROBLEM_MAX_CHARS } from './layout.ts';

/** What a registry says about why it refused. */
export interface Problem {
  /** Codes of the distribution specification, as sent: `MANIFEST_UNKNOWN`, `DENIED`, … */
  readonly codes: readonly string[];
  /** Its own words, shortened and without control characters; empty when it gave none that can be shown. */
  readonly text: string;
}

/** Reads the page of a refusal: `{"errors":[{"code","message"}]}`, `{"details"}` of token servers, or anything else, which says nothing. */
export function readProblem(page: Uint8Array): Problem {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(page).toString('utf8'));
  } catch {
    // HTML or plain text: the status has to do.
    return { codes: [], text: '' };
  }
  const { errors, details } = recordOf(document);
  const list = (Array.isArray(errors) ? errors : []).slice(0, 8).map(recordOf);
  const codes = list.map(({ code }) => code).filter((code) => typeof code === 'string');
  const texts = list.map(({ code, message }) => [code, message].filter(isText).join(': '));
  if (typeof details === 'string') texts.push(details);
  return { codes: codes.map((code) => clean(code)), text: clean(texts.join('; ')) };
}

/** What `refusalOf` says beside the answer. */
export interface RefusalContext {
  readonly method: string;
  /** `logged in by X` or `nobody is logged in`. */
  readonly who: string;
  /** What was done, as in `push layer`. */
  readonly attempts: number;
  /** The endpoint as `login` takes it. */
  readonly registry: string;
}

/** The error for an answer that is final: HTTP_DENIED, RATE_LIMITED or HTTP_STATUS, with the words of the registry. */
export function refusalOf(answer: HttpBytes, context: RefusalContext): TransportError {
  const { status } = answer;
  const { codes, text } = readProblem(answer.body);
  const words = text === '' ? '' : `: "${text}"`;
  const { attempts, registry, who } = context;
  const where = { url: answer.url, method: context.method };
  const details = { status, attempts, codes: codes.join(' ') };
  if (status === 401 || status === 403) {
    const problem = `the registry refused access (${status}; ${who})${words}`;
    const hint = `Run \`onecopy login ${registry}\` with an account that may do this`;
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

/** The error for an answer that breaks the protocol of registries. @param expected what it should have been */
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

/** Refuses a body that was changed on the way: digests and ranges are those of the bytes as stored. */
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
