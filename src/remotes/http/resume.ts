import { isRetryable, transportError } from './errors.ts';
import type { HttpRequest } from './request.ts';
import { isRetryableStatus, type RetryPolicy, retryDelayMs, sleep } from './retry.ts';
import { drain, type RawResponse } from './transport.ts';

/** A response and its final URL, after redirects. */
export interface Answer {
  readonly response: RawResponse;
  readonly url: URL;
}

/** The part of a body that is still missing. */
export interface RestOfBody {
  readonly offset: number;
  /** Offset after the last byte; undefined if the size of the body is not known. */
  readonly end: number | undefined;
  /** Strong ETag of the copy that the first bytes came from. */
  readonly etag?: string | undefined;
  /** Origin of this ETag, which is meaningless for other origins. */
  readonly origin: string;
}

/** State for resuming a body after a break. */
export interface ResumePlan {
  readonly request: HttpRequest;
  readonly first: Answer;
  readonly policy: RetryPolicy;
  /** Sends the request again, to its original URL. */
  again(more: { readonly rest?: RestOfBody }): Promise<Answer>;
}

/** True if the target of a redirect refused access: its signed link has expired, and the original host can supply a new one. */
export function isExpiredLink(asked: URL, { response, url }: Answer): boolean {
  return url.origin !== asked.origin && [400, 401, 403, 404, 410].includes(response.status);
}

/**
 * The body of a response, or its requested range, which survives broken connections. The rest is requested by a closed range if the size is
 * known (some servers refuse open ranges), with the validator of the first response, or without one if the request states that the bytes
 * are immutable. The count of attempts restarts after every byte of progress.
 * @throws TransportError RANGE_MISMATCH; as the client, after the last attempt, or if the server does not allow resuming
 */
export async function* resumable(plan: ResumePlan): AsyncGenerator<Uint8Array> {
  const end = endOf(plan);
  let offset = plan.request.range?.offset ?? 0;
  let failures = 0;
  let answer: Answer | undefined = plan.first;
  let mayRange = true;
  while (end === undefined || offset < end || answer !== undefined) {
    try {
      answer ??= await reopen(plan, { offset, end }, mayRange);
      for await (const piece of bytesFrom(plan, answer, { offset, end })) {
        offset += piece.length;
        failures = 0;
        yield piece;
      }
      answer = undefined;
      if (end === undefined) return;
      if (offset < end) throw endedEarly(plan, offset, end);
    } catch (error) {
      if (!isRetryable(error) || !canResume(plan)) throw error;
      if (++failures >= plan.policy.attempts) throw error;
      if (error.details['status'] === 416) mayRange = false;
      answer = undefined;
      await sleep(retryDelayMs(plan.policy, failures + 1, undefined), plan.request.signal);
    }
  }
}

/** Bytes of a body, from `offset` up to `end`. */
interface Span {
  readonly offset: number;
  readonly end: number | undefined;
}

/** Offset after the last requested byte, if known. */
function endOf({ request, first }: ResumePlan): number | undefined {
  const { range } = request;
  if (range !== undefined) return range.offset + range.length;
  return first.response.status === 200 ? first.response.sizeBytes : undefined;
}

function canResume({ request, first: { response } }: ResumePlan): boolean {
  if (request.range !== undefined) return true;
  if (request.content !== undefined || response.status !== 200) return false;
  return request.immutable === true || validatorOf(response) !== undefined;
}

/** A strong ETag, the only validator that promises equal bytes. */
function validatorOf(response: RawResponse): string | undefined {
  const etag = response.headers.get('etag');
  return etag === undefined || etag.startsWith('W/') ? undefined : etag;
}

async function reopen(plan: ResumePlan, span: Span, mayRange: boolean): Promise<Answer> {
  const { first, request } = plan;
  const etag = isImmutable(request) ? undefined : validatorOf(first.response);
  const rest = { ...span, etag, origin: first.url.origin };
  return await plan.again(mayRange ? { rest } : {});
}

/** Ranges are requested only of immutable bytes. */
function isImmutable(request: HttpRequest): boolean {
  return request.immutable === true || request.range !== undefined;
}

