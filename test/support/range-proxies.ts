/**
 * Updates of a zstd:chunked image from Debian's docker-registry, plain and behind nginx, which plays what registries and their storage do
 * with ranges.
 */
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { initRepository } from '#stores/composefs';
import { copyImage } from '#work/copy-image';
import { type PullReport, planPull, pullImage } from '#work/pull-image';
import { DockerRegistry } from './docker-registry.ts';
import { Nginx, type NginxLines, type NginxPlace } from './nginx.ts';
import { makeTempDir } from './temp-dir.ts';

/** What stands between a client and the registry. */
interface Behaviour {
  /** Lines of the location of all requests, or of blobs alone. */
  readonly blobs: string;
  readonly http?: string;
  /** Blobs come out of the folder of the registry, as from S3. */
  readonly redirects?: boolean;
  /** The blob comes whole to a client that asks for several ranges and does not know better. */
  readonly sendsWhole?: boolean;
}

/** Where a repository keeps what it knows of hosts. */
const HOSTS = '.onecopy/hosts';
const SEVERAL = '$http_range ~ ","';

/** The behaviours, each named after where it was met. */
export const BEHAVIOURS: Readonly<Record<string, Behaviour | undefined>> = {
  'docker-registry alone': undefined,
  'nginx that passes everything on': { blobs: '' },
  'GHCR: 501 to several ranges': { blobs: `if (${SEVERAL}) { return 501; }` },
  'zot: 416 to several ranges': { blobs: `if (${SEVERAL}) { return 416; }` },
  'GCR: 400 to several ranges': { blobs: `if (${SEVERAL}) { return 400; }` },
  'ECR: the whole blob to several ranges': {
    http: 'map $http_range $passed { "~," ""; default $http_range; }',
    blobs: 'proxy_set_header Range $passed;',
    sendsWhole: true,
  },
  'a proxy without ranges': { blobs: 'proxy_set_header Range "";', sendsWhole: true },
  'S3: a redirect to a store that serves one range': {
    blobs: '',
    redirects: true,
    sendsWhole: true,
  },
  'a slow link': { blobs: 'limit_rate 400k;' },
  'a flaky one: 503 and broken connections': {
    http: 'split_clients "$request_id" $fate { 15% gone; 15% busy; * fine; }',
    blobs: 'if ($fate = busy) { return 503; } if ($fate = gone) { return 444; }',
  },
};

/** One pull of the series. */
export interface ProxiedPull {
  readonly report: Pick<PullReport, 'imageIds'> & { readonly streams: readonly string[] };
  /** What a plan said before, and what came, of layers; in bytes. */
  readonly plannedBytes: number;
  readonly sentBytes: number;
  /** Most times that a blob came whole. */
  readonly mostWholes: number;
}

/** What a behaviour gave: a first update, by a repository that knows nothing of the host, and one by a repository that does. */
export interface ProxiedUpdates {
  readonly behaviour: string;
  readonly first: ProxiedPull;
  readonly second: ProxiedPull;
}

/** A registry with two versions of an image, `v1` and `v2`. */
export class ProxySeries implements AsyncDisposable {
  readonly #registry: DockerRegistry;

  private constructor(registry: DockerRegistry) {
    this.#registry = registry;
  }

  /** Fills a registry from two layouts. */
  static async start(v1: string, v2: string): Promise<ProxySeries> {
    const registry = await DockerRegistry.start();
    for (const [tag, from] of [v1, v2].entries()) {
      await copyImage(from, `docker://${registry.host}/img:v${tag + 1}`);
    }
    return new ProxySeries(registry);
  }

  /** The report of a pull that asks for no range. */
  async expected(): Promise<ProxiedPull['report']> {
    using temp = makeTempDir();
    const options = { algorithm: 'sha256', insecure: true } as const;
    const { repository } = await initRepository(temp.path, options);
    using _open = repository;
    return shownOf(
      await pullImage(repository, `docker://${this.#registry.host}/img:v2`, {
        name: 'v2',
        strategy: 'whole',
      }),
    );
  }

