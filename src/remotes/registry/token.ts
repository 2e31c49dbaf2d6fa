import { type Credentials, isLoopbackHost } from '#formats/containers-config';
import { type HttpBytes, type HttpClient, requireReachable, transportError } from '#remotes/http';
import type { Challenge } from './challenge.ts';
import type { Endpoint } from './endpoint.ts';
import {
  TOKEN_ANSWER_MAX_BYTES,
  TOKEN_LIFE_MAX_SEC,
  TOKEN_LIFE_MIN_SEC,
  TOKEN_MAX_CHARS,
} from './layout.ts';
import { readProblem, refusalOf } from './problem.ts';
import { formatScopes, type Scopes } from './scope.ts';

/** A token and the time of its renewal, in milliseconds of `performance.now()`. */
export interface Token {
  readonly text: string;
  readonly renewAtMs: number;
}

/** A request for a token. */
export interface TokenRequest {
  readonly challenge: Challenge;
  readonly scopes: Scopes;
  readonly credentials: Credentials | undefined;
  /** Origin of the credentials, for messages. */
  readonly who: string;
  readonly endpoint: Endpoint;
  /** The URL of the registry that named the token server. */
  readonly namedBy: URL;
  readonly signal: AbortSignal | undefined;
}

/**
 * Requests a token: GET, with Basic if there is a password; POST with a refresh token. Source: Docker registry token authentication; OAuth2
 * variant of it.
 * @throws TransportError AUTH_CHALLENGE_UNUSABLE, AUTH_TOKEN_INVALID, HTTP_DENIED; as the HTTP client
 */
export async function fetchToken(http: HttpClient, request: TokenRequest): Promise<Token> {
  const realm = realmOf(request);
  const { credentials } = request;
  if (credentials?.kind === 'identity-token') {
    const answer = await exchange(http, request, realm, credentials.token);
    if (answer !== undefined) return readToken(answer);
    const { user = '', password = '' } = credentials;
    if (user === '' || password === '') {
      throw unusable(request, `${realm.origin} takes no identity tokens`);
    }
    return readToken(await ask(http, request, realm, { user, password }));
  }
  const pair = credentials?.kind === 'password' ? credentials : undefined;
  return readToken(await ask(http, request, realm, pair));
}

/** The URL of the token server, which receives the password and is therefore validated. */
function realmOf(request: TokenRequest): URL {
  const { challenge, endpoint, namedBy, credentials } = request;
  const text = challenge.parameters.get('realm');
  if (text === undefined || !URL.canParse(text)) {
    throw unusable(request, `expected an absolute URL as its realm, found "${text ?? ''}"`);
  }
  const realm = new URL(text);
  if (realm.protocol !== 'https:' && realm.protocol !== 'http:') {
    throw unusable(request, `expected a realm with http or https, found "${realm.protocol}"`);
  }
  if (realm.username !== '' || realm.password !== '') {
    throw unusable(request, 'the realm names a user');
  }
  requireReachable(namedBy, realm, 'GET');
  const bothHere = isLoopbackHost(endpoint.host) && isLoopbackHost(realm.host);
  if (realm.protocol === 'http:' && credentials !== undefined && !endpoint.insecure && !bothHere) {
    throw unusable(request, 'a password is not sent to a realm by plain HTTP');
  }
  return realm;
}

/** Asks by GET. */
async function ask(
  http: HttpClient,
  request: TokenRequest,
  realm: URL,
  pair: { readonly user: string; readonly password: string } | undefined,
): Promise<HttpBytes> {
  const url = new URL(realm);
  const { user = '', password = '' } = pair ?? {};
  if (user !== '') url.searchParams.append('account', user);
  const service = request.challenge.parameters.get('service') ?? '';
  if (service !== '') url.searchParams.append('service', service);
  for (const scope of formatScopes(request.scopes)) url.searchParams.append('scope', scope);
  const headers = user !== '' && password !== '' ? { authorization: basicOf(user, password) } : {};
  return await http.fetchBytes({
    url,
    headers,
    ...commonOf(request, 'GET'),
  });
}

/** Exchanges a refresh token by POST. @returns undefined if the server does not support it */
async function exchange(
  http: HttpClient,
  request: TokenRequest,
  url: URL,
  refreshToken: string,
): Promise<HttpBytes | undefined> {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    client_id: 'onecopy',
    service: request.challenge.parameters.get('service') ?? '',
    scope: formatScopes(request.scopes).join(' '),
  });
  const answer = await http.fetchBytes({
    url,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    content: Buffer.from(form.toString()),
    // The request is idempotent.
    attempts: 3,
    ...commonOf(request, 'POST'),
    accept: [200, 404, 405],
  });
  return answer.status === 200 ? answer : undefined;
}

function commonOf(request: TokenRequest, method: string) {
  const { endpoint, who, signal } = request;
  return {
    accept: [200],
    maxBytes: TOKEN_ANSWER_MAX_BYTES,
    // The password is sent only to the token server of the registry.
    staysHome: true,
    signal,
    onRefused: (answer: HttpBytes, attempts: number) => {
      const registry = endpoint.host;
      return refusalOf(answer, { method, who, attempts, registry });
    },
  };
}

function readToken(answer: HttpBytes): Token {
  const receivedMs = performance.now();
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(answer.body).toString('utf8'));
  } catch {
    throw invalidToken(answer, 'a JSON document', 'other bytes');
  }
  const fields = (document ?? {}) as Readonly<Record<string, unknown>>;
  const text = fields['token'] ?? fields['access_token'];
  if (typeof text !== 'string' || text === '') throw invalidToken(answer, 'a token', 'none');
  if (text.length > TOKEN_MAX_CHARS || !/^[\x21-\x7e]+$/.test(text)) {
    const found = `${text.length} characters, or other characters`;
    throw invalidToken(answer, `at most ${TOKEN_MAX_CHARS} visible ASCII characters`, found);
  }
  const lifeMs = 1000 * lifeSecOf(fields['expires_in']);
  // 10 s before its end, or at 90 % of its lifetime, whichever is later, by the local clock; issued_at is ignored.
  return { text, renewAtMs: receivedMs + Math.max(lifeMs - 10_000, lifeMs * 0.9) };
}

function lifeSecOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) return TOKEN_LIFE_MIN_SEC;
  return Math.min(TOKEN_LIFE_MAX_SEC, Math.max(TOKEN_LIFE_MIN_SEC, value));
}

/** The value of an Authorization header. */
export function basicOf(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function unusable(request: TokenRequest, reason: string) {
  const where = { url: request.namedBy.href, method: 'GET' };
  return transportError('AUTH_CHALLENGE_UNUSABLE', where, `its challenge is unusable: ${reason}`, {
    retryable: false,
    details: { reason },
  });
}

function invalidToken(answer: HttpBytes, expected: string, found: string) {
  const { text } = readProblem(answer.body);
  const words = text === '' ? '' : `: "${text}"`;
  const where = { url: answer.url, method: 'GET' };
  const problem = `expected ${expected}, found ${found}${words}`;
  return transportError('AUTH_TOKEN_INVALID', where, problem, {
    retryable: false,
    details: { expected, found },
  });
}
