import type { TransportError } from '#base/errors';
import type { BlobLink, RangeAbility } from '#base/flow';
import {
  type Authorizer,
  type HttpBytes,
  type HttpRequest,
  type HttpResponse,
  transportError,
} from '#remotes/http';
import { type Challenge, parseChallenges } from './challenge.ts';
import { authorityOf, type Endpoint, type FoundCredentials } from './endpoint.ts';
import { RegistryHost, type RegistrySettings } from './host.ts';
import { RATE_REMAINING_LOW } from './layout.ts';
import { refusalOf } from './problem.ts';
import { coversScopes, parseScopes, type Scopes, uniteScopes } from './scope.ts';
import { Shared } from './shared.ts';
import { basicOf, fetchToken, type Token } from './token.ts';

/** A request to the registry of an endpoint. */
export type AccessRequest = Omit<HttpRequest, 'url' | 'authorizer' | 'onRefused'> & {
  /** Below `/v2/REPOSITORY/`, encoded. */
  readonly path?: string;
  /** The complete URL instead of `path`: a URL from a response of the registry. */
  readonly at?: URL;
  readonly scopes: Scopes;
};

/** What earlier sessions learnt of hosts. */
export interface HostMemory {
  recall(host: string): BlobLink | undefined;
  remember(host: string, link: BlobLink): void;
}

/** From the best to the worst. */
const WORSE: readonly RangeAbility[] = ['multi', 'single', 'none'];
/** Least body that tells how fast bytes come. */
const PACE_BYTES_MIN = 256 * 1024;

/** What the registry wants next to its name in a request. */
interface KeptToken {
  readonly key: string;
  readonly scopes: Scopes;
  readonly token: Token;
}

/** Sends requests to one endpoint with its credentials, which are not sent elsewhere. */
export class EndpointAccess implements AsyncDisposable {
  readonly endpoint: Endpoint;
  readonly #host: RegistryHost;
  readonly #onWarning: (text: string) => void;
  readonly #found = new Shared<FoundCredentials | undefined>();
  readonly #asking = new Map<string, Shared<Token>>();
  #tokens: KeptToken[] = [];
  #credentials: FoundCredentials | undefined;
  /** Challenges of a refusal, which take precedence over those of the ping. */
  #challenges: readonly Challenge[] | undefined;
  /** Additional scopes that refusals requested. */
  #learnt: Scopes = new Map();
  /** Number of sent requests, without those for tokens and the ping. */
  requests = 0;
  /** True once a range that was asked for alone came alone. */
  hasServedOne = false;
  #link: BlobLink = {};
  #memory: HostMemory | undefined;

