import { createSign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makePair, type Pair } from './fake-registry.ts';

/** The user that a token server knows. */
export const TOKEN_USER = { user: 'u', password: 'p' } as const;

/** A token server for docker-registry on a port of 127.0.0.1, which gives one user a token for whatever it asks. */
export class TokenServer implements AsyncDisposable {
  /** Scopes of each request. */
  readonly asked: string[][] = [];
  readonly #issuer: Pair = makePair();
  readonly #server = createServer((request, response) => {
    const scopes = new URL(request.url ?? '', 'http://any').searchParams.getAll('scope');
    this.asked.push(scopes);
    const { user, password } = TOKEN_USER;
    const known = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    const isKnown = request.headers.authorization === known;
    const body = isKnown ? JSON.stringify({ token: signToken(this.#issuer, scopes) }) : '{}';
    response.writeHead(isKnown ? 200 : 401).end(body);
  });

  static async start(): Promise<TokenServer> {
    const server = new TokenServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  /** What a registry needs to know of it. */
  get token(): { readonly realm: string; readonly certificate: string } {
    const { port } = this.#server.address() as AddressInfo;
    return { realm: `http://127.0.0.1:${port}/token`, certificate: this.#issuer.cert };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** A token as docker-registry takes it: ES256 with its certificate. */
function signToken(issuer: Pair, scopes: readonly string[]): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const x5c = [new X509Certificate(issuer.cert).raw.toString('base64')];
  const nowSec = Math.floor(Date.now() / 1000);
  const access = scopes.map((scope) => {
    const [type = '', name = '', actions = ''] = scope.split(':');
    return { type, name, actions: actions.split(',') };
  });
  const claims = { iss: 'test', sub: 'u', aud: 'test', exp: nowSec + 300, nbf: nowSec - 10 };
  const signed = `${part({ typ: 'JWT', alg: 'ES256', x5c })}.${part({ ...claims, iat: nowSec, jti: `${Math.random()}`, access })}`;
  const sign = createSign('sha256').update(signed);
  const signature = sign.sign({ key: issuer.key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}
