/**
 * Debian's docker-registry: what we push is read by skopeo, what skopeo pushes is read here, byte for byte; with Basic, and
 * with a token server of the test.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type ContentDigest, computeContentDigest, hexOf } from '#base/digest';
import { hasCode } from '#base/errors';
import type { Credentials } from '#formats/containers-config';
import { type Descriptor, type Manifest, MEDIA_TYPES, parseManifest } from '#formats/oci';
import { RegistryRepository } from '#remotes/registry';
import { needs } from '../support/capability.ts';
import { DockerRegistry } from '../support/docker-registry.ts';
import { cliEnvironment, ONECOPY } from '../support/run-cli.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { writeTinyImage } from '../support/tiny-images.ts';
import { TOKEN_USER, TokenServer } from '../support/token-server.ts';

const skopeo = (...words: readonly string[]) =>
  execFileSync('skopeo', ['--insecure-policy', ...words], { encoding: 'utf8', stdio: 'pipe' });

/** Runs onecopy without blocking this process, and gives what it printed. */
async function runProgram(words: readonly string[], repo: string): Promise<string> {
  const env = cliEnvironment({ ONECOPY_REPO: repo });
  return (await promisify(execFile)(ONECOPY, words, { env })).stdout;
}

function open(registry: DockerRegistry, name: string, credentials?: Credentials) {
  const endpoint = {
    host: registry.host,
    repository: name,
    insecure: false,
    credentials: () => credentials && { credentials, source: 'a test' },
  };
  return new RegistryRepository([endpoint]);
}

/** A layout with one image of two layers. */
async function writeImage(path: string) {
  const layers = [
    { files: { 'etc/': '', 'etc/os-release': 'NAME=test\n' } },
    { files: { 'big.txt': randomBytes(700_000).toString('base64') } },
  ];
  const { digest } = await writeTinyImage(path, 'v1', layers);
  const blobOf = (one: string) => readFileSync(join(path, 'blobs/sha256', one.slice(7)));
  const manifest = parseManifest(blobOf(digest), MEDIA_TYPES.ociManifest) as Manifest;
  return { manifest, blobOf };
}

