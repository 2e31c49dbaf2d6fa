import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createPlain, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';

/** A certificate and its key, as PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** Makes a self-signed certificate by openssl. @param names of the hosts; none for a client's */
export function makePair(names: readonly string[] = []): Pair {
  const directory = mkdtempSync(join(tmpdir(), 'onecopy-pair-'));
  try {
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    const alt = names.length === 0 ? [] : ['-addext', `subjectAltName=${names.join(',')}`];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const files = ['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=onecopy test'];
    execFileSync('openssl', ['req', '-x509', ...curve, ...files, ...alt], { stdio: 'pipe' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A request as the registry saw it. */
export interface SeenRequest {
  readonly method: string;
  /** Scheme, host as the client named it, path and query. */
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly hasClientCertificate: boolean;
  status: number;
}

/** An answer; a function writes it itself. */
export type FakeAnswer =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string | string[]>>;
      readonly body?: string | Uint8Array;
    }
  | ((response: ServerResponse) => void);

/** What a fake registry answers. */
export type FakeHandler = (request: SeenRequest) => FakeAnswer;

/** Names that the certificate of a fake registry is for. */
const NAMES = [
  ...['reg', 'a.reg', 'other', 'mirror-a', 'mirror-b', 'auth', 'auth2', 'cdn'].map(
    (name) => `DNS:${name}.test`,
  ),
  'DNS:registry-1.docker.io',
  'DNS:localhost',
  'IP:127.0.0.1',
];
let pair: Pair | undefined;

/**
 * Every registry, token server and CDN of a test in one process, on two ports of 127.0.0.1: TLS, and plain HTTP for port 80
 * and the hosts that `plain` names. `resolve` leads a client there from any name.
 */
export class FakeRegistry implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  readonly plain = new Set<string>();
  /** The certificate that the servers show, which is its own authority. */
  readonly authority: string;
  /** Hears of a request whose client gave up in the middle of the body, with what came of it. */
  onBroken: ((request: Pick<SeenRequest, 'method' | 'url' | 'body'>) => void) | undefined;
  /** Requests that are not answered yet. */
  pending = 0;
  #handler: FakeHandler;
  readonly #secure;
  readonly #plain;
  #connections = 0;

  private constructor(handler: FakeHandler, shown: Pair) {
    this.#handler = handler;
    this.authority = shown.cert;
    const asks = { requestCert: true, rejectUnauthorized: false };
    this.#secure = createSecure({ ...shown, ...asks }, (request, response) => {
      void this.#answer('https', request, response);
    });
    this.#plain = createPlain((request, response) => void this.#answer('http', request, response));
    for (const server of [this.#secure, this.#plain]) {
      server.on('connection', () => {
        this.#connections++;
      });
    }
  }

  static async start(handler: FakeHandler): Promise<FakeRegistry> {
    pair ??= makePair(NAMES);
    const registry = new FakeRegistry(handler, pair);
    for (const server of [registry.#secure, registry.#plain]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    return registry;
  }

  /** Connections that were accepted. */
  get connections(): number {
    return this.#connections;
  }

  /** `127.0.0.1:PORT`, where plain HTTP is spoken: for those who cannot be led by `resolve`. */
  get plainHost(): string {
    return `127.0.0.1:${(this.#plain.address() as AddressInfo).port}`;
  }

  /** Where a client is to go for a host and port. */
  readonly resolve = (host: string, port: number): { address: string; port: number } => {
    const isPlain = port === 80 || this.plain.has(`${host}:${port}`);
    const server = isPlain ? this.#plain : this.#secure;
    return { address: '127.0.0.1', port: (server.address() as AddressInfo).port };
  };

  /** What is answered from now on. */
  handle(handler: FakeHandler): void {
    this.#handler = handler;
  }

  async #answer(scheme: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    const { method = '', headers } = request;
    this.pending++;
    response.once('close', () => {
      this.pending--;
    });
    const url = new URL(request.url ?? '', `${scheme}://${headers.host}`);
    try {
      for await (const piece of request) pieces.push(piece);
    } catch {
      this.onBroken?.({ method, url, body: Buffer.concat(pieces) });
      return;
    }
    const certificate =
      scheme === 'https' ? (request.socket as TLSSocket).getPeerCertificate() : {};
    const seen: SeenRequest = {
      method,
      url,
      headers,
      body: Buffer.concat(pieces),
      hasClientCertificate: Object.keys(certificate).length > 0,
      status: 0,
    };
    this.seen.push(seen);
    const answer = this.#handler(seen);
    if (typeof answer === 'function') return answer(response);
    seen.status = answer.status;
    response.writeHead(answer.status, answer.headers).end(method === 'HEAD' ? '' : answer.body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#secure, this.#plain]) {
      server.closeAllConnections();
      server.close();
    }
  }
}
