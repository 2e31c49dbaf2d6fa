import type { TransportError } from '#base/errors';
import { isRetryable, transportError } from './errors.ts';
import type { HttpRequest } from './request.ts';
import { isRetryableStatus, type RetryPolicy, retryDelayMs, sleep } from './retry.ts';
import { drain, type RawResponse } from './transport.ts';

/** A response and the URL, after redirects, that gave it. */
export interface Answer {
  readonly response: RawResponse;
  readonly url: URL;
}

/** The part of a body that is still wanted. */
export interface RestOfBody {
  readonly offset: number;
  /** Strong ETag of the copy that the first bytes came from. */
  readonly etag?: string | undefined;
  /** Origin that gave this ETag: it means nothing to another. */
  readonly origin: string;
}

/** What is needed to go on with a body after a break. */
export interface ResumePlan {
  readonly request: HttpRequest;
  readonly first: Answer;
  readonly policy: RetryPolicy;
  /** Sends the request once more, from its original URL on. */
  again(more: { readonly rest: RestOfBody }): Promise<Answer>;
}

/**
 * True when another host than the one asked first refused: its link, signed for a time, has expired, and only the first
 * can give another.
 */
export function isExpiredLink(asked: URL, { response, url }: Answer): boolean {
  return url.origin !== asked.origin && [400, 401, 403, 404, 410].includes(response.status);
}

/**
 * The body of a response that survives broken connections: the rest is asked for by range, guarded by the validator of
 * the first answer, or without one when the request says that the bytes are immutable. The attempts count from zero
 * after every byte of progress.
 * @throws TransportError as the client, once the policy gives up or the server offers no way to go on
 */
export async function* resumable(plan: ResumePlan): AsyncGenerator<Uint8Array> {
  let offset = 0;
  let failures = 0;
  let response: RawResponse | undefined = plan.first.response;
  while (response !== undefined) {
    try {
      for await (const piece of piecesOf(response)) {
        offset += piece.length;
        failures = 0;
        yield piece;
      }
      return;
    } catch (error) {
      if (!isRetryable(error) || !canResume(plan)) throw error;
      response = undefined;
      let last: TransportError = error;
      while (response === undefined) {
        if (++failures >= plan.policy.attempts) throw last;
        await sleep(retryDelayMs(plan.policy, failures + 1, undefined), plan.request.signal);
        try {
          response = await reopen(plan, offset);
        } catch (next) {
          if (!isRetryable(next)) throw next;
          last = next;
        }
      }
    }
  }
}

async function* piecesOf(response: RawResponse): AsyncGenerator<Uint8Array> {
  if (response.body instanceof Uint8Array) yield response.body;
  else yield* response.body;
}

function canResume(plan: ResumePlan): boolean {
  if (plan.request.content !== undefined || plan.first.response.status !== 200) return false;
  return plan.request.immutable === true || validatorOf(plan.first.response) !== undefined;
}

/** A strong ETag, the only validator that promises equal bytes. */
function validatorOf(response: RawResponse): string | undefined {
  const etag = response.headers.get('etag');
  return etag === undefined || etag.startsWith('W/') ? undefined : etag;
}

async function reopen(plan: ResumePlan, offset: number): Promise<RawResponse> {
  const { first, request } = plan;
  const etag = validatorOf(first.response);
  const answer = await plan.again({ rest: { offset, etag, origin: first.url.origin } });
  const { response, url } = answer;
  if (response.status === 206 && rangeStart(response) === offset) return response;
  if (response.status === 200 && isSame(plan, response)) return skipFirst(response, offset);
  await drain(response);
  const retryable =
    isRetryableStatus(response.status) || isExpiredLink(new URL(request.url), answer);
  throw transportError(
    'HTTP_STATUS',
    { url: url.href, method: request.method ?? 'GET' },
    `the server answered ${response.status} when asked for the bytes from ${offset}`,
    { retryable, details: { status: response.status, offset } },
  );
}

function rangeStart(response: RawResponse): number | undefined {
  const match = /^bytes ([0-9]+)-[0-9]+\/(?:[0-9]+|\*)$/.exec(
    response.headers.get('content-range') ?? '',
  );
  return match === null ? undefined : Number(match[1]);
}

function isSame(plan: ResumePlan, response: RawResponse): boolean {
  const before = validatorOf(plan.first.response);
  return before === undefined ? plan.request.immutable === true : before === validatorOf(response);
}

/** The server sent everything again: the bytes already delivered are dropped. */
function skipFirst(response: RawResponse, count: number): RawResponse {
  const body = async function* (): AsyncGenerator<Uint8Array> {
    let left = count;
    for await (const piece of piecesOf(response)) {
      if (left >= piece.length) left -= piece.length;
      else {
        yield left === 0 ? piece : piece.subarray(left);
        left = 0;
      }
    }
  };
  return { ...response, body: body() };
}
