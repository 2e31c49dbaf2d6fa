import { once } from 'node:events';
import { ForkedServer } from './forked-server.ts';

/** One misbehaviour. Without `index` and `path` it meets every request; `times` bounds how often. */
export interface Fault {
  readonly kind: 'status' | 'reset' | 'close' | 'stall' | 'truncate' | 'garbage';
  /** Number of the request since the start or the last reset, from 0. */
  readonly index?: number;
  /** Part of the path. */
  readonly path?: string;
  readonly times?: number;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** `truncate`: bytes of body sent before the connection ends. */
  readonly bytes?: number;
}

/** How the server behaves. Paths `/size/N` give N bytes; others are files below `root`. */
export interface FakeHttpOptions {
  readonly root?: string;
  readonly port?: number;
  /** Time between a request and the first byte of its answer. */
  readonly latencyMs?: number;
  readonly faults?: readonly Fault[];
  readonly etags?: boolean;
  /** False: Range is ignored. */
  readonly ranges?: boolean;
  readonly chunked?: boolean;
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string };
}

/** One line of the log, in the order in which answers were begun. Status 0: no answer. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** What the server saw. */
export interface FakeHttpLog {
  readonly log: readonly FakeRequest[];
  /** Most requests that were open at the same time. */
  readonly peak: number;
  readonly connections: number;
}

/** A server in a process of its own on 127.0.0.1. */
export class FakeHttp implements AsyncDisposable {
  readonly #server: ForkedServer;
  readonly url: string;

  private constructor(server: ForkedServer, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async start(options: FakeHttpOptions = {}): Promise<FakeHttp> {
    const entry = new URL('./fake-http-server.ts', import.meta.url);
    const server = await ForkedServer.start(entry, [JSON.stringify(options)]);
    const scheme = options.tls === undefined ? 'http' : 'https';
    return new FakeHttp(server, `${scheme}://127.0.0.1:${server.port}`);
  }

  async read(): Promise<FakeHttpLog> {
    return (await this.#ask({ ask: 'log' })) as FakeHttpLog;
  }

  /** Forgets the log and sets new faults. */
  async reset(faults: readonly Fault[] = []): Promise<void> {
    await this.#ask({ ask: 'reset', faults });
  }

  async #ask(message: object): Promise<unknown> {
    const { child } = this.#server;
    const answer = once(child, 'message');
    child.send(message);
    return (await answer)[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}