const inPieces = (bytes: Buffer) => ({
  digest: computeContentDigest(bytes),
  sizeBytes: bytes.length,
  open: async function* (offset: number) {
    for (let at = offset; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
  },
});

/** Pushes an image in the way of `push`: blobs, then the manifest. */
async function push(
  repository: RegistryRepository,
  { manifest, blobOf }: Awaited<ReturnType<typeof writeImage>>,
): Promise<string[]> {
  const ways: string[] = [];
  for (const { digest } of [manifest.config, ...manifest.layers]) {
    ways.push(await repository.pushBlob(inPieces(blobOf(digest))));
  }
  const { bytes, mediaType } = manifest;
  await repository.pushManifest({ bytes, mediaType, tag: 'v1' });
  return ways;
}

test('skopeo reads a pushed image, and a second push sends nothing', async (t) => {
  if (!needs(t, 'tool:docker-registry', 'tool:skopeo')) return;
  using temp = makeTempDir();
  const image = await writeImage(join(temp.path, 'layout'));
  await using registry = await DockerRegistry.start();
  await using repository = open(registry, 'ns/img');
  assert.deepEqual(await push(repository, image), ['uploaded', 'uploaded', 'uploaded']);
  assert.deepEqual(await push(repository, image), ['present', 'present', 'present']);
  await using other = open(registry, 'ns/other');
  const big = image.blobOf(image.manifest.layers[1]?.digest ?? '');
  assert.equal(await other.pushBlob(inPieces(big), { mountFrom: ['ns/img'] }), 'mounted');
  const from = `docker://${registry.host}/ns/img:v1`;
  skopeo('copy', '--quiet', '--src-tls-verify=false', from, `dir:${temp.path}/back`);
  assert.deepEqual(
    readFileSync(join(temp.path, 'back/manifest.json')),
    Buffer.from(image.manifest.bytes),
  );
  const layer = image.manifest.layers[1] as Descriptor;
  assert.deepEqual(readFileSync(join(temp.path, 'back', hexOf(layer.digest))), big);
});

test('an image pushed by skopeo is read whole, by ranges and from an offset', async (t) => {
  if (!needs(t, 'tool:docker-registry', 'tool:skopeo')) return;
  using temp = makeTempDir();
  const layout = join(temp.path, 'layout');
  const { manifest, blobOf } = await writeImage(layout);
  await using registry = await DockerRegistry.start();
  const to = `docker://${registry.host}/ns/img:v1`;
  skopeo('copy', '--quiet', '--dest-tls-verify=false', `oci:${layout}:v1`, to);
  await using repository = open(registry, 'ns/img');
  const found = await repository.resolve({ tag: 'v1' });
  assert.deepEqual(Buffer.from(found.manifest.bytes), Buffer.from(manifest.bytes));
  assert.equal(
    (await repository.requireManifest({ digest: manifest.digest })).digest,
    manifest.digest,
  );
  assert.deepEqual(await repository.listTags(), ['v1']);
  const layer = manifest.layers[1] as Descriptor;
  const bytes = blobOf(layer.digest);
  const blob = repository.openBlob(layer);
  const whole: Uint8Array[] = [];
  for await (const piece of blob.read({ offset: 500_000 })) whole.push(piece);
  assert.deepEqual(Buffer.concat(whole), bytes.subarray(500_000));
  const ranges = [
    { offset: 3, length: 5 },
    { offset: 300_000, length: 100_000 },
  ];
  const answer = await blob.readRanges(ranges);
  assert.ok(answer.kind === 'ranges');
  let length = 0;
  for await (const piece of answer.pieces) {
    const expected = bytes.subarray(piece.offset, piece.offset + piece.bytes.length);
    assert.ok(expected.equals(piece.bytes));
    length += piece.bytes.length;
  }
  assert.equal(length, 100_005);
  assert.deepEqual(await repository.listReferrers(manifest.digest), []);
});

test('a blob of more than 64 MiB is streamed, and a missing blob is named in the error', async (t) => {
  if (!needs(t, 'tool:docker-registry')) return;
  await using registry = await DockerRegistry.start();
  await using repository = open(registry, 'ns/img');
  const big = Buffer.alloc((64 << 20) + 1, randomBytes(4096));
  assert.equal(await repository.pushBlob(inPieces(big)), 'uploaded');
  const digest = computeContentDigest(Buffer.from('nowhere')) as ContentDigest;
  assert.equal(await repository.hasBlob(digest), false);
  await assert.rejects(repository.readBlob({ digest, sizeBytes: 7 }), (error) =>
    hasCode(error, 'BLOB_NOT_FOUND'),
  );
  await assert.rejects(repository.requireManifest({ tag: 'none' }), (error) =>
    hasCode(error, 'MANIFEST_NOT_FOUND'),
  );
  await assert.rejects(open(registry, 'no/such').listTags(), (error) =>
    hasCode(error, 'REGISTRY_NAME_NOT_FOUND'),
  );
});

/** `abc`, by bcrypt. */
const HTPASSWD = 'u:$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i\n';

test('Basic: push and pull succeed with the right password, and fail with a wrong one or none', async (t) => {
  if (!needs(t, 'tool:docker-registry')) return;
  using temp = makeTempDir();
  const image = await writeImage(join(temp.path, 'layout'));
  await using registry = await DockerRegistry.start({ htpasswd: HTPASSWD });
  await using repository = open(registry, 'a/b', { kind: 'password', user: 'u', password: 'abc' });
  await repository.verifyLogin();
  await push(repository, image);
  await repository.resolve({ tag: 'v1' });
  for (const credentials of [
    undefined,
    { kind: 'password', user: 'u', password: 'wrong' } as const,
  ]) {
    await using stranger = open(registry, 'a/b', credentials);
    await assert.rejects(stranger.verifyLogin(), (error) => hasCode(error, 'HTTP_DENIED'));
    await assert.rejects(stranger.resolve({ tag: 'v1' }), (error) => {
      assert.ok(hasCode(error, 'HTTP_DENIED'));
      assert.match(
        error.hint ?? '',
        /^Run `onecopy login --username NAME --password-stdin 127\.0\.0\.1:[0-9]+`/,
      );
      return true;
    });
  }
});

test('Bearer: few tokens are requested from the token server, each for its action', async (t) => {
  if (!needs(t, 'tool:docker-registry')) return;
  using temp = makeTempDir();
  const image = await writeImage(join(temp.path, 'layout'));
  await using tokens = await TokenServer.start();
  const { asked, token } = tokens;
  await using registry = await DockerRegistry.start({ token });
  const credentials = { kind: 'password', ...TOKEN_USER } as const;
  await using repository = open(registry, 'a/b', credentials);
  await repository.verifyLogin();
  await push(repository, image);
  await repository.resolve({ tag: 'v1' });
  assert.deepEqual(asked, [[], ['repository:a/b:pull,push']], 'one token serves push and pull');
  await using other = open(registry, 'a/c', credentials);
  const big = image.blobOf(image.manifest.layers[1]?.digest ?? '');
  assert.equal(await other.pushBlob(inPieces(big), { mountFrom: ['a/b'] }), 'mounted');
  assert.deepEqual(asked.at(-1), ['repository:a/c:pull,push', 'repository:a/b:pull']);
});

test('the command line pulls an image of skopeo, and skopeo reads an image that it pushed', async (t) => {
  if (!needs(t, 'tool:docker-registry', 'tool:skopeo')) return;
  using temp = makeTempDir();
  const path = join(temp.path, 'layout');
  const { manifest } = await writeImage(path);
  await using registry = await DockerRegistry.start();
  const theirs = `docker://${registry.host}/theirs/img:v1`;
  skopeo('copy', '--dest-tls-verify=false', `oci:${path}:v1`, theirs);
  const run = async (...words: string[]) =>
    JSON.parse(await runProgram([...words, '--json'], join(temp.path, 'repo')));
  await run('init', '--insecure');
  const pulled = await run('pull', theirs, '--keep-blobs');
  assert.equal(pulled.manifestDigest, computeContentDigest(manifest.bytes));
  const ours = `docker://${registry.host}/ours/img:v2`;
  const pushed = await run('push', pulled.name, ours, '--same-digest');
  assert.deepEqual(
    pushed.layers.map(({ method }: { method: string }) => method),
    ['mounted', 'mounted'],
  );
  assert.deepEqual(pushed.manifestDigest, pulled.manifestDigest);
  const target = join(temp.path, 'back');
  skopeo('copy', '--src-tls-verify=false', ours, `dir:${target}`);
  assert.deepEqual(readFileSync(join(target, 'manifest.json')), Buffer.from(manifest.bytes));
  assert.deepEqual((await run('tags', ours)).tags, ['v2']);
});
