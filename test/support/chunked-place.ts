import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initRepository, openRepository, type Repository } from '#stores/composefs';
import { type PlanPullOptions, type PullOptions, planPull, pullImage } from '#work/pull-image';
import { type FakeAnswer, FakeRegistry, type SeenRequest } from './fake-registry.ts';
import { MemoryRegistry } from './memory-registry.ts';
import { RANGE_MODES, type RangeMode, type Span } from './range-modes.ts';
import { makeTempDir } from './temp-dir.ts';

const GOLDEN = fileURLToPath(new URL('../golden/chunked/', import.meta.url));

/** A request for a blob, as the registry saw it. */
export interface BlobRequest {
  readonly digest: string;
  readonly range: string | undefined;
  readonly isWhole: boolean;
}

/** A registry of golden images, and repositories to pull them into. */
export class ChunkedPlace implements AsyncDisposable {
  readonly memory = new MemoryRegistry();
  readonly requests: BlobRequest[] = [];
  mode: RangeMode = RANGE_MODES['several ranges'] as RangeMode;
  readonly #temp = makeTempDir();
  readonly #server: FakeRegistry;
  readonly #open: Repository[] = [];
  readonly #counts = new Map<string, number>();

  private constructor(server: FakeRegistry) {
    this.#server = server;
    mkdirSync(this.path('certs'));
    writeFileSync(join(this.path('certs'), 'ca.crt'), server.authority);
  }

  /** `images`: folders below test/golden/chunked, each an image `localhost/FOLDER:latest`. */
  static async start(...images: string[]): Promise<ChunkedPlace> {
    const server = await FakeRegistry.start(() => ({ status: 500 }));
    const place = new ChunkedPlace(server);
    for (const image of images) place.memory.addLayout(image, join(GOLDEN, image), 'latest');
    server.handle((request) => place.#answer(request));
    return place;
  }

  path(name: string): string {
    return join(this.#temp.path, name);
  }

  /** The repository of a name, opened or made. */
  async repository(name: string, isNew = false): Promise<Repository> {
    const path = this.path(name);
    const repository = isNew
      ? (await initRepository(path, { algorithm: 'sha256', insecure: true })).repository
      : await openRepository(path);
    this.#open.push(repository);
    return repository;
  }

  pull(repository: Repository, image: string, options: PullOptions = {}) {
    return pullImage(repository, this.reference(image), {
      ...this.registry,
      name: image,
      ...options,
    });
  }

  plan(repository: Repository | undefined, image: string, options: PlanPullOptions = {}) {
    return planPull(repository, this.reference(image), { ...this.registry, ...options });
  }

  reference(image: string): string {
    return `docker://localhost/${image}:latest`;
  }

  get registry(): Pick<PullOptions, 'registry'> {
    const retry = { attempts: 3, baseMs: 1, capMs: 2 };
    const settings = { resolve: this.#server.resolve, retry };
    return { registry: { certDir: this.path('certs'), settings } };
  }

  /** The certificate of the registry. */
  get authority(): string {
    return this.#server.authority;
  }

  /** Most times that a blob was sent whole. */
  get mostWholes(): number {
    const wholes = new Map<string, number>();
    for (const { digest, isWhole } of this.requests) {
      if (isWhole) wholes.set(digest, (wholes.get(digest) ?? 0) + 1);
    }
    return Math.max(0, ...wholes.values());
  }

  #answer(request: SeenRequest): FakeAnswer {
    const [, digest] = /\/blobs\/(sha256:[0-9a-f]+)$/.exec(request.url.pathname) ?? [];
    const blob = digest === undefined ? undefined : this.memory.blobs.get(digest);
    const { range } = request.headers;
    if (digest === undefined || blob === undefined) return this.memory.handler(request);
    const answer = range === undefined ? { status: 200, body: blob } : this.#ranges(digest, range);
    const isWhole = 'status' in answer && answer.status === 200;
    this.requests.push({ digest, range, isWhole });
    return answer;
  }

  #ranges(digest: string, range: string): FakeAnswer {
    const blob = this.memory.blobs.get(digest) as Buffer;
    const count = (this.#counts.get(digest) ?? 0) + 1;
    this.#counts.set(digest, count);
    const spans = range
      .replace('bytes=', '')
      .split(',')
      .map((span) => span.split('-').map(Number) as unknown as Span);
    return this.mode(blob, spans, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const repository of this.#open) repository[Symbol.dispose]();
    await this.#server[Symbol.asyncDispose]();
    this.#temp[Symbol.dispose]();
  }
}
