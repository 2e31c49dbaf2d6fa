import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { initRepository, openRepository, type Repository } from '#stores/composefs';
import { type PullOptions, pullImage } from '#work/pull-image';
import { type FakeAnswer, FakeRegistry, type SeenRequest } from './fake-registry.ts';
import { MemoryRegistry } from './memory-registry.ts';
import { testTar } from './tar-archive.ts';
import { makeTempDir } from './temp-dir.ts';
import { noise, type TestLayer, type TestLayout, writeTestLayout } from './test-layout.ts';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
/** The image of a `RegistryPlace`. */
export const REFERENCE = 'docker://localhost/ns/app:1';

/** A layer of incompressible files. */
export function layerTar(seed: number, files: number): Buffer {
  return testTar([
    { name: `s${seed}/`, flag: '5' },
    ...Array.from({ length: files }, (_, index) => ({
      name: `s${seed}/f${index}`,
      content: noise(100_000, seed * 1000 + index),
    })),
  ]);
}

const LAYERS: readonly TestLayer[] = [
  { tar: layerTar(1, 16) },
  { tar: layerTar(2, 2), compression: 'zstd' },
  { tar: layerTar(3, 1) },
];

/** A registry with the image of a layout, and repositories to pull it into. */
export class RegistryPlace implements AsyncDisposable {
  readonly #temp = makeTempDir();
  readonly layout: TestLayout;
  readonly server: FakeRegistry;
  /** Answers blobs in the place of the registry. */
  answerBlob: ((request: SeenRequest, whole: () => FakeAnswer) => FakeAnswer) | undefined;
  readonly #open: Repository[] = [];

  private constructor(server: FakeRegistry, layers: readonly TestLayer[]) {
    this.server = server;
    this.layout = writeTestLayout(join(this.#temp.path, 'app'), layers);
  }

  static async start(layers: readonly TestLayer[] = LAYERS): Promise<RegistryPlace> {
    const memory = new MemoryRegistry();
    let place: RegistryPlace | undefined;
    const server = await FakeRegistry.start((request) => {
      const whole = () => memory.handler(request) as FakeAnswer;
      const isBlob = request.url.pathname.includes('/blobs/');
      return isBlob && place?.answerBlob !== undefined ? place.answerBlob(request, whole) : whole();
    });
    place = new RegistryPlace(server, layers);
    const blobs = join(place.#temp.path, 'app/blobs/sha256');
    for (const name of readdirSync(blobs))
      memory.addBlob('ns/app', readFileSync(join(blobs, name)));
    mkdirSync(place.path('certs'));
    writeFileSync(join(place.path('certs'), 'ca.crt'), server.authority);
    const manifest = readFileSync(join(blobs, place.layout.manifestDigest.slice(7)));
    memory.addManifest('ns/app', manifest, MANIFEST_TYPE, '1');
    return place;
  }

  async repository(name: string): Promise<Repository> {
    const path = join(this.#temp.path, name);
    const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
    this.#open.push(repository);
    return repository;
  }

  async again(name: string): Promise<Repository> {
    const repository = await openRepository(join(this.#temp.path, name));
    this.#open.push(repository);
    return repository;
  }

  path(name: string): string {
    return join(this.#temp.path, name);
  }

  pull(repository: Repository, options: PullOptions = {}) {
    return pullImage(repository, REFERENCE, { ...this.registry, name: 'app', ...options });
  }

  get registry(): Pick<PullOptions, 'registry'> {
    const retry = { attempts: 2, baseMs: 1, capMs: 2 };
    const certDir = this.path('certs');
    return { registry: { certDir, settings: { resolve: this.server.resolve, retry } } };
  }

  /** Requests for blobs, as `range` or `whole`. */
  get blobRequests(): string[] {
    return this.server.seen
      .filter(({ url }) => url.pathname.includes('/blobs/'))
      .map(({ headers }) => headers.range ?? 'whole');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const repository of this.#open) repository[Symbol.dispose]();
    await this.server[Symbol.asyncDispose]();
    this.#temp[Symbol.dispose]();
  }
}

/** Sends `count` bytes of an answer and breaks the connection. */
export function cutAt(answer: FakeAnswer, count: number): FakeAnswer {
  if (typeof answer === 'function' || answer.body === undefined) return answer;
  const bytes = Buffer.from(answer.body);
  return (response: ServerResponse) => {
    response.writeHead(answer.status, { ...answer.headers, 'content-length': bytes.length });
    response.write(bytes.subarray(0, count), () => response.destroy());
  };
}