/** The requested bytes of a response, which may contain more. */
async function* bytesFrom(
  plan: ResumePlan,
  answer: Answer,
  span: Span,
): AsyncGenerator<Uint8Array> {
  const { response } = answer;
  if (answer === plan.first && plan.request.range === undefined) return yield* piecesOf(response);
  if (response.status === 206) {
    requireRange(plan, response, span);
    yield* within(response, 0, span);
  } else if (response.status === 200 && isSame(plan, response)) {
    plan.request.onSkipped?.(span.offset);
    yield* within(response, span.offset, span);
  } else throw await refusal(plan, answer, span);
}

/** Drops the first `skip` bytes of a body and what comes after the end. */
async function* within(
  response: RawResponse,
  skip: number,
  { offset, end }: Span,
): AsyncGenerator<Uint8Array> {
  let toSkip = skip;
  let left = end === undefined ? Number.POSITIVE_INFINITY : end - offset;
  for await (const piece of piecesOf(response)) {
    const wanted = piece.subarray(Math.min(toSkip, piece.length)).subarray(0, left);
    toSkip -= Math.min(toSkip, piece.length);
    left -= wanted.length;
    if (wanted.length > 0) yield wanted;
    if (left === 0) return;
  }
}

async function* piecesOf(response: RawResponse): AsyncGenerator<Uint8Array> {
  if (response.body instanceof Uint8Array) yield response.body;
  else yield* response.body;
}

function isSame(plan: ResumePlan, response: RawResponse): boolean {
  if (isImmutable(plan.request)) return true;
  const before = validatorOf(plan.first.response);
  return before !== undefined && before === validatorOf(response);
}

/** @throws TransportError RANGE_MISMATCH if a 206 does not state the requested start, or another total size */
function requireRange(plan: ResumePlan, response: RawResponse, span: Span): void {
  const found = response.headers.get('content-range') ?? 'none';
  const [, first, last, total] = /^bytes ([0-9]+)-([0-9]+)\/([0-9]+|\*)$/.exec(found) ?? [];
  const size = plan.request.range?.of ?? (plan.request.range === undefined ? span.end : undefined);
  const fits =
    Number(first) === span.offset &&
    Number(last) >= span.offset &&
    (total === '*' || size === undefined || Number(total) === size);
  if (!fits) throw mismatch(plan, `bytes ${span.offset}-/${size ?? '*'}`, found);
}

async function refusal(plan: ResumePlan, answer: Answer, { offset }: Span): Promise<Error> {
  const { response, url } = answer;
  const { status } = response;
  await drain(response);
  const found = response.headers.get('content-range');
  const [, total] = /^bytes \*\/([0-9]+)$/.exec(found ?? '') ?? [];
  const size = plan.request.range?.of;
  if (status === 416 && total !== undefined && size !== undefined && Number(total) !== size) {
    return mismatch(plan, `a body of ${size} bytes`, `one of ${total}`);
  }
  const retryable =
    status === 416 || isRetryableStatus(status) || isExpiredLink(new URL(plan.request.url), answer);
  return transportError(
    'HTTP_STATUS',
    { url: url.href, method: plan.request.method ?? 'GET' },
    `the server answered ${status} when asked for the bytes from ${offset}`,
    { retryable, details: { status, offset } },
  );
}

function mismatch(plan: ResumePlan, expected: string, found: string): Error {
  const context = { url: new URL(plan.request.url).href, method: plan.request.method ?? 'GET' };
  const problem = `expected ${expected}, found ${found}`;
  return transportError('RANGE_MISMATCH', context, problem, {
    retryable: false,
    details: { expected, found },
  });
}

function endedEarly(plan: ResumePlan, offset: number, end: number): Error {
  const context = { url: new URL(plan.request.url).href, method: plan.request.method ?? 'GET' };
  const problem = `the body ended at byte ${offset} of ${end}`;
  return transportError('CONNECTION_LOST', context, problem, {
    retryable: true,
    details: { reason: 'closed', offset },
  });
}
