import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RegistryRepository } from '#remotes/registry';
import { initRepository, openRepository } from '#stores/composefs';
import { pushImage } from '#work/export';
import { pullImage } from '#work/pull-image';
import { FakeRegistry, type SeenRequest } from './fake-registry.ts';
import { MemoryRegistry } from './memory-registry.ts';
import { testTar } from './tar-archive.ts';
import { makeTempDir } from './temp-dir.ts';
import { noise, writeTestLayout } from './test-layout.ts';

const CHILD = fileURLToPath(new URL('../crash/push-child.ts', import.meta.url));
const LAYERS = 4;
const LAYER_BYTES = 1_500_000;
/** How long the registry takes to answer an upload, in milliseconds: time to be killed in. */
const ANSWER_MS = 5;

/** What came of killing pushes. */
export interface PushKills {
  /** Pushes that died before they were done, and those among them that left a part of a blob in the registry. */
  readonly killed: number;
  readonly brokenOff: number;
  /** What went wrong, one line each. */
  readonly wrong: readonly string[];
}

/**
 * Kills a push at random points, and pushes again.
 * @param tellsStatus the registry says how far an upload came
 */
export async function killPushes(count: number, tellsStatus: boolean): Promise<PushKills> {
  using temp = makeTempDir();
  const layers = Array.from({ length: LAYERS }, (_, layer) => ({
    tar: testTar([{ name: `l${layer}`, content: noise(LAYER_BYTES, layer) }]),
  }));
  const layout = writeTestLayout(join(temp.path, 'layout'), layers);
  const path = join(temp.path, 'repo');
  {
    using repository = (await initRepository(path, { algorithm: 'sha256', insecure: true }))
      .repository;
    await pullImage(repository, layout.reference, { name: 'app', keepBlobs: true });
  }
  const wrong: string[] = [];
  let [killed, brokenOff] = [0, 0];
  let fullMs = 3000;
  for (let point = 0; point <= count; point++) {
    await using registry = await openRegistry(tellsStatus);
    // The first one is not killed, and says how long a push takes.
    const afterMs = point === 0 ? 600_000 : (fullMs * (point - 1 + Math.random())) / count;
    const tookMs = await registry.push(path, afterMs);
    if (point === 0) fullMs = tookMs ?? fullMs;
    if (tookMs === undefined) killed++;
    await registry.settle();
    const { arrived, held, isNamed } = registry.state();
    if (held > 0) brokenOff++;
    if (tookMs !== undefined && !isNamed) wrong.push(`${point}: no name at the end`);
    if (isNamed && arrived !== registry.totalBytes())
      wrong.push(`${point}: a name before its blobs`);
    registry.seen.length = 0;
    await registry.pushHere(path);
    const manifest = registry.memory.manifests.get('ns/app v1');
    if (manifest === undefined) wrong.push(`${point}: no manifest`);
    const sent = registry.seen
      .filter(({ url }) => url.pathname.includes('/uploads/'))
      .reduce((sum, { body }) => sum + body.length, 0);
    const expected = registry.totalBytes() - arrived - (tellsStatus ? held : 0);
    if (sent !== expected) {
      wrong.push(
        `${point}: sent ${sent} bytes again, expected ${expected} (${arrived} there, ${held} begun)`,
      );
    }
  }
  return { killed, brokenOff, wrong };
}

async function openRegistry(tellsStatus: boolean) {
  const memory = new MemoryRegistry({ tellsStatus });
  const server = await FakeRegistry.start((request: SeenRequest) => {
    const answer = memory.handler(request);
    if (typeof answer === 'function' || !request.url.pathname.includes('/uploads/')) return answer;
    return (response) => {
      setTimeout(() => {
        response.writeHead(answer.status, answer.headers).end(answer.body);
      }, ANSWER_MS);
    };
  });
  server.onBroken = memory.broken;
  return {
    memory,
    seen: server.seen,
    /** @returns how long it took, or undefined when it was killed */
    async push(path: string, afterMs: number): Promise<number | undefined> {
      const args = [path, 'app', server.plainHost, 'ns/app', 'v1'];
      const child = fork(CHILD, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      const exit = once(child, 'exit');
      await Promise.race([once(child, 'message'), exit]);
      const start = performance.now();
      const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
      const [status] = (await exit) as [number | null];
      clearTimeout(timer);
      return status === 0 ? performance.now() - start : undefined;
    },
    /** The next push, in this process. */
    async pushHere(path: string): Promise<void> {
      using repository = await openRepository(path);
      const endpoint = { host: server.plainHost, repository: 'ns/app', insecure: false };
      await using target = new RegistryRepository([{ ...endpoint, mayUsePlainHttp: true }]);
      await pushImage(repository, 'app', target, { tag: 'v1', sameDigest: true });
    },
    /** Waits until the registry has seen the end of every connection. */
    async settle(): Promise<void> {
      for (let waits = 0; server.pending > 0 && waits < 500; waits++) await delay(10);
    },
    state() {
      const blobs = [...memory.links].map((link) => memory.blobs.get(link.split(' ')[1] ?? ''));
      return {
        arrived: blobs.reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0),
        held: memory.uploadedBytes.reduce((sum, length) => sum + length, 0),
        isNamed: memory.manifests.has('ns/app v1'),
      };
    },
    /** Sizes of all blobs of the image, by its manifest. */
    totalBytes(): number {
      const bytes = memory.manifests.get('ns/app v1')?.bytes;
      if (bytes === undefined) return Number.NaN;
      const { config, layers } = JSON.parse(bytes.toString('utf8'));
      return [config, ...layers].reduce((sum: number, { size }: { size: number }) => sum + size, 0);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
