import { once } from 'node:events';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';

const TYPES =
  /^application\/vnd\.(?:oci\.image\.(?:manifest|index)|docker\.distribution\.manifest)/;

/** A registry that serves an OCI layout read-only, as one repository of any name, over plain HTTP on a port of 127.0.0.1. Serves several ranges. */
export class LayoutRegistry implements AsyncDisposable {
  /** Bytes of bodies that were sent so far. */
  sentBytes = 0;
  /** What was sent of blobs, piece by piece. */
  sent: (Span & { readonly digest: string })[] = [];
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
    await this.#sendBlob(file, sizeBytes, { request, response });
  }

  async #sendBlob(
    file: string,
    sizeBytes: number,
    { request, response }: { request: IncomingMessage; response: ServerResponse },
  ): Promise<void> {
    const spans = spansOf(request.headers.range, sizeBytes);
    const content = ({ start, end }: Span) => `bytes ${start}-${end - 1}/${sizeBytes}`;
    const [first = { start: 0, end: sizeBytes }] = spans;
    const isParts = spans.length > 1;
    const range = isParts
      ? { 'content-type': 'multipart/byteranges; boundary=part' }
      : { ...BYTES, 'content-length': first.end - first.start, 'content-range': content(first) };
    const whole = { ...BYTES, 'content-length': sizeBytes };
    response.writeHead(spans.length === 0 ? 200 : 206, spans.length === 0 ? whole : range);
    if (request.method === 'HEAD') return void response.end();
    for (const span of isParts ? spans : [first]) {
      if (isParts) this.#count(response, `\r\n--part\r\nContent-Range: ${content(span)}\r\n\r\n`);
      await this.#send(file, span, response);
      if (response.destroyed) return;
    }
    if (isParts) this.#count(response, '\r\n--part--\r\n');
    response.end();
  }

  #count(response: ServerResponse, text: string): void {
    this.sentBytes += text.length;
    response.write(text);
  }

  /** Counts anew, and stops nowhere. */
  reset(): void {
    this.sentBytes = 0;
    this.sent = [];
    this.stallAtBytes = Number.POSITIVE_INFINITY;
    this.onStall = undefined;
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

  async #send(file: string, { start, end }: Span, response: ServerResponse): Promise<void> {
    if (start === end) return;
    const digest = `sha256:${basename(file)}`;
    const range = { start, end: end - 1, highWaterMark: PIECE_BYTES };
    let at = start;
    for await (const piece of createReadStream(file, range) as AsyncIterable<Buffer>) {
      const part = piece.subarray(0, Math.max(0, this.stallAtBytes - this.sentBytes));
      this.sentBytes += part.length;
      this.sent.push({ digest, start: at, end: at + part.length });
      at += part.length;
      await new Promise((resolve) => response.write(part, resolve));
      if (part.length < piece.length) {
        this.onStall?.();
        await once(response, 'close');
      }
      if (response.destroyed) return;
    }
  }
}

const PIECE_BYTES = 16 * 1024;

/** Podman wants to be told. */
const BYTES = { 'content-type': 'application/octet-stream' };

/** A range of a blob, its end excluded. */
interface Span {
  readonly start: number;
  readonly end: number;
}

function spansOf(range: string | undefined, sizeBytes: number): Span[] {
  if (range === undefined) return [];
  return range
    .replace('bytes=', '')
    .split(',')
    .map((span) => {
      const [start = '', last = ''] = span.split('-');
      return { start: Number(start), end: last === '' ? sizeBytes : Number(last) + 1 };
    });
}
