import assert from 'node:assert/strict';
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { type ContentDigest, computeContentDigest } from '#base/digest';
import { checkRepository, initRepository, openRepository } from '#stores/composefs';
import { layerStreamName } from '#work/image';
import { pullImage } from '#work/pull-image';
import { chunkedLayer } from './chunked-image.ts';
import { LayoutRegistry } from './layout-registry.ts';
import { cliEnvironment, ONECOPY } from './run-cli.ts';
import { testTar } from './tar-archive.ts';
import { makeTempDir } from './temp-dir.ts';
import { noise, type TestLayer, type TestLayout, writeTestLayout } from './test-layout.ts';

/** Longest wait until what was sent is stored, and time between two looks, in milliseconds. */
const STORED_MS_MAX = 10_000;
const POLL_MS = 20;
/** Longest time between the last byte of an image and a kill, in milliseconds. */
const AFTER_LAST_MS_MAX = 400;
/** A resume fetches less than this of each blob again. */
const AGAIN_BYTES_MAX = 1 << 20;

/** How the layers of an image come. */
export type KilledRoute = 'whole' | 'partial';

/** What came of killing pulls. */
export interface PullKills {
  readonly killed: number;
  /** Most bytes of one blob that were sent again. */
  readonly mostAgain: number;
  /** What went wrong, one line each. */
  readonly wrong: readonly string[];
}

/**
 * Kills the command line at random points of a pull from a registry, and pulls again. Of three points, the first is inside a blob, when everything
 * that was sent is stored; the second is inside a blob at once; the third is after the last byte. Bytes that are stored are not sent again, and
 * less than 1 MiB of each blob is.
 */
export async function killPulls(count: number, route: KilledRoute): Promise<PullKills> {
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  const { first, second, layers } = await makeImages(at, route);
  await pullHere(at('base'), first.reference);
  const imageId = await pullHere(at('alone'), second.reference);
  await using registry = await LayoutRegistry.start(at('layout-1'));
  const from = `docker://${registry.host}/app:latest`;
  const wrong: string[] = [];
  let [killed, mostAgain, fullBytes] = [0, 0, 0];
  for (let point = 0; point <= count; point += 1) {
    const repo = at(`repo-${point}`);
    cpSync(at('base'), repo, { recursive: true, verbatimSymlinks: true });
    registry.reset();
    const kind = KINDS[point % KINDS.length];
    // The first pull is not killed, and says how many bytes a pull takes.
    if (point > 0 && kind !== 'after')
      registry.stallAtBytes = Math.floor((fullBytes * (point - Math.random())) / count);
    const report = await pull(repo, from, route, (child) => {
      registry.onStall = async () => {
        if (kind === 'settled') await stored(registry, repo, layers);
        child.kill('SIGKILL');
      };
      if (point > 0 && kind === 'after') void killAfterLast(registry, child, fullBytes);
    });
    if (point === 0) {
      fullBytes = registry.sentBytes;
      continue;
    }
    if (report === undefined) killed += 1;
    const before = registry.sent;
    const after = await checkAfterKill(repo, layers, before);
    wrong.push(...after.findings.map((finding) => `${point}: fsck: ${finding}`));
    registry.reset();
    const resumed = await pull(repo, from, route);
    if (resumed?.imageId !== imageId) wrong.push(`${point}: another image: ${resumed?.imageId}`);
    for (const { digest } of layers) {
      const again = bytesTwice(before, registry.sent, digest);
      mostAgain = Math.max(mostAgain, again);
      const unstored = after.unstored.get(digest) ?? 0;
      const most = kind === 'settled' ? Math.min(unstored, AGAIN_BYTES_MAX - 1) : unstored;
      if (again > most) {
        wrong.push(`${point} (${kind}): ${again} bytes of ${digest} again, at most ${most}`);
      }
    }
    rmSync(repo, { recursive: true });
  }
  return { killed, mostAgain, wrong };
}

const KINDS = ['after', 'settled', 'at once'] as const;

/** What fsck finds, and how many bytes of each blob were sent and are not stored. */
async function checkAfterKill(repo: string, layers: readonly Layer[], sent: Sent) {
  using repository = await openRepository(repo);
  const { findings } = await checkRepository(repository);
  const unstored = new Map<ContentDigest, number>();
  for (const { digest, diffId, sizeBytes } of layers) {
    if (repository.streams.has(layerStreamName(diffId as never))) continue;
    let held = 0;
    if (storedBytes(repo, digest) !== undefined) {
      using partial = await repository.partials.open(digest);
      held = partial.sizeBytes + partial.ranges(sizeBytes).heldBytes;
    }
    unstored.set(digest, bytesOf(sent, digest) - held);
  }
  return { findings: findings.map((finding) => JSON.stringify(finding)), unstored };
}

