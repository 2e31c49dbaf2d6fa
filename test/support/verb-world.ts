import { rejects } from 'node:assert/strict';
import { join } from 'node:path';
import { askVerb, type Json, quietContext } from './ask-verb.ts';
import { FakeRegistry } from './fake-registry.ts';
import { MemoryRegistry } from './memory-registry.ts';
import { type MultiImage, makeMultiImage, writeMultiImage } from './multi-image.ts';
import { makeMemoryDir } from './temp-dir.ts';

/** An image for two platforms in a registry and in a layout, and a folder for repositories. */
export class VerbWorld implements AsyncDisposable {
  readonly #temp = makeMemoryDir();
  readonly image: MultiImage = makeMultiImage();
  readonly memory = new MemoryRegistry({ referrers: true });
  readonly server: FakeRegistry;
  readonly written: Buffer[] = [];
  readonly warned: string[] = [];

  private constructor(server: FakeRegistry) {
    this.server = server;
    for (const [digest, bytes] of this.image.blobs) {
      if (!this.image.manifests.has(digest)) this.memory.addBlob('ns/app', bytes);
      else {
        const { mediaType } = JSON.parse(bytes.toString('utf8'));
        const tag = digest === this.image.digest ? 'v1' : undefined;
        this.memory.addManifest('ns/app', bytes, mediaType, tag);
      }
    }
    writeMultiImage(this.path('layout'), 'v1', this.image);
  }

  static async start(): Promise<VerbWorld> {
    let world: VerbWorld | undefined;
    const server = await FakeRegistry.start((request) =>
      (world as VerbWorld).memory.handler(request),
    );
    world = new VerbWorld(server);
    return world;
  }

  path(name: string): string {
    return join(this.#temp.path, name);
  }

  at(name: string): string {
    return `docker://${this.server.plainHost}/${name}`;
  }

  get layout(): string {
    return `oci:${this.path('layout')}:v1`;
  }

  /** Runs a verb; its report must be all that its schema says. */
  async ask(name: string, request: unknown): Promise<Json> {
    return await this.#ask('run', name, request);
  }

  /** What a verb would do. */
  async plan(name: string, request: unknown): Promise<Json> {
    return await this.#ask('plan', name, request);
  }

  async #ask(step: 'plan' | 'run', name: string, request: unknown): Promise<Json> {
    const context = quietContext(this.path('repo'), {
      warn: (text) => void this.warned.push(text),
      write: async (piece) => void this.written.push(Buffer.from(piece)),
    });
    return await askVerb(step, name, context, request);
  }

  async refuses(code: string, name: string, request: unknown): Promise<void> {
    await rejects(this.ask(name, request), { code }, `${name} ${JSON.stringify(request)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.#temp[Symbol.dispose]();
  }
}
