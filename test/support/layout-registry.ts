import { once } from 'node:events';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const TYPES =
  /^application\/vnd\.(?:oci\.image\.(?:manifest|index)|docker\.distribution\.manifest)/;

/** A registry that serves an OCI layout read-only, as one repository of any name, over plain HTTP on a port of 127.0.0.1. */
export class LayoutRegistry implements AsyncDisposable {
  /** Bytes of bodies that were sent so far. */
  sentBytes = 0;
  /** A blob stops after this total number of bytes. */
  stallAtBytes = Number.POSITIVE_INFINITY;
  /** Hears of a blob that stopped. */
  onStall: (() => void) | undefined;
  readonly #path: string;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  private constructor(path: string) {
    this.#path = path;
  }

  /** @param path of the layout */
  static async start(path: string): Promise<LayoutRegistry> {
    const registry = new LayoutRegistry(path);
    registry.#server.listen(0, '127.0.0.1');
    await once(registry.#server, 'listening');
    return registry;
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '', 'http://registry');
    if (pathname === '/v2/') return void response.end('{}');
    const [, kind, reference = ''] = /^\/v2\/.+\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? [];
    const digest = kind === 'manifests' ? this.#digestOf(reference) : reference;
    const [, hex = ''] = /^sha256:([0-9a-f]{64})$/.exec(digest) ?? [];
    const file = join(this.#path, 'blobs/sha256', hex);
    const sizeBytes = hex === '' ? undefined : statSync(file, { throwIfNoEntry: false })?.size;
    if (sizeBytes === undefined) return void response.writeHead(404).end();
    if (kind === 'manifests') {
      const bytes = readFileSync(file);
      const { mediaType = '' } = JSON.parse(bytes.toString('utf8')) as { mediaType?: string };
      if (!TYPES.test(mediaType)) return void response.writeHead(404).end();
      this.sentBytes += bytes.length;
      return void response.writeHead(200, { 'content-type': mediaType }).end(bytes);
    }
    const [, first] = /^bytes=([0-9]+)-/.exec(request.headers.range ?? '') ?? [];
    const start = Number(first ?? 0);
    const range = { 'content-range': `bytes ${start}-${sizeBytes - 1}/${sizeBytes}` };
    const head = { 'content-length': sizeBytes - start, ...(first === undefined ? {} : range) };
    response.writeHead(first === undefined ? 200 : 206, head);
    if (request.method === 'HEAD') return void response.end();
    await this.#send(file, start, response);
  }

  /** The digest that a tag leads to. */
  #digestOf(reference: string): string {
    if (reference.includes(':')) return reference;
    const { manifests } = JSON.parse(readFileSync(join(this.#path, 'index.json'), 'utf8')) as {
      manifests: { digest: string; annotations?: Record<string, string> }[];
    };
    const name = 'org.opencontainers.image.ref.name';
    return manifests.find(({ annotations }) => annotations?.[name] === reference)?.digest ?? '';
  }

  async #send(file: string, start: number, response: ServerResponse): Promise<void> {
    for await (const piece of createReadStream(file, { start }) as AsyncIterable<Buffer>) {
      const part = piece.subarray(0, Math.max(0, this.stallAtBytes - this.sentBytes));
      this.sentBytes += part.length;
      await new Promise((resolve) => response.write(part, resolve));
      if (part.length < piece.length) {
        this.onStall?.();
        await once(response, 'close');
      }
      if (response.destroyed) return;
    }
    response.end();
  }
}