  /** @param hasNext another endpoint can be asked instead */
  constructor(endpoint: Endpoint, settings: RegistrySettings, hasNext = false) {
    this.endpoint = endpoint;
    this.#host = new RegistryHost(endpoint, settings, hasNext);
    const said = new Set<string>();
    this.#onWarning = (text) => {
      if (!said.has(text)) settings.onWarning?.(text);
      said.add(text);
    };
  }

  /** What is known of the way to this registry. */
  get link(): BlobLink {
    return this.#link;
  }

  /** How several ranges are to be asked for. */
  get rangeAbility(): RangeAbility {
    return this.#link.ability ?? 'multi';
  }

  /** Begins with what an earlier session learnt of the host, and tells what this one learns. */
  remember(memory: HostMemory): void {
    this.#link = { ...memory.recall(this.endpoint.host), ...this.#link };
    this.#memory = memory;
  }

  /** An answer showed what becomes of ranges: what was found to be refused is not tried again. */
  onRanges(found: RangeAbility): void {
    const known = this.#link.ability;
    if (known === undefined || WORSE.indexOf(found) > WORSE.indexOf(known)) {
      this.#learn({ ability: found });
    }
  }

  /** Bytes of a body took this long. */
  onTransfer(bytes: number, durationMs: number): void {
    if (bytes < PACE_BYTES_MIN) return;
    this.#learn({ bytesPerMs: Math.max(1, Math.round(bytes / Math.max(durationMs, 0.5))) });
  }

  #learn(found: BlobLink): void {
    this.#link = { ...this.#link, ...found };
    this.#memory?.remember(this.endpoint.host, this.#link);
  }

  /** Sends a request and reads the answer whole. @throws as `send` */
  async ask(request: AccessRequest & { readonly maxBytes: number }): Promise<HttpBytes> {
    const ready = await this.#prepare(request);
    const startMs = performance.now();
    const answer = await this.#host.http.fetchBytes({ ...ready, maxBytes: request.maxBytes });
    this.#clock(startMs);
    this.#hear(answer);
    return answer;
  }

  /**
   * Sends a request.
   * @throws TransportError HTTP_DENIED, HTTP_STATUS, RATE_LIMITED with the message of the registry; AUTH_CHALLENGE_UNUSABLE,
   * AUTH_TOKEN_INVALID; as the HTTP client; errors of the lookup of credentials
   */
  async send(request: AccessRequest): Promise<HttpResponse> {
    const ready = await this.#prepare(request);
    const startMs = performance.now();
    const answer = await this.#host.http.fetch(ready);
    this.#clock(startMs);
    this.#hear(answer);
    return answer;
  }

  /** The quickest answer tells how long a request takes by itself. */
  #clock(startMs: number): void {
    const requestMs = Math.round((performance.now() - startMs) * 10) / 10;
    const { requestMs: known = Number.POSITIVE_INFINITY } = this.#link;
    if (requestMs < known) this.#link = { ...this.#link, requestMs };
  }

  /**
   * Tests the credentials: a login is valid if the registry answers 200.
   * @throws TransportError HTTP_DENIED and as `send`
   */
  async verifyLogin(signal: AbortSignal | undefined): Promise<void> {
    const { base } = await this.#reach(signal);
    const at = new URL('/v2/', base);
    await this.ask({ at, scopes: new Map(), maxBytes: 65_536, signal });
  }

  /** Waits before attempt `next` (2, 3, …) of an upload. @throws the reason of the signal */
  async pause(next: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#host.http.pause(next, signal);
  }

  /** The URL that requests begin with. @throws as `send` */
  async base(signal: AbortSignal | undefined): Promise<URL> {
    return (await this.#reach(signal)).base;
  }

  /** The error for a final response of this endpoint. */
  refusal(answer: HttpBytes, method: string, attempts: number): TransportError {
    const registry = this.endpoint.host;
    return refusalOf(answer, { method, who: this.who, attempts, registry });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
  }

  /** Who asks, in a message. */
  get who(): string {
    const found = this.#credentials;
    return found === undefined ? 'nobody is logged in' : `credentials of ${found.source}`;
  }

  /** Read credentials first: an unreadable file is reported before any request. */
  async #reach(signal: AbortSignal | undefined) {
    const lookup = async () => await this.endpoint.credentials?.(signal);
    this.#credentials = await this.#found.get(lookup, signal);
    return await this.#host.reach(signal);
  }

  async #prepare({ path, at, scopes, ...request }: AccessRequest): Promise<HttpRequest> {
    const { base } = await this.#reach(request.signal);
    const { repository, namespace } = this.endpoint;
    const url = at ?? new URL(`/v2/${repository}/${path}`, base);
    if (namespace !== undefined && at === undefined) url.searchParams.set('ns', namespace);
    const method = request.method ?? 'GET';
    return {
      ...request,
      url,
      namedBy: base,
      headers: { 'accept-encoding': 'identity', ...request.headers },
      ...(url.origin === base.origin ? { authorizer: this.#authorizer(scopes) } : {}),
      onSent: () => {
        this.requests++;
        request.onSent?.();
      },
      onRefused: (answer, attempts) => this.refusal(answer, method, attempts),
    };
  }

  #authorizer(scopes: Scopes): Authorizer {
    let sent: string | undefined;
    const headers = async (signal: AbortSignal | undefined) => {
      sent = await this.#authorization(scopes, signal);
      return sent === undefined ? {} : { authorization: sent };
    };
    return {
      headers,
      onDenied: async (answer, signal) => {
        const challenges = parseChallenges(answer.get('www-authenticate') ?? '');
        if (challenges.length > 0) this.#challenges = challenges;
        const asked = challenges.find(({ scheme }) => scheme === 'bearer');
        const scope = parseScopes(asked?.parameters.get('scope') ?? '');
        this.#learnt = uniteScopes(this.#learnt, this.#ownOf(scope));
        this.#tokens = this.#tokens.filter(({ token }) => `Bearer ${token.text}` !== sent);
        const next = await this.#authorization(scopes, signal);
        return next !== undefined && (next !== sent || next.startsWith('Bearer '));
      },
    };
  }

  /** A refusal may request more actions for this repository, but no other resources. */
  #ownOf(scopes: Scopes): Scopes {
    const own = `repository:${this.endpoint.repository}`;
    return new Map([...scopes].filter(([resource]) => resource === own));
  }

  async #authorization(
    scopes: Scopes,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    const { base, challenges } = await this.#reach(signal);
    const credentials = this.#credentials?.credentials;
    const challenge = chooseChallenge(this.#challenges ?? challenges, credentials?.kind);
    if (challenge === undefined) return undefined;
    if (credentials?.kind === 'registry-token') return `Bearer ${this.#printable(credentials)}`;
    if (challenge.scheme === 'bearer') {
      return `Bearer ${await this.#token(challenge, scopes, base, signal)}`;
    }
    if (credentials === undefined) return undefined;
    const { user = '', password = '' } = credentials;
    // An identity token is no password; the entry may have one beside it.
    if (credentials.kind === 'identity-token' && password === '') return undefined;
    return basicOf(user, password);
  }

  #printable({ token }: { readonly token: string }): string {
    if (/^[\x21-\x7e]+$/.test(token)) return token;
    const where = { url: `https://${authorityOf(this.endpoint)}/v2/`, method: 'GET' };
    const found = `other characters in the token of ${this.#credentials?.source}`;
    throw transportError('AUTH_TOKEN_INVALID', where, `expected visible ASCII, found ${found}`, {
      retryable: false,
      details: { expected: 'visible ASCII', found },
    });
  }

  /** A valid token for these scopes, or a new one; concurrent requests for the same scopes share one. */
  async #token(
    challenge: Challenge,
    asked: Scopes,
    namedBy: URL,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    // A login requests no scope.
    const scopes = asked.size === 0 ? asked : uniteScopes(asked, this.#learnt);
    const key = JSON.stringify(
      [...challenge.parameters].filter(([name]) => name !== 'scope' && name !== 'error'),
    );
    const nowMs = performance.now();
    this.#tokens = this.#tokens.filter(({ token }) => token.renewAtMs > nowMs);
    const kept = this.#tokens.find((one) => one.key === key && coversScopes(one.scopes, scopes));
    if (kept !== undefined && (scopes.size > 0 || kept.scopes.size === 0)) return kept.token.text;
    const wanted = JSON.stringify([key, [...scopes].map(([name, actions]) => [name, ...actions])]);
    const asking = this.#asking.get(wanted) ?? new Shared<Token>();
    this.#asking.set(wanted, asking);
    try {
      const request = {
        challenge,
        scopes,
        credentials: this.#credentials?.credentials,
        who: this.who,
        endpoint: this.endpoint,
        namedBy,
        signal,
      };
      const token = await asking.get(() => fetchToken(this.#host.tokens, request), signal);
      if (!this.#tokens.some((one) => one.token === token))
        this.#tokens.push({ key, scopes, token });
      return token.text;
    } finally {
      this.#asking.delete(wanted);
    }
  }

  /** Notices of registries in headers. */
  #hear({ headers }: Pick<HttpResponse, 'headers'>): void {
    const { host } = this.endpoint;
    const [, warning] = /^299 - "([^"\\]{1,500})"$/.exec(headers.get('warning') ?? '') ?? [];
    if (warning !== undefined) this.#onWarning(`${host} warns: ${warning}`);
    const [, left, windowSec] =
      /^([0-9]+);w=([0-9]+)$/.exec(headers.get('ratelimit-remaining') ?? '') ?? [];
    if (left !== undefined && Number(left) <= RATE_REMAINING_LOW) {
      this.#onWarning(`${host} allows ${left} more requests within ${windowSec} s`);
    }
  }
}

/** The challenge to answer: the first with a supported scheme; Bearer instead of Basic if there is no password. */
function chooseChallenge(
  challenges: readonly Challenge[],
  kind: string | undefined,
): Challenge | undefined {
  const spoken = challenges.filter(({ scheme }) => scheme === 'basic' || scheme === 'bearer');
  const bearer = spoken.find(({ scheme }) => scheme === 'bearer');
  return kind === 'password' ? spoken[0] : (bearer ?? spoken[0]);
}
