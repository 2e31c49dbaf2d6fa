import type { HttpBytes, HttpRequest } from '#remotes/http';
import type { Conditional, Validators } from './remote-types.ts';

/** What a request says of the copy at hand. */
export function ifChangedSince(
  known: Validators | undefined,
): NonNullable<HttpRequest['ifChanged']> {
  return {
    ...(known?.etag === undefined ? {} : { etag: known.etag }),
    ...(known?.lastModified === undefined ? {} : { lastModified: known.lastModified }),
  };
}

/** What an answer of status 200 or 304 says of it. */
export function conditionalOf({ status, headers, body }: HttpBytes): Conditional {
  if (status === 304) return { isCurrent: true };
  const validators = { etag: headers.get('etag'), lastModified: headers.get('last-modified') };
  return { isCurrent: false, bytes: body, validators };
}
