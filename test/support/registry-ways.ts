/** Debian's docker-registry, and what stands between a registry and its clients: authentication, TLS, mirrors, storage behind links, and bad networks. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DockerRegistry, type DockerRegistryOptions } from './docker-registry.ts';
import { makePair } from './fake-registry.ts';
import { Forwarder, type ForwarderFaults } from './forwarder.ts';
import { Nginx, type NginxLines } from './nginx.ts';
import { TOKEN_USER, TokenServer } from './token-server.ts';

/** Options of the verbs for a registry. */
export interface Access {
  readonly creds?: { readonly user: string; readonly password: string };
  readonly certDir?: string;
  readonly registriesConf?: string;
}

/** A registry, and a way to it. */
export interface RegistryWay extends AsyncDisposable {
  /** What is asked for: `127.0.0.1:PORT`, and with which options. */
  readonly host: string;
  readonly access: Access;
  /** The registry itself, for those who take the way without faults. */
  readonly directHost: string;
  /** Counts what passes. */
  readonly wires: readonly Forwarder[];
  /** What is wrong at the end, one line each. */
  faults?(): string[];
}

/** `abc`, by bcrypt. */
const HTPASSWD = 'u:$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i\n';
const CREDS = { user: 'u', password: 'abc' };

/** All ways, by name. */
export const WAYS: Readonly<Record<string, (scratch: string) => Promise<RegistryWay>>> = {
  plain: async () => await openWay({}),
  'with a password': async () => await openWay({ htpasswd: HTPASSWD }, { creds: CREDS }),
  'with tokens': async () => {
    const tokens = await TokenServer.start();
    return await openWay({ token: tokens.token }, { creds: TOKEN_USER, also: [tokens] });
  },
  'TLS with an own authority': async (scratch) => {
    const server = makePair(['IP:127.0.0.1']);
    const certDir = join(scratch, 'certs');
    mkdirSync(certDir);
    writeFileSync(join(certDir, 'ca.crt'), server.cert);
    return await openWay({ tls: server }, { certDir });
  },
  'client certificates and a password': async (scratch) => {
    const [server, client] = [makePair(['IP:127.0.0.1']), makePair()];
    const certDir = join(scratch, 'certs');
    mkdirSync(certDir);
    writeFileSync(join(certDir, 'ca.crt'), server.cert);
    writeFileSync(join(certDir, 'own.cert'), client.cert);
    writeFileSync(join(certDir, 'own.key'), client.key);
    const tls = { ...server, clients: client.cert };
    return await openWay({ tls, htpasswd: HTPASSWD }, { certDir, creds: CREDS });
  },
  'a CDN on another host with links that expire': () => openCdn(),
  'a mirror that dies in a blob': (scratch) => openMirror(scratch),
  'rate limits': () =>
    behindNginx({
      http: 'limit_req_zone $server_name zone=few:1m rate=10r/s;',
      lines:
        'limit_req zone=few burst=3 nodelay; limit_req_status 429; add_header Retry-After 1 always;',
    }),
  'a slow link': () => behindNginx({ http: '', lines: 'limit_rate 600k;' }),
  'a flaky link': () =>
    behindNginx(
      {
        http: 'split_clients "$request_id" $fate { 10% gone; 10% busy; * fine; }',
        lines: 'if ($fate = busy) { return 503; } if ($fate = gone) { return 444; }',
      },
      { cutEveryBytes: 700_000 },
    ),
};

interface WayOptions extends Access {
  /** What goes with it. */
  readonly also?: readonly AsyncDisposable[];
}

/** A registry behind a wire that counts. */
async function openWay(
  registryOptions: DockerRegistryOptions,
  { also = [], ...access }: WayOptions = {},
): Promise<RegistryWay> {
  await using stack = new AsyncDisposableStack();
  for (const one of also) stack.use(one);
  const registry = stack.use(await DockerRegistry.start(registryOptions));
  const wire = stack.use(await Forwarder.start(registry.host));
  const ours = stack.move();
  return {
    host: wire.host,
    directHost: registry.host,
    access,
    wires: [wire],
    [Symbol.asyncDispose]: () => ours.disposeAsync(),
  };
}

