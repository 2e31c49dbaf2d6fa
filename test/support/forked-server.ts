import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A server in a process of its own, which says in its first message on which loopback port it listens. */
export class ForkedServer implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
  }

  /** @param entry the module of the process */
  static async start(entry: URL, args: readonly string[]): Promise<ForkedServer> {
    const child = fork(fileURLToPath(entry), args, { execArgv: [] });
    const [message] = (await once(child, 'message')) as [{ port: number }];
    return new ForkedServer(child, message.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }
}
