import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long nginx may take until it listens, in milliseconds. */
const START_MS = 10_000;
/** Time between two looks whether it listens, in milliseconds. */
const LOOK_MS = 25;

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
    const child = spawn(program, ['-p', scratch, '-c', config], { stdio: ['ignore', 2, 2] });
    const server = new Nginx(child, scratch, `http://127.0.0.1:${port}`);
    for (const limitMs = Date.now() + START_MS; !(await accepts(port)); ) {
      if (child.exitCode !== null || Date.now() > limitMs) {
        await server[Symbol.asyncDispose]();
        throw new Error(`nginx does not listen on port ${port}`);
      }
      await sleep(LOOK_MS);
    }
    return server;
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

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const exit = once(server, 'close');
  server.close();
  await exit;
  if (typeof address !== 'object' || address === null) throw new Error('the socket has no port');
  return address.port;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
