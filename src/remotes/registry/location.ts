import type { HttpBytes } from '#remotes/http';
import { brokenAnswer } from './problem.ts';

/** Longest URL of a registry, in bytes. */
const LOCATION_MAX_BYTES = 8_192;

/**
 * The URL in a response for the next request of an upload. It is opaque and used without normalisation. A URL of the same host keeps the
 * scheme of the request: a registry behind a TLS proxy may write `http://`.
 * @throws TransportError REGISTRY_ANSWER_INVALID
 */
export function locationOf(answer: Pick<HttpBytes, 'headers' | 'url'>, method: string): URL {
  const text = answer.headers.get('location');
  const where = { url: answer.url, method };
  if (text === undefined) throw brokenAnswer(where, 'a location', 'none');
  const isSound =
    text.length <= LOCATION_MAX_BYTES &&
    !/[^!-~\x80-\xff]/.test(text) &&
    URL.canParse(text, answer.url);
  if (!isSound) throw brokenAnswer(where, 'a URL as location', text);
  const from = new URL(answer.url);
  const target = new URL(text, from);
  if (target.protocol !== 'http:' && target.protocol !== 'https:') {
    throw brokenAnswer(where, 'a location with http or https', target.protocol);
  }
  if (target.username !== '' || target.password !== '') {
    throw brokenAnswer(where, 'a location without a user', 'one with a user');
  }
  if (target.hostname === from.hostname && isDowngrade(from, target)) {
    target.protocol = 'https:';
    if (target.port === '') target.port = from.port;
  }
  return target;
}

function isDowngrade(from: URL, target: URL): boolean {
  return from.protocol === 'https:' && target.protocol === 'http:';
}

/** The location with the digest that closes an upload. */
export function closing(location: URL, digest: string): URL {
  const joint = location.search === '' ? '?' : '&';
  return new URL(`${location.href}${joint}digest=${encodeURIComponent(digest)}`);
}
