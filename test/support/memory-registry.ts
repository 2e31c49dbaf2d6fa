import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FakeAnswer, FakeHandler, SeenRequest } from './fake-registry.ts';

/** How a registry of a test behaves. */
export interface MemoryRegistryOptions {
  /** Keeps lists of referrers, and says so. */
  readonly referrers?: boolean;
  /** Tags on a page; all when omitted. */
  readonly tagsPerPage?: number;
  /** Tells how far an upload came, keeps what came before a break, and refuses chunks out of order, as distribution 3 does. */
  readonly tellsStatus?: boolean;
  /** Announced least size of a chunk. */
  readonly chunkMinBytes?: number;
  /** Several ranges in one request: `parts` as a multipart body, else refused. */
  readonly parts?: boolean;
  /** Prefix of upload locations. */
  readonly uploadBase?: string;
  /** Where blobs are redirected to. */
  readonly blobBase?: string;
}

/** A registry in memory: any repository of any host, which all share blobs and manifests unless mounts are asked for. */
export class MemoryRegistry {
  readonly blobs = new Map<string, Buffer>();
  /** `REPOSITORY digest` of every blob that was pushed or mounted there. */
  readonly links = new Set<string>();
  /** By `REPOSITORY reference`. */
  readonly manifests = new Map<string, { readonly type: string; readonly bytes: Buffer }>();
  readonly #options: MemoryRegistryOptions;
  readonly #uploads = new Map<string, Buffer>();
  #count = 0;

  constructor(options: MemoryRegistryOptions = {}) {
    this.#options = options;
  }

  addBlob(repository: string, bytes: Uint8Array): string {
    const digest = digestOf(bytes);
    this.blobs.set(digest, Buffer.from(bytes));
    this.links.add(`${repository} ${digest}`);
    return digest;
  }

  addManifest(repository: string, bytes: Uint8Array, type: string, tag?: string): string {
    const digest = digestOf(bytes);
    for (const name of [digest, ...(tag === undefined ? [] : [tag])]) {
      this.manifests.set(`${repository} ${name}`, { type, bytes: Buffer.from(bytes) });
    }
    return digest;
  }

  /** Everything of an OCI layout with one image of this tag; its manifest is the only one of the index. */
  addLayout(repository: string, path: string, tag: string): void {
    const { manifests } = JSON.parse(readFileSync(join(path, 'index.json'), 'utf8'));
    const [{ mediaType, digest }] = manifests as [{ mediaType: string; digest: string }];
    const blobs = join(path, 'blobs/sha256');
    for (const name of readdirSync(blobs)) {
      const bytes = readFileSync(join(blobs, name));
      if (name === digest.slice(7)) this.addManifest(repository, bytes, mediaType, tag);
      else this.addBlob(repository, bytes);
    }
  }

  /** Bytes of the upload that is open. */
  get uploadedBytes(): number[] {
    return [...this.#uploads.values()].map(({ length }) => length);
  }

  /** Keeps the bytes that came before a connection broke. */
  readonly partial = (id: string, bytes: Buffer): void => {
    this.#uploads.set(id, bytes);
  };

  /** Keeps what came of the body of a broken request, as distribution 3 does. */
  readonly broken = ({ url, body }: Pick<SeenRequest, 'url' | 'body'>): void => {
    const id = /\/uploads\/(u[0-9]+)$/.exec(url.pathname)?.[1];
    const held = id === undefined ? undefined : this.#uploads.get(id);
    if (id !== undefined && held !== undefined) this.partial(id, Buffer.concat([held, body]));
  };

  readonly handler: FakeHandler = (request) => {
    const { pathname } = request.url;
    if (pathname === '/v2/') return { status: 200, body: '{}' };
    const [, repository = '', kind = '', rest = ''] =
      /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/(.*)$/.exec(pathname) ?? [];
    if (kind === 'manifests') return this.#manifest(request, repository, rest);
    if (kind === 'tags') return this.#tags(request, repository);
    if (kind === 'referrers') return this.#referrersOf(repository, rest);
    if (rest.startsWith('uploads/')) return this.#upload(request, repository, rest.slice(8));
    if (kind === 'blobs') return this.#blob(request, repository, rest);
    return { status: 404, headers: { 'content-type': 'text/plain' }, body: '404 page not found' };
  };

  #manifest({ method, body, headers }: SeenRequest, repository: string, name: string): FakeAnswer {
    if (method === 'PUT') {
      const type = headers['content-type'] ?? '';
      const digest = this.addManifest(repository, body, type, name);
      const { subject } = JSON.parse(body.toString('utf8'));
      const kept = this.#options.referrers === true && subject !== undefined;
      return {
        status: 201,
        headers: {
          'docker-content-digest': digest,
          ...(kept ? { 'oci-subject': subject.digest } : {}),
        },
      };
    }
    const found = this.manifests.get(`${repository} ${name}`);
    if (found === undefined) return refusal(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
    const accepts = headers.accept ?? '';
    // As docker-registry: what is not accepted is not there.
    if (!accepts.includes(found.type)) return refusal(404, 'MANIFEST_UNKNOWN', 'OCI index found');
    const digest = digestOf(found.bytes);
    const stated = { 'content-type': found.type, 'docker-content-digest': digest };
    return { status: 200, headers: stated, body: found.bytes };
  }

  #tags({ url }: SeenRequest, repository: string): FakeAnswer {
    const names = [...this.manifests.keys()]
      .filter((key) => key.startsWith(`${repository} `) && !key.includes(':'))
      .map((key) => key.slice(repository.length + 1));
    if (names.length === 0) return refusal(404, 'NAME_UNKNOWN', 'repository name not known');
    const from = Number(url.searchParams.get('from') ?? 0);
    const count = this.#options.tagsPerPage ?? names.length;
    const more = from + count < names.length;
    const link = `</v2/${repository}/tags/list?from=${from + count}>; rel="next"`;
    const body = JSON.stringify({ name: repository, tags: names.slice(from, from + count) });
    return { status: 200, headers: more ? { link } : {}, body };
  }