interface Layer {
  readonly digest: ContentDigest;
  readonly diffId: string;
  readonly sizeBytes: number;
}

/** Two images of which the second shares some content with the first. */
async function makeImages(at: (name: string) => string, route: KilledRoute) {
  const made: TestLayout[] = [];
  for (const version of [0, 1]) {
    const layers = route === 'whole' ? wholeLayers(version) : await layersInParts(version);
    made.push(writeTestLayout(at(`layout-${version}`), layers));
  }
  const [first, second] = made as [TestLayout, TestLayout];
  const described = second.layers.map(({ file, diffId }): Layer => {
    const bytes = readFileSync(file);
    return { digest: computeContentDigest(bytes), diffId, sizeBytes: bytes.length };
  });
  return { first, second, layers: described };
}

/** A layer that both have, two large ones, and one that is too small to be kept as it comes. */
function wholeLayers(version: number): TestLayer[] {
  const layer = (seed: number, files: number): TestLayer => ({
    tar: testTar(
      Array.from({ length: files }, (_, file) => ({
        name: `l${seed}-${file}`,
        content: noise(30_000, 1000 * seed + file),
      })),
    ),
    compression: 'zstd',
  });
  return [layer(1, 10), ...[2, 3].map((seed) => layer(seed + 10 * version, 70)), layer(4, 20)];
}

/** Layers with a table of contents; every third file of the second version is another, and each file is one chunk. */
async function layersInParts(version: number): Promise<TestLayer[]> {
  return await Promise.all(
    [0, 1].map((layer) =>
      chunkedLayer(
        testTar(
          Array.from({ length: 80 }, (_, file) => ({
            name: `l${layer}-${file}`,
            content: noise(8_000, 100 * layer + file + (file % 3 === 0 ? 10_000 * version : 0)),
          })),
        ),
      ),
    ),
  );
}

/** Pulls into a new repository in this process. @returns the id of the image */
async function pullHere(path: string, reference: string) {
  const made = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using repository = made.repository;
  return (await pullImage(repository, reference, { name: 'app' })).imageId;
}

/** Runs the command line to its end. @returns its report; undefined when it was killed */
async function pull(
  repo: string,
  from: string,
  route: KilledRoute,
  onStart: (child: ChildProcess) => void = () => {},
) {
  const args = ['--repo', repo, 'pull', from, 'app', '--strategy', route, '--json'];
  const stdio: StdioOptions = ['ignore', 'pipe', 'inherit'];
  const child = spawn(ONECOPY, args, { stdio, env: cliEnvironment() });
  onStart(child);
  const [output] = await Promise.all([text(child.stdout as Readable), once(child, 'exit')]);
  if (child.signalCode === 'SIGKILL') return undefined;
  assert.equal(child.exitCode, 0, output);
  return JSON.parse(output) as { readonly imageId: string };
}

/** Kills a pull a while after the last byte was sent. */
async function killAfterLast(registry: LayoutRegistry, child: ChildProcess, fullBytes: number) {
  while (registry.sentBytes < fullBytes && child.exitCode === null) await delay(POLL_MS);
  await delay(Math.random() * AFTER_LAST_MS_MAX);
  child.kill('SIGKILL');
}

/** Bytes of a blob that are stored while it is fetched, heads of records included; undefined when it is not being fetched. */
function storedBytes(repo: string, digest: ContentDigest): number | undefined {
  const path = join(repo, '.onecopy/partial', digest.replace(':', '-'));
  const sizes = [path, `${path}-ranges`].map((file) => statSync(file, { throwIfNoEntry: false }));
  if (sizes.every((found) => found === undefined)) return undefined;
  return sizes.reduce((sum, found) => sum + (found?.size ?? 0), 0);
}

/** Waits until what was sent is stored. */
async function stored(registry: LayoutRegistry, repo: string, layers: readonly Layer[]) {
  const isLacking = ({ digest }: Layer) =>
    (storedBytes(repo, digest) ?? Number.POSITIVE_INFINITY) < bytesOf(registry.sent, digest);
  for (let ms = 0; ms < STORED_MS_MAX && layers.some(isLacking); ms += POLL_MS)
    await delay(POLL_MS);
}

type Sent = LayoutRegistry['sent'];

function bytesOf(sent: Sent, digest: ContentDigest): number {
  return sent.reduce((sum, one) => sum + (one.digest === digest ? one.end - one.start : 0), 0);
}

/** Bytes of a blob that are in both. */
function bytesTwice(before: Sent, after: Sent, digest: ContentDigest): number {
  let sum = 0;
  for (const one of before) {
    for (const other of after) {
      if (one.digest !== digest || other.digest !== digest) continue;
      sum += Math.max(0, Math.min(one.end, other.end) - Math.max(one.start, other.start));
    }
  }
  return sum;
}
