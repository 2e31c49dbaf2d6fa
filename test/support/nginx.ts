import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, untilAccepts } from './free-port.ts';

/** How long nginx may take until it listens, in milliseconds. */
const START_MS = 10_000;

/** What a configuration is made of. */
export interface NginxPlace {
  readonly port: number;
  /** A folder that goes with the server. */
  readonly scratch: string;
}

/** Lines of configuration. */
export interface NginxLines {
  readonly http: string;
  readonly servers: string;
}

/** nginx on a loopback port, with a configuration of its own. */
export class Nginx implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #scratch: string;
  readonly url: string;

  /** The folder of its configuration, and of what else that names. */
  get scratch(): string {
    return this.#scratch;
  }

  private constructor(child: ChildProcess, scratch: string, url: string) {
    this.#child = child;
    this.#scratch = scratch;
    this.url = url;
  }

  /** Starts nginx (a path or a name on PATH) over a folder, without a log; resolves when it accepts connections. */
  static start(program: string, root: string): Promise<Nginx> {
    return Nginx.startWith(program, ({ port }) => ({
      http: 'access_log off; tcp_nopush on; keepalive_requests 1000000; keepalive_timeout 60;',
      servers: `server { listen 127.0.0.1:${port}; root "${root}"; }`,
    }));
  }

  /** Starts nginx with lines of configuration for HTTP and for its servers. */
  static async startWith(
    program: string,
    configure: (place: NginxPlace) => NginxLines,
  ): Promise<Nginx> {
    const port = await freePort();
    const scratch = mkdtempSync(join(tmpdir(), 'onecopy-nginx-'));
    const config = join(scratch, 'nginx.conf');
    writeFileSync(config, configuration(scratch, configure({ port, scratch })));
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

function configuration(scratch: string, { http, servers }: NginxLines): string {
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const bodies = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(scratch, name)};`,
  );
  return `${user} daemon off; master_process off; worker_processes 1;
pid ${join(scratch, 'pid')}; error_log ${join(scratch, 'error.log')};
events { worker_connections 512; }
http {
  ${bodies.join(' ')}
  sendfile on; default_type application/octet-stream;
  ${http}
  ${servers}
}
`;
}