  /** Updates an image through a behaviour: in a repository that knows nothing of the host, then in one that has heard of it. */
  async update(behaviour: string): Promise<ProxiedUpdates> {
    const found = BEHAVIOURS[behaviour];
    await using nginx = await Nginx.startWith('nginx', (place) =>
      this.#configuration(place, found ?? { blobs: '' }),
    );
    const host = found === undefined ? this.#registry.host : nginx.url.replace('http://', '');
    const log = join(nginx.scratch, 'access.log');
    using temp = makeTempDir();
    const [first, second] = [join(temp.path, 'first'), join(temp.path, 'second')] as const;
    const done = await this.#updateIn(first, { host, log });
    mkdirSync(join(second, HOSTS), { recursive: true });
    cpSync(join(first, HOSTS), join(second, HOSTS), { recursive: true });
    return { behaviour, first: done, second: await this.#updateIn(second, { host, log }) };
  }

  async #updateIn(
    path: string,
    { host, log }: { readonly host: string; readonly log: string },
  ): Promise<ProxiedPull> {
    const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
    using _open = repository;
    const v1 = `docker://${this.#registry.host}/img:v1`;
    await pullImage(repository, v1, { name: 'v1', strategy: 'whole' });
    const v2 = `docker://${host}/img:v2`;
    const plan = await planPull(repository, v2, { strategy: 'partial' });
    const before = readFileSync(log, 'utf8').length;
    const report = await pullImage(repository, v2, { name: 'v2', strategy: 'partial' });
    const seen = seenIn(readFileSync(log, 'utf8').slice(before), plan.layers);
    const isLogged = host !== this.#registry.host;
    const fetched = report.layers.reduce((sum, { fetchedBytes }) => sum + fetchedBytes, 0);
    return {
      report: shownOf(report),
      plannedBytes: plan.fetchBytes,
      sentBytes: isLogged ? seen.sentBytes : fetched,
      mostWholes: seen.mostWholes,
    };
  }

  #configuration({ port, scratch }: NginxPlace, behaviour: Behaviour): NginxLines {
    const { blobs, http = '', redirects = false } = behaviour;
    const proxy = `proxy_pass http://${this.#registry.host}; proxy_set_header Host $http_host; proxy_buffering off;`;
    const path = '/v2/.+/blobs/sha256:(?<head>..)(?<rest>[0-9a-f]+)$';
    const store = `http://127.0.0.1:${port}/store/sha256/$head/$head$rest/data`;
    return {
      http: `log_format series '$status $body_bytes_sent $uri'; access_log ${scratch}/access.log series; ${http}`,
      servers: `server {
        listen 127.0.0.1:${port};
        location / { max_ranges 0; ${proxy} }
        location ~ ${JSON.stringify(path)} { ${redirects ? `return 307 ${store};` : `max_ranges 0; ${blobs} ${proxy}`} }
        location /store/ { alias ${this.#registry.blobs}/; max_ranges 1; }
      }`,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#registry[Symbol.asyncDispose]();
  }
}

/** What went wrong with an update; empty when all is as it should be. */
export function faultsOf(
  { behaviour, first, second }: ProxiedUpdates,
  expected: ProxiedPull['report'],
): string[] {
  const faults: string[] = [];
  for (const [name, pull] of Object.entries({ first, second })) {
    const what = `${behaviour}, ${name} update`;
    if (!isDeepStrictEqual(pull.report, expected)) faults.push(`${what}: other digests`);
    if (pull.mostWholes > 1) faults.push(`${what}: a blob came whole ${pull.mostWholes} times`);
    // A server that sends the whole blob unasked is known for it at the second update.
    const isSurprised = name === 'first' && BEHAVIOURS[behaviour]?.sendsWhole === true;
    if (!isSurprised && pull.sentBytes > 1.05 * pull.plannedBytes) {
      faults.push(`${what}: ${pull.sentBytes} bytes came, ${pull.plannedBytes} were planned`);
    }
  }
  return faults;
}

function shownOf({ imageIds, layers }: PullReport): ProxiedPull['report'] {
  return { imageIds, streams: layers.map(({ streamId }) => streamId) };
}

/** Counts what a log says of the layers. */
function seenIn(
  log: string,
  layers: readonly { readonly digest: string; readonly sizeBytes: number }[],
): Pick<ProxiedPull, 'sentBytes' | 'mostWholes'> {
  let sentBytes = 0;
  const wholes = new Map<string, number>();
  for (const line of log.split('\n')) {
    const [status, sent = '0', uri = ''] = line.split(' ');
    const layer = layers.find(({ digest }) => uri.includes(digest.slice('sha256:'.length)));
    if (layer === undefined || status === '307') continue;
    sentBytes += Number(sent);
    if (status === '200') wholes.set(layer.digest, (wholes.get(layer.digest) ?? 0) + 1);
  }
  return { sentBytes, mostWholes: Math.max(0, ...wholes.values()) };
}