/** nginx before a registry. */
async function behindNginx(
  { http, lines }: { readonly http: string; readonly lines: string },
  faults?: ForwarderFaults,
): Promise<RegistryWay> {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(await DockerRegistry.start());
  const proxy = `proxy_pass http://${registry.host}; proxy_set_header Host $http_host; proxy_buffering off; proxy_request_buffering off; client_max_body_size 0;`;
  const configure = ({ port }: { readonly port: number }): NginxLines => ({
    http: `access_log off; ${http}`,
    servers: `server { listen 127.0.0.1:${port}; location / { ${lines} ${proxy} } }`,
  });
  const nginx = stack.use(await Nginx.startWith('nginx', configure));
  const wire = stack.use(await Forwarder.start(nginx.url.replace('http://', ''), faults));
  const ours = stack.move();
  return {
    host: wire.host,
    directHost: registry.host,
    access: {},
    wires: [wire],
    [Symbol.asyncDispose]: () => ours.disposeAsync(),
  };
}

/** A registry with a mirror, of which a part of the image comes. */
async function openMirror(scratch: string): Promise<RegistryWay> {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(await DockerRegistry.start());
  const primary = stack.use(await Forwarder.start(registry.host));
  const mirror = stack.use(await Forwarder.start(registry.host, { diesAtBytes: 900_000 }));
  const registriesConf = join(scratch, 'registries.conf');
  writeFileSync(
    registriesConf,
    `[[registry]]\nlocation = "${primary.host}"\n[[registry.mirror]]\nlocation = "${mirror.host}"\n`,
  );
  const ours = stack.move();
  return {
    host: primary.host,
    directHost: registry.host,
    access: { registriesConf },
    wires: [mirror, primary],
    faults: () => (mirror.isDead ? [] : ['the mirror did not die']),
    [Symbol.asyncDispose]: () => ours.disposeAsync(),
  };
}

const LINK_SECRET = ' of the CDN';

/** A registry that sends clients for blobs to nginx on another host, with links of which the first for each blob has expired. */
async function openCdn(): Promise<RegistryWay> {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(await DockerRegistry.start());
  const configure = ({ port, scratch }: { readonly port: number; readonly scratch: string }) => ({
    http: `log_format cdn '$status $args $http_authorization'; access_log ${scratch}/access.log cdn;`,
    servers: `server {
      listen 127.0.0.1:${port}; listen 127.0.0.2:${port};
      location /store/ {
        secure_link $arg_s,$arg_e;
        secure_link_md5 "$secure_link_expires$uri${LINK_SECRET}";
        if ($secure_link = "") { return 403; }
        if ($secure_link = "0") { return 410; }
        alias ${registry.blobs}/;
      }
    }`,
  });
  const nginx = stack.use(await Nginx.startWith('nginx', configure));
  const cdnHost = nginx.url.replace('127.0.0.1', '127.0.0.2');
  const expired = new Set<string>();
  const front = createServer((asked, answer) => {
    const [, hex] = /^\/v2\/.+\/blobs\/sha256:([0-9a-f]{64})$/.exec(asked.url ?? '') ?? [];
    if (hex === undefined || asked.method !== 'GET') return pass(registry.host, asked, answer);
    const isFirst = !expired.has(hex);
    expired.add(hex);
    const endSec = Math.floor(Date.now() / 1000) + (isFirst ? -10 : 60);
    const path = `/store/sha256/${hex.slice(0, 2)}/${hex}/data`;
    answer.writeHead(307, { location: `${cdnHost}${path}?${signLink(path, endSec)}` }).end();
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  stack.defer(() => {
    front.closeAllConnections();
    front.close();
  });
  const ours = stack.move();
  return {
    host: `127.0.0.1:${(front.address() as AddressInfo).port}`,
    directHost: registry.host,
    access: {},
    wires: [],
    faults() {
      const lines = readFileSync(join(nginx.scratch, 'access.log'), 'utf8').trim().split('\n');
      const statuses = new Set(lines.map((line) => line.slice(0, 3)));
      const secrets = lines.filter((line) => !line.endsWith(' -'));
      const faults = secrets.map((line) => `the CDN got a secret: ${line}`);
      if (!statuses.has('410')) faults.push('no link had expired');
      if (!statuses.has('200') && !statuses.has('206')) faults.push('the CDN gave nothing');
      return faults;
    },
    [Symbol.asyncDispose]: () => ours.disposeAsync(),
  };
}

/** The query of a link, as nginx wants it. */
function signLink(path: string, endSec: number): string {
  const sum = createHash('md5').update(`${endSec}${path}${LINK_SECRET}`).digest('base64url');
  return `e=${endSec}&s=${sum}`;
}

/** Passes a request on as it is. */
function pass(to: string, asked: IncomingMessage, answer: ServerResponse): void {
  const [hostname, port] = to.split(':');
  const { method, headers, url: path } = asked;
  const passed = request({ hostname, port, method, path, headers }, (response) => {
    answer.writeHead(response.statusCode ?? 500, response.headers);
    response.pipe(answer);
  });
  passed.on('error', () => answer.destroy());
  asked.pipe(passed);
}
