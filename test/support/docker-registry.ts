import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, untilAccepts } from './free-port.ts';

/** How long the registry may take until it listens, in milliseconds. */
const START_MS = 20_000;

/** How the registry is set up. */
export interface DockerRegistryOptions {
  /** Lines of an htpasswd file (bcrypt): Basic. */
  readonly htpasswd?: string;
  /** A token server and the certificate whose key signs its tokens: Bearer. */
  readonly token?: { readonly realm: string; readonly certificate: string };
  /** TLS with this certificate; where `clients` is given, clients show a certificate that it has signed. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clients?: string };
}

/** Debian's docker-registry (distribution 2.8) in a process of its own, on a port of 127.0.0.1, with a fresh store. */
export class DockerRegistry implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #scratch: string;
  /** `127.0.0.1:PORT`. */
  readonly host: string;

  /** The folder in which it keeps blobs, as `sha256/ab/abcdef…/data`. */
  get blobs(): string {
    return join(this.#scratch, 'store/docker/registry/v2/blobs');
  }

  private constructor(child: ChildProcess, scratch: string, port: number) {
    this.#child = child;
    this.#scratch = scratch;
    this.host = `127.0.0.1:${port}`;
  }

  static async start(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
    const port = await freePort();
    const scratch = mkdtempSync(join(tmpdir(), 'onecopy-registry-'));
    const config = join(scratch, 'config.yml');
    writeFileSync(config, configuration(scratch, port, options));
    const stdio = ['ignore', 'ignore', 'ignore'] as const;
    const child = spawn('docker-registry', ['serve', config], { stdio: [...stdio] });
    const registry = new DockerRegistry(child, scratch, port);
    if (await untilAccepts(port, START_MS, () => child.exitCode !== null)) return registry;
    await registry[Symbol.asyncDispose]();
    throw new Error(`docker-registry does not listen on port ${port}`);
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

function configuration(scratch: string, port: number, options: DockerRegistryOptions): string {
  const lines = [
    'version: 0.1',
    'log: { level: error, accesslog: { disabled: true } }',
    `storage: { filesystem: { rootdirectory: ${join(scratch, 'store')} } }`,
    `http: { addr: "127.0.0.1:${port}", secret: test${tlsOf(scratch, options)} }`,
  ];
  if (options.htpasswd !== undefined) {
    const path = join(scratch, 'htpasswd');
    writeFileSync(path, options.htpasswd);
    lines.push(`auth: { htpasswd: { realm: test, path: ${path} } }`);
  }
  if (options.token !== undefined) {
    const path = join(scratch, 'issuer.pem');
    writeFileSync(path, options.token.certificate);
    const names = 'service: test, issuer: test';
    lines.push(
      `auth: { token: { realm: "${options.token.realm}", ${names}, rootcertbundle: ${path} } }`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function tlsOf(scratch: string, { tls }: DockerRegistryOptions): string {
  if (tls === undefined) return '';
  const write = (name: string, pem: string) => {
    const path = join(scratch, `${name}.pem`);
    writeFileSync(path, pem);
    return path;
  };
  const clients =
    tls.clients === undefined ? '' : `, clientcas: [${write('clients', tls.clients)}]`;
  return `, tls: { certificate: ${write('cert', tls.cert)}, key: ${write('key', tls.key)}${clients} }`;
}
