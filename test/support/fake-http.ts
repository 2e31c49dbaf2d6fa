import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

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
  readonly #child: ChildProcess;
  readonly url: string;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  static async start(options: FakeHttpOptions = {}): Promise<FakeHttp> {
    const entry = fileURLToPath(new URL('./fake-http-server.ts', import.meta.url));
    const child = fork(entry, [JSON.stringify(options)], { execArgv: [] });
    const [message] = (await once(child, 'message')) as [{ port: number }];
    const scheme = options.tls === undefined ? 'http' : 'https';
    return new FakeHttp(child, `${scheme}://127.0.0.1:${message.port}`);
  }

  async read(): Promise<FakeHttpLog> {
    const answer = once(this.#child, 'message');
    this.#child.send({ ask: 'log' });
    return (await answer)[0] as FakeHttpLog;
  }

  /** Forgets the log and sets new faults. */
  async reset(faults: readonly Fault[] = []): Promise<void> {
    const answer = once(this.#child, 'message');
    this.#child.send({ ask: 'reset', faults });
    await answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}
