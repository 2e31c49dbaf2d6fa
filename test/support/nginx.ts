import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, untilAccepts } from './free-port.ts';

/** How long nginx may take until it listens, in milliseconds. */
const START_MS = 10_000;

/** nginx that serves a folder on a loopback port, with a configuration of its own and no log. */
export class Nginx implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #scratch: string;
  readonly url: string;

  private constructor(child: ChildProcess, scratch: string, url: string) {
    this.#child = child;
    this.#scratch = scratch;
    this.url = url;
  }

  /** Starts nginx (a path or a name on PATH) over `root`; resolves when it accepts connections. */
  static async start(program: string, root: string): Promise<Nginx> {
    const port = await freePort();
    const scratch = mkdtempSync(join(tmpdir(), 'onecopy-nginx-'));
    const config = join(scratch, 'nginx.conf');
    writeFileSync(config, configuration({ root, port, scratch }));
    // Not our own: when this process is killed, readers of its output would wait for nginx.
    const output = join(scratch, 'output');
    const fd = openSync(output, 'w');
    const child = spawn(program, ['-p', scratch, '-c', config], { stdio: ['ignore', fd, fd] });
    closeSync(fd);
    const server = new Nginx(child, scratch, `http://127.0.0.1:${port}`);
    if (await untilAccepts(port, START_MS, () => child.exitCode !== null)) return server;
    const said = readFileSync(output, 'utf8');
    await server[Symbol.asyncDispose]();
    throw new Error(`nginx does not listen on port ${port}: ${said}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      const exit = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await exit;
    }
    rmSync(this.#scratch, { recursive: true, force: true });
  }
}

function configuration(plan: { root: string; port: number; scratch: string }): string {
  const { root, port, scratch } = plan;
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const bodies = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(scratch, name)};`,
  );
  return `${user} daemon off; master_process off; worker_processes 1;
pid ${join(scratch, 'pid')}; error_log ${join(scratch, 'error.log')};
events { worker_connections 512; }
http {
  ${bodies.join(' ')}
  access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
  keepalive_requests 1000000; keepalive_timeout 60;
  server { listen 127.0.0.1:${port}; root "${root}"; }
}
`;
}
