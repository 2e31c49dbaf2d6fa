import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { writeChunkedLayer } from '#formats/chunked-writer';
import { readChunkedImage } from '../support/chunked-layers.ts';
import { openPodman } from '../support/podman.ts';
import { testTar } from '../support/tar-archive.ts';

/** A registry of one image at a time; it serves several ranges in one response and remembers what was asked. */
async function serveImages(t: TestContext) {
  const blobs = new Map<string, Buffer>();
  const asked: { digest: string; range: string | undefined; bytes: number }[] = [];
  let manifest = Buffer.alloc(0);
  const server = createServer((request, response) => {
    const [, digest] = /\/blobs\/(sha256:[0-9a-f]+)$/.exec(request.url ?? '') ?? [];
    const blob = digest === undefined ? undefined : blobs.get(digest);
    if (request.url === '/v2/') response.end('{}');
    else if (blob === undefined || digest === undefined) {
      response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json');
      response.setHeader('docker-content-digest', digestOf(manifest));
      response.end(manifest);
    } else {
      const { range } = request.headers;
      const [type, body] = rangesOf(blob, range);
      asked.push({ digest, range, bytes: body.length });
      response.writeHead(range === undefined ? 200 : 206, type).end(body);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const put = (bytes: Buffer) => {
    blobs.set(digestOf(bytes), bytes);
    return { digest: digestOf(bytes), size: bytes.length };
  };
  return {
    asked,
    name: `127.0.0.1:${(server.address() as AddressInfo).port}/image`,
    /** Writes a layer as ours and makes it the image. */
    async publish(tar: Buffer) {
      const { blob, annotations } = await writeLayer(tar);
      const config = put(
        Buffer.from(
          JSON.stringify({
            architecture: 'amd64',
            os: 'linux',
            config: {},
            rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
          }),
        ),
      );
      manifest = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
          layers: [
            { mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd', ...put(blob), annotations },
          ],
        }),
      );
      return { digest: digestOf(blob), sizeBytes: blob.length };
    },
  };
}

function rangesOf(blob: Buffer, range: string | undefined): [Record<string, string>, Buffer] {
  if (range === undefined) return [{}, blob];
  const spans = range
    .replace('bytes=', '')
    .split(',')
    .map((span) => {
      const [first = 0, last] = span
        .split('-')
        .map((text) => (text === '' ? undefined : Number(text)));
      return [first, last ?? blob.length - 1] as const;
    });
  const header = ([first, last]: readonly [number, number]) =>
    `bytes ${first}-${last}/${blob.length}`;
  const [only] = spans;
  if (spans.length === 1 && only !== undefined) {
    const type = { 'content-type': 'application/octet-stream', 'content-range': header(only) };
    return [type, blob.subarray(only[0], only[1] + 1)];
  }
  const parts = spans.flatMap((span) => [
    Buffer.from(`\r\n--part\r\nContent-Range: ${header(span)}\r\n\r\n`),
    blob.subarray(span[0], span[1] + 1),
  ]);
  const type = { 'content-type': 'multipart/byteranges; boundary=part' };
  return [type, Buffer.concat([...parts, Buffer.from('\r\n--part--\r\n')])];
}

async function writeLayer(tar: Buffer) {
  const pieces: Uint8Array[] = [];
  const writing = writeChunkedLayer([tar], { level: 3 });
  for (;;) {
    const { done, value } = await writing.next();
    if (done) {
      assert.ok(value.kind === 'chunked');
      return { blob: Buffer.concat(pieces), annotations: Object.fromEntries(value.annotations) };
    }
    pieces.push(value);
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

test('podman pulls the layers that onecopy writes in parts, at edges of the chunker and the metadata too', async (t) => {
  using podman = await openPodman(t);
  if (podman === undefined) return;
  const registry = await serveImages(t);
  for (const image of ['oci/zc-v1', 'oci/zc-v2', 'extra/oci/holes', 'extra/oci/meta']) {
    const [fixture = assert.fail('no layer')] = readChunkedImage(image);
    const { digest } = await registry.publish(zstdDecompressSync(fixture.blob));
    registry.asked.length = 0;
    const { status, output } = await podman.run('pull', '--tls-verify=false', registry.name);
    assert.equal(status, 0, output);
    const layer = registry.asked.filter((request) => request.digest === digest);
    assert.equal(layer.length, 2, 'TOC and tar-split, then content');
    assert.ok(
      layer.every(({ range }) => range !== undefined),
      'never the whole blob',
    );
  }
});

test('podman fetches only the changed file of a second layer, and its check passes on both', async (t) => {
  using podman = await openPodman(t);
  if (podman === undefined) return;
  const registry = await serveImages(t);
  const files = Array.from({ length: 40 }, (_, at) => ({
    name: `file-${at}`,
    content: Buffer.from(`content of ${at} `.repeat(3000)),
  }));
  const pull = async (tar: Buffer) => {
    const { digest } = await registry.publish(tar);
    registry.asked.length = 0;
    const { status, output } = await podman.run('pull', '--tls-verify=false', registry.name);
    assert.equal(status, 0, output);
    return registry.asked.filter((request) => request.digest === digest).map(({ bytes }) => bytes);
  };
  const [, first = 0] = await pull(testTar(files));
  const changed = files.map((file, at) =>
    at === 7 ? { ...file, content: Buffer.from('new') } : file,
  );
  const [, second = 0] = await pull(testTar(changed));
  assert.ok(first > 3000 && second < 100, `${first} and ${second} bytes of content`);
  const { status, output } = await podman.run('system', 'check');
  assert.equal(status, 0, output);
});
