import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import type { ContentDigest, DiffId } from '#base/digest';
import { Dir } from '#host';
import { RegistryRepository } from '#remotes/registry';
import { openLayerParts, tarOf } from '#work/pull-partial';
import { readChunkedImage } from '../support/chunked-layers.ts';
import { type FakeAnswer, FakeRegistry, type SeenRequest } from '../support/fake-registry.ts';
import { digestOf } from '../support/memory-registry.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const [LAYER = assert.fail('no layer')] = readChunkedImage('oci/zc-v2');
const BLOB = LAYER.blob;
const TAR = zstdDecompressSync(BLOB);
type Span = readonly [first: number, last: number];

/** How a server answers ranges, and how often the whole blob may come. */
interface Mode {
  readonly answer: (spans: readonly Span[], count: number) => FakeAnswer;
  readonly wholes: number;
}

const whole: FakeAnswer = { status: 200, body: BLOB };

function single([first, last]: Span, total: number | string = BLOB.length): FakeAnswer {
  const headers = { 'content-range': `bytes ${first}-${last}/${total}` };
  return { status: 206, headers, body: BLOB.subarray(first, last + 1) };
}

function multi(spans: readonly Span[], cutBytes = 0): FakeAnswer {
  const parts = spans.flatMap(([first, last]) => [
    Buffer.from(`\r\n--part\r\nContent-Range: bytes ${first}-${last}/${BLOB.length}\r\n\r\n`),
    BLOB.subarray(first, last + 1),
  ]);
  const body = Buffer.concat([...parts, Buffer.from('\r\n--part--\r\n')]);
  const headers = { 'content-type': 'multipart/byteranges; boundary=part' };
  if (cutBytes === 0) return { status: 206, headers, body };
  return (response) => {
    response.writeHead(206, { ...headers, 'content-length': body.length });
    response.write(body.subarray(0, body.length - cutBytes), () => response.destroy());
  };
}

const oneOr = (answer: (spans: readonly Span[], count: number) => FakeAnswer): Mode => ({
  answer: (spans, count) =>
    spans.length === 1 ? single(spans[0] ?? [0, 0]) : answer(spans, count),
  wholes: 0,
});

const MODES: Readonly<Record<string, Mode>> = {
  'several ranges': oneOr((spans) => multi(spans)),
  'whole blob whatever is asked': { answer: () => whole, wholes: 1 },
  'whole blob for several ranges': { ...oneOr(() => whole), wholes: 1 },
  '400 for several ranges': oneOr(() => ({ status: 400 })),
  '416 for several ranges': oneOr(() => ({ status: 416 })),
  '501 for several ranges': oneOr(() => ({ status: 501 })),
  'the first of several ranges alone': oneOr((spans) => single(spans[0] ?? [0, 0])),
  'parts in reverse': oneOr((spans) => multi(spans.toReversed())),
  'parts joined': oneOr((spans) => multi([[spans[0]?.[0] ?? 0, spans.at(-1)?.[1] ?? 0]])),
  'parts cut off once': oneOr((spans, count) => multi(spans, count < 3 ? 1000 : 0)),
  '206 without Content-Range': oneOr(() => ({ status: 206, body: BLOB.subarray(0, 100) })),
  'parts of another blob': oneOr((spans) => single(spans[0] ?? [0, 0], 7)),
  'other bytes whatever is asked': { answer: ([span]) => single(span ?? [0, 0], 7), wholes: 1 },
};

for (const [name, mode] of Object.entries(MODES)) {
  test(`a server that answers in this way gives the layer, with at most ${mode.wholes} whole blobs: ${name}`, async () => {
    let wholes = 0;
    let count = 0;
    let most = 0;
    const handler = (request: SeenRequest): FakeAnswer => {
      if (request.url.pathname === '/v2/') return { status: 200, body: '{}' };
      const { range } = request.headers;
      if (range === undefined) {
        wholes += 1;
        return whole;
      }
      const spans = range.replace('bytes=', '').split(',');
      count += 1;
      most = Math.max(most, spans.length);
      const answer = mode.answer(
        spans.map((span) => span.split('-').map(Number) as unknown as Span),
        count,
      );
      if (answer === whole) wholes += 1;
      return answer;
    };
    const server = await FakeRegistry.start(handler);
    const endpoint = { host: 'reg.test', repository: 'ns/img', insecure: false };
    const repository = new RegistryRepository(
      [{ ...endpoint, tls: { caPem: [server.authority] } }],
      { resolve: server.resolve, retry: { attempts: 3, baseMs: 1, capMs: 2 } },
    );
    try {
      const found = await pull(repository);
      assert.ok(found.bytes.equals(found.kind === 'parts' ? TAR : BLOB));
      assert.equal(wholes, mode.wholes);
      assert.equal(most > 1, !name.endsWith('whatever is asked'), 'several ranges were asked for');
    } finally {
      await repository[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    }
  });
}

/** Every third file is here, so that there are several ranges to fetch. */
async function pull(repository: RegistryRepository) {
  using temp = makeTempDir();
  using scratch = Dir.open(temp.path);
  const digest = digestOf(BLOB) as ContentDigest;
  const blob = repository.openBlob({ digest, sizeBytes: BLOB.length });
  const parts = await openLayerParts<string>({
    blob,
    annotations: new Map(Object.entries(LAYER.annotations)),
    diffId: LAYER.diffId as DiffId,
    terms: {
      strategy: 'partial',
      blobBytes: BLOB.length,
      ability: 'multi',
      cost: { requestMs: 0.001, bytesPerMs: 100_000, connections: 4 },
    },
    find: () => ({ file: () => undefined, chunk: (found) => localChunk(found) }),
    open: (source) => ({
      sizeBytes: CHUNKS.get(source)?.length ?? 0,
      read: (offset, into) => CHUNKS.get(source)?.copy(into, 0, offset, offset + into.length) ?? 0,
      [Symbol.dispose]() {},
    }),
    scratch,
  });
  const source = parts.kind === 'parts' ? tarOf(parts.parts) : (parts.blob ?? blob.read());
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(Uint8Array.from(piece));
  return { kind: parts.kind, bytes: Buffer.concat(pieces) };
}

/** Chunks of big.bin that are here, by digest. */
const CHUNKS = new Map<string, Buffer>();
const ENTRIES: { name: string; chunkDigest?: string; offset: number }[] = JSON.parse(
  tocText(),
).entries;
for (const [at, { name, chunkDigest, offset }] of ENTRIES.entries()) {
  const next = ENTRIES[at + 1];
  if (name !== 'data/big.bin' || chunkDigest === undefined || next?.name !== name) continue;
  if (CHUNKS.size === 12 || at % 3 === 0) continue;
  CHUNKS.set(chunkDigest, zstdDecompressSync(BLOB.subarray(offset, next.offset)));
}

function tocText(): string {
  const position = LAYER.annotations['io.github.containers.zstd-chunked.manifest-position'] ?? '';
  const [offset = 0, length = 0] = position.split(':').map(Number);
  return zstdDecompressSync(BLOB.subarray(offset, offset + length)).toString('utf8');
}

function localChunk(digest: string): { source: string; offset: number } | undefined {
  return CHUNKS.has(digest) ? { source: digest, offset: 0 } : undefined;
}
