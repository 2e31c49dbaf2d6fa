import { deepEqual, equal, ok } from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { computeVerity } from '#formats/fsverity';
import { SplitstreamWriter } from '#formats/splitstream';
import {
  checkRepository,
  collectGarbage,
  initRepository,
  openRepository,
  planGc,
} from '#stores/composefs';
import { runAndDieAt } from '../support/dying.ts';
import { unpackGoldenRepository } from '../support/golden-repo.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** The layer of the repository that dies, and its stream. */
const LAYER = 'oci-layer-sha256:cd8fddcd749ac001a238b1d90cd19ecf314b3bc38e74c3ec2426379b20f298fb';
const LAYER_STREAM = '9f2a3cd5117be4765fdd131268905adcf1371ebdea0d32723233b3f965f5708f';
/** Steps that are tried at most; every operation here must end before. */
const STEPS_MAX = 2000;

/** Everything below a directory, without what a dead writer may leave. */
function listing(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.tmp-object-') && !name.startsWith('.symlink-'))
    .map((entry) => {
      const full = join(entry.parentPath, entry.name);
      const more = entry.isSymbolicLink()
        ? readlinkSync(full)
        : entry.isFile()
          ? statSync(full).size
          : '';
      return `${full.slice(path.length)} ${more}`;
    })
    .sort();
}

/** Lets the operation die at every step in turn, each time on a fresh copy, and inspects what is left. */
async function dieEverywhere(
  prepare: (path: string) => void,
  work: (path: string) => Promise<void>,
  inspect: (path: string) => Promise<void>,
): Promise<void> {
  using temp = makeTempDir();
  const origin = join(temp.path, 'origin');
  prepare(origin);
  let steps = 0;
  for (let died = true; died; steps += 1) {
    ok(steps < STEPS_MAX, 'the operation ends');
    const path = join(temp.path, `${steps}`);
    if (existsSync(origin)) cpSync(origin, path, { recursive: true, verbatimSymlinks: true });
    died = await runAndDieAt(steps, () => work(path));
    await inspect(path);
  }
  ok(steps > 4, 'there were steps to die at');
}

function unpack(into: string): void {
  using temp = makeTempDir();
  const path = unpackGoldenRepository('basic/repo-sha256-v1', temp.path);
  cpSync(path, into, { recursive: true, verbatimSymlinks: true });
}

async function expectClean(path: string): Promise<void> {
  using repository = await openRepository(path);
  deepEqual((await checkRepository(repository)).findings, []);
}

test('a process that dies while publishing a stream leaves the old stream or the new one', async () => {
  const content = Buffer.alloc(100, 1);
  using writer = new SplitstreamWriter({ algorithm: 'sha256', contentType: 1n });
  writer.writeExternal(computeVerity(content, 'sha256'), content.length);
  const stream = await writer.finish();
  const ids = new Set<string | undefined>([LAYER_STREAM, computeVerity(stream, 'sha256')]);
  await dieEverywhere(
    unpack,
    async (path) => {
      using repository = await openRepository(path);
      repository.objects.ensureBytes(content);
      repository.streams.publish(LAYER, stream, { ref: 'new/layer' });
    },
    async (path) => {
      await expectClean(path);
      using repository = await openRepository(path);
      const now = repository.streams.idOf(LAYER);
      ok(ids.has(now));
      const [ref] = repository.refs.list('streams', 'new');
      if (ref !== undefined)
        equal(now, computeVerity(stream, 'sha256'), 'the reference comes last');
    },
  );
});

test('a process that dies during gc leaves a clean repository, and the next gc completes', async () => {
  let final: string[] | undefined;
  {
    using temp = makeTempDir();
    const path = join(temp.path, 'r');
    unpack(path);
    using repository = await openRepository(path);
    repository.objects.ensureBytes(Buffer.from('garbage'));
    repository.tags.remove('img');
    await collectGarbage(repository, { timeoutMs: 5000 });
    final = listing(path);
  }
  await dieEverywhere(
    unpack,
    async (path) => {
      using repository = await openRepository(path);
      repository.objects.ensureBytes(Buffer.from('garbage'));
      repository.tags.remove('img');
      await collectGarbage(repository, { timeoutMs: 5000 });
    },
    async (path) => {
      await expectClean(path);
      using repository = await openRepository(path);
      repository.objects.ensureBytes(Buffer.from('garbage'));
      repository.tags.remove('img');
      await collectGarbage(repository, { timeoutMs: 5000 });
      deepEqual((await planGc(repository)).leftovers, []);
      // The fan-out directory of the extra object may be new.
      deepEqual(
        listing(path).filter((line) => !line.endsWith(' ')),
        final?.filter((line) => !line.endsWith(' ')),
      );
    },
  );
});

test('a process that dies during init leaves a path where init succeeds', async () => {
  await dieEverywhere(
    () => {},
    async (path) => {
      const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
      repository[Symbol.dispose]();
    },
    async (path) => {
      const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
      repository[Symbol.dispose]();
      await expectClean(path);
      deepEqual(readdirSync(path), ['meta.json']);
    },
  );
});