  #referrersOf(repository: string, subject: string): FakeAnswer {
    if (this.#options.referrers !== true) {
      return { status: 404, headers: { 'content-type': 'text/plain' }, body: '404 page not found' };
    }
    const manifests = [...this.manifests]
      .filter(([key]) => key.startsWith(`${repository} sha256:`))
      .map(([, { bytes, type }]) => ({ bytes, type, document: JSON.parse(bytes.toString('utf8')) }))
      .filter(({ document }) => document.subject?.digest === subject)
      .map(({ bytes, type, document }) => ({
        mediaType: type,
        digest: digestOf(bytes),
        size: bytes.length,
        artifactType: document.artifactType,
      }));
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const body = JSON.stringify({ schemaVersion: 2, mediaType, manifests });
    return { status: 200, headers: { 'content-type': mediaType }, body };
  }

  #blob({ method, headers, url }: SeenRequest, repository: string, digest: string): FakeAnswer {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined || !this.links.has(`${repository} ${digest}`)) {
      return refusal(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
    }
    const { blobBase, parts } = this.#options;
    if (blobBase !== undefined && url.origin !== blobBase) {
      return { status: 307, headers: { location: `${blobBase}${url.pathname}?signed` } };
    }
    if (method === 'HEAD') return { status: 200, headers: { 'content-length': `${bytes.length}` } };
    const ranges = rangesOf(headers.range, bytes.length);
    if (ranges.length === 0) return { status: 200, body: bytes };
    const total = bytes.length;
    if (ranges.length === 1) {
      const [first = 0, last = 0] = ranges[0] ?? [];
      const range = { 'content-range': `bytes ${first}-${last}/${total}` };
      return { status: 206, headers: range, body: bytes.subarray(first, last + 1) };
    }
    if (parts !== true) return { status: 416 };
    const pieces = ranges.flatMap(([first, last]) => [
      `--cut\r\ncontent-range: bytes ${first}-${last}/${total}\r\n\r\n`,
      bytes.subarray(first, last + 1),
      '\r\n',
    ]);
    const body = Buffer.concat([...pieces, '--cut--\r\n'].map((piece) => Buffer.from(piece)));
    const type = { 'content-type': 'multipart/byteranges; boundary=cut' };
    return { status: 206, headers: type, body };
  }

  #upload({ method, url, body, headers }: SeenRequest, repository: string, id: string): FakeAnswer {
    if (method === 'POST') return this.#open(url, repository);
    const held = this.#uploads.get(id);
    if (held === undefined) return refusal(404, 'BLOB_UPLOAD_UNKNOWN', 'upload unknown');
    if (method === 'DELETE') {
      this.#uploads.delete(id);
      return { status: 204 };
    }
    const location = `${this.#base(url)}/v2/${repository}/blobs/uploads/${id}?step=${++this.#count}`;
    const answer = (status: number, length: number) => ({
      status,
      headers: { location, range: `0-${Math.max(0, length - 1)}` },
    });
    if (method === 'GET') {
      if (this.#options.tellsStatus === true) return answer(204, held.length);
      return refusal(404, 'BLOB_UPLOAD_INVALID', 'upload invalid');
    }
    const [, from] = /^([0-9]+)-/.exec(headers['content-range'] ?? '') ?? [];
    const isNext = from === undefined || Number(from) === held.length;
    if (this.#options.tellsStatus === true && !isNext) {
      return refusal(416, 'RANGE_INVALID', 'invalid content range');
    }
    const all = Buffer.concat([held, body]);
    this.#uploads.set(id, all);
    if (method === 'PATCH') return answer(202, all.length);
    const wanted = url.searchParams.get('digest') ?? '';
    if (digestOf(all) !== wanted)
      return refusal(400, 'DIGEST_INVALID', 'provided digest did not match');
    this.#uploads.delete(id);
    this.addBlob(repository, all);
    return { status: 201, headers: { 'docker-content-digest': wanted } };
  }

  #open(url: URL, repository: string): FakeAnswer {
    const mount = url.searchParams.get('mount');
    const from = url.searchParams.get('from');
    if (mount !== null && this.links.has(`${from} ${mount}`)) {
      this.links.add(`${repository} ${mount}`);
      return { status: 201 };
    }
    const id = `u${++this.#count}`;
    this.#uploads.set(id, Buffer.alloc(0));
    const { chunkMinBytes } = this.#options;
    const announced =
      chunkMinBytes === undefined ? {} : { 'oci-chunk-min-length': `${chunkMinBytes}` };
    const location = `${this.#base(url)}/v2/${repository}/blobs/uploads/${id}?_state=a%2Fb`;
    return { status: 202, headers: { location, range: '0-0', ...announced } };
  }

  #base(url: URL): string {
    return this.#options.uploadBase ?? url.origin;
  }
}

/** The answer of a registry that refuses. */
export function refusal(status: number, code: string, message: string): FakeAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ errors: [{ code, message }] }),
  };
}

/** sha256 in the way of registries. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function rangesOf(header: string | undefined, sizeBytes: number): [number, number][] {
  return (header?.replace('bytes=', '').split(',') ?? []).map((one) => {
    const [first = '', last = ''] = one.split('-');
    return [Number(first), last === '' ? sizeBytes - 1 : Number(last)];
  });
}
