import type { HttpBytes, HttpRequest } from '#remotes/http';
import type { Conditional, Validators } from './remote-types.ts';

/** Headers of a request about a local copy. */
export function ifChangedSince(
  known: Validators | undefined,
): NonNullable<HttpRequest['ifChanged']> {
  return {
    ...(known?.etag === undefined ? {} : { etag: known.etag }),
    ...(known?.lastModified === undefined ? {} : { lastModified: known.lastModified }),
  };
}

/** The validators of a response with status 200 or 304. */
export function conditionalOf({ status, headers, body }: HttpBytes): Conditional {
  if (status === 304) return { isCurrent: true };
  const validators = { etag: headers.get('etag'), lastModified: headers.get('last-modified') };
  return { isCurrent: false, bytes: body, validators };
}
