/** A server that is some milliseconds away: every answer comes that much later than it could. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Serves the files below a folder on a loopback port, from a process of its own. */
export class DistantServer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly url: string;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  static async start(root: string, latencyMs: number): Promise<DistantServer> {
    const entry = fileURLToPath(new URL('./distant-server.ts', import.meta.url));
    const child = fork(entry, [root, String(latencyMs)]);
    const [message] = (await once(child, 'message')) as [{ port: number }];
    return new DistantServer(child, `http://127.0.0.1:${message.port}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill();
    await exit;
  }
}
