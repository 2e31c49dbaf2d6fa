/** Commands whose target lies on a filesystem that becomes full in the middle. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { isOnecopyError } from '#base/errors';
import { VERBS } from '#work/verbs';
import { mountLoopFilesystem } from './loop-fs.ts';
import { testTar } from './tar-archive.ts';
import { makeTempDir } from './temp-dir.ts';
import { noise, writeTestLayout } from './test-layout.ts';

/** What became of the runs of one command. */
export interface FullDiskOutcome {
  readonly what: string;
  /** Runs that failed for want of space. */
  readonly failed: number;
  /** Empty if all was right. */
  readonly wrong: readonly string[];
}

const FILESYSTEM_BYTES = 48 << 20;
const LAYERS = 3;
const FILES = 12;
const FILE_BYTES = 24 << 10;
const BALLAST = '.ballast';
/** Space that a filesystem may use for itself between two looks. */
const SLACK_BYTES = 64 << 10;

const LAYOUT = /^layout(\/oci-layout|\/blobs(\/sha256(\/[0-9a-f]{64})?)?)?$/;
const OSTREE =
  /^ostree(\/(\.lock|config|extensions|objects|state|tmp|refs(\/(heads|mirrors|remotes))?))?$/;
const CONTAINERS =
  /^(graph|run)(\/overlay(\/l|\/tempdirs)?|\/overlay-(containers|images)|\/overlay-layers(\/tmp)?)?$/;
const REPOSITORY =
  /^repo(\/meta\.json|\/(streams|images)(\/refs)?|\/objects(\/[0-9a-f]{2}(\/[0-9a-f]+)?)?|\/\.onecopy.*)?$/;

/** Whole layers and images keep their names: the next pull does not make them again, and gc removes them. */
const WHOLE = /^repo\/(streams\/oci-layer-sha256:[0-9a-f]{64}|images\/[0-9a-f]{128})$/;

/** A command whose target is on the filesystem at `disk`. */
interface Case {
  readonly name: string;
  /** Before each run. */
  readonly prepare?: (disk: string) => Promise<void>;
  readonly run: (disk: string) => Promise<unknown>;
  /** Names below the filesystem that a failed run may leave: an empty store, and whole contents that nothing lists. */
  readonly mayLeave?: RegExp;
  /** What is wrong with what a failed run left, once there is space again. */
  readonly afterFailure?: (disk: string) => Promise<string | undefined>;
  /** What is wrong after a successful run. */
  readonly check: (disk: string) => Promise<string | undefined>;
  /** It needs no space of its own, and succeeds on a full disk. */
  readonly needsNone?: true;
}

type Json = { readonly [key: string]: unknown };

async function ask(repository: string, name: string, request: unknown): Promise<Json> {
  const verb = await VERBS.find((row) => row.name === name)?.load();
  if (verb === undefined) throw new Error(`no verb ${name}`);
  const context = {
    repository: { path: repository },
    signal: new AbortController().signal,
    onProgress: () => {},
    jobs: 1,
    mayInit: true,
    requireVerity: false,
    warn: () => {},
    detail: () => {},
    write: async () => {},
  };
  return JSON.parse(JSON.stringify(await verb.run(context, verb.parse(request)))) as Json;
}

/**
 * Runs each command with less space than it needs, in steps, and then with enough.
 * @param steps amounts of space that are tried for each command
 * @param only names of commands; all by default
 */
export async function fillDisks(
  steps: number,
  only?: readonly string[],
): Promise<readonly FullDiskOutcome[]> {
  await using filesystem = await mountLoopFilesystem('ext4', {
    sizeBytes: FILESYSTEM_BYTES,
    mkfs: ['-m', '0', '-N', '4096'],
  });
  using temp = makeTempDir();
  const source = join(temp.path, 'source');
  const { reference } = writeTestLayout(
    join(temp.path, 'layout'),
    Array.from({ length: LAYERS }, (_, layer) => ({
      tar: testTar(
        Array.from({ length: FILES }, (_unused, file) => ({
          name: `f${layer}-${file}`,
          content: noise(FILE_BYTES, layer * FILES + file),
        })),
      ),
    })),
  );
  const image = await ask(source, 'pull', { reference, names: ['app'] });
  const made = { image: 'app', reference: 'os', timestampSec: '1' };
  const commit = await ask(source, 'ostree commit', made);
  const ids = { imageId: image['imageId'], commit: commit['commit'] };
  const cases = casesOf(temp.path, source, reference, ids);
  const outcomes: FullDiskOutcome[] = [];
  for (const one of cases) {
    if (only !== undefined && !only.includes(one.name)) continue;
    outcomes.push(await fill(one, filesystem.path, steps));
  }
  return outcomes;
}

function casesOf(scratch: string, source: string, reference: string, ids: Json): readonly Case[] {
  const exportTo = (target: (disk: string) => string, more: Json = {}) => {
    return (disk: string) => ask(source, 'export', { name: 'app', target: target(disk), ...more });
  };
  const files = (folder: string, count: number) => async (disk: string) => {
    const found = readdirSync(join(disk, folder)).length;
    return found === count ? undefined : `${found} of ${count} files`;
  };
  /** Pulls what was written, and compares the id with that of the source. */
  const pulls = (target: (disk: string) => string, key: 'imageId' | 'commit' | undefined) => {
    return async (disk: string) => {
      const again = join(scratch, 'again');
      rmSync(again, { recursive: true, force: true });
      const pulled = await ask(again, 'pull', { reference: target(disk), names: [] });
      if (key === undefined) return undefined;
      const { [key]: id } = pulled;
      return id === ids[key] ? undefined : `${key}: ${id}, expected ${ids[key]}`;
    };
  };
  const layout = (disk: string) => `oci:${join(disk, 'layout')}:v1`;
  const archive = (disk: string) => `oci-archive:${join(disk, 'a.tar')}:v1`;
  const store = (disk: string) =>
    `containers-storage:[overlay@${join(disk, 'graph')}+${join(disk, 'run')}]localhost/app:1`;
  const ostree = (disk: string) => `ostree-local:${join(disk, 'ostree')}`;
  const repository = (disk: string) => join(disk, 'repo');
  const clean = async (disk: string) => {
    const { ok } = await ask(repository(disk), 'fsck', { names: [] });
    return ok === true ? undefined : 'fsck has findings';
  };
  const tree = join(scratch, 'tree');
  return [
    {
      name: 'export to a directory',
      run: exportTo((disk) => join(disk, 'out')),
      check: files('out', LAYERS * FILES),
    },
    {
      name: 'export oci:',
      run: exportTo(layout),
      mayLeave: LAYOUT,
      check: pulls(layout, 'imageId'),
    },
    {
      name: 'export oci-archive:',
      run: exportTo(archive),
      check: pulls(archive, 'imageId'),
    },
    {
      name: 'export ostree-local:',
      run: exportTo((disk) => `${ostree(disk)}:app`, { mode: 'bare' }),
      mayLeave: OSTREE,
      check: pulls((disk) => `${ostree(disk)}:app`, undefined),
    },
    {
      name: 'ostree export',
      run: (disk) =>
        ask(source, 'ostree export', {
          commit: 'os',
          path: join(disk, 'ostree'),
          reference: ['os'],
          mode: 'archive',
        }),
      mayLeave: OSTREE,
      check: pulls((disk) => `${ostree(disk)}:os`, 'commit'),
    },
    {
      name: 'export containers-storage:',
      run: exportTo(store),
      mayLeave: CONTAINERS,
      check: pulls(store, 'imageId'),
    },
    {
      name: 'cp of a directory',
      run: (disk) => ask(source, 'cp', { name: 'app', path: '/', to: join(disk, 'copy') }),
      check: files('copy', LAYERS * FILES),
    },
    {
      name: 'pull',
      run: (disk) => ask(repository(disk), 'pull', { reference, names: ['app'] }),
      mayLeave: new RegExp(`${REPOSITORY.source}|${WHOLE.source}`),
      afterFailure: async (disk) =>
        existsSync(join(repository(disk), 'meta.json')) ? await clean(disk) : undefined,
      check: clean,
    },
    {
      name: 'ostree commit',
      prepare: async () => {
        if (!existsSync(tree)) await ask(source, 'export', { name: 'app', target: tree });
      },
      run: (disk) =>
        ask(repository(disk), 'ostree commit', {
          tree: [{ kind: 'directory', path: tree }],
          reference: 'new',
          timestampSec: '1',
        }),
      mayLeave: REPOSITORY,
      check: clean,
    },
    {
      name: 'gc --plan',
      prepare: (disk) => makeGarbage(repository(disk), reference),
      run: (disk) => ask(repository(disk), 'gc', { plan: join(disk, 'plan') }),
      check: async (disk) => {
        const { objectsRemoved } = await ask(repository(disk), 'gc', { apply: join(disk, 'plan') });
        return Number(objectsRemoved) > LAYERS * FILES ? undefined : 'the plan removes nothing';
      },
    },
    {
      name: 'gc',
      needsNone: true,
      prepare: (disk) => makeGarbage(repository(disk), reference),
      run: (disk) => ask(repository(disk), 'gc', {}),
      check: clean,
    },
  ];
}

async function makeGarbage(repository: string, reference: string): Promise<void> {
  await ask(repository, 'pull', { reference, names: ['app'] });
  await ask(repository, 'rm', { names: ['app'] });
}

async function fill(one: Case, disk: string, steps: number): Promise<FullDiskOutcome> {
  const wrong: string[] = [];
  let failed = 0;
  const wipe = () => {
    for (const name of readdirSync(disk)) {
      if (name !== 'lost+found') rmSync(join(disk, name), { recursive: true });
    }
  };
  await one.prepare?.(disk);
  const before = freeBytes(disk);
  await one.run(disk);
  const needed = before - freeBytes(disk);
  for (let step = 0; step < steps; step += 1) {
    wipe();
    await one.prepare?.(disk);
    const room = one.needsNone === true ? 0 : (needed * (step + 0.5)) / steps;
    const says = (text: string) => {
      wrong.push(`${one.name} with ${Math.round(room)} of ${needed} bytes: ${text}`);
    };
    const names = namesBelow(disk);
    takeSpace(disk, room);
    const error = await one.run(disk).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) {
      // What it needs is known to a block only.
      const isEnough = one.needsNone === true || room > needed - needed / steps - SLACK_BYTES;
      if (!isEnough) says('it succeeded');
    } else {
      failed += 1;
      if (one.needsNone === true) says(`it failed: ${error}`);
      for (const text of faultsOf(error, disk)) says(text);
      const left = namesBelow(disk).filter(
        (name) => name !== BALLAST && !names.includes(name) && one.mayLeave?.test(name) !== true,
      );
      if (left.length > 0) says(`it left ${left.join(', ')}`);
    }
    rmSync(join(disk, BALLAST), { force: true });
    if (error !== undefined) {
      const bad = await one.afterFailure?.(disk);
      if (bad !== undefined) says(`after the failure: ${bad}`);
      const again = await one.run(disk).then(
        () => one.check(disk),
        (reason: unknown) => `run again, it failed: ${reason}`,
      );
      if (again !== undefined) says(again);
    } else {
      const bad = await one.check(disk);
      if (bad !== undefined) says(bad);
    }
  }
  wipe();
  return { what: one.name, failed, wrong };
}

/** What an error for want of space must say. */
function faultsOf(error: unknown, disk: string): readonly string[] {
  if (!isOnecopyError(error)) return [`it threw ${String(error)}`];
  // A pull counts what it needs before it begins.
  if (error.code !== 'NO_SPACE' && error.code !== 'SPACE_INSUFFICIENT')
    return [`it failed with ${error.code}: ${error.message}`];
  const messages = messagesOf(error);
  return messages.some((text) => text.includes(disk))
    ? []
    : [`the error names no path: ${messages.join(': ')}`];
}

/** The message of an error and those of its causes, as a face prints them. */
function messagesOf(error: unknown): string[] {
  return error instanceof Error ? [error.message, ...messagesOf(error.cause)] : [];
}

function namesBelow(disk: string): string[] {
  return readdirSync(disk, { recursive: true, encoding: 'utf8' });
}

function freeBytes(disk: string): number {
  settle(disk);
  const { bavail, bsize } = statfsSync(disk);
  return bavail * bsize;
}

/** Delayed allocations are counted only when they are written. */
function settle(disk: string): void {
  const settled = join(disk, '.settled');
  const fd = openSync(settled, 'w');
  fsyncSync(fd);
  closeSync(fd);
  rmSync(settled);
}

/** Leaves so much space, or a few blocks less that the filesystem needs for itself. */
function takeSpace(disk: string, leaveBytes: number): void {
  const fd = openSync(join(disk, BALLAST), 'w');
  try {
    const block = Buffer.alloc(4096, 1);
    for (let left = freeBytes(disk) - leaveBytes; left >= block.length; left -= block.length) {
      writeSync(fd, block);
    }
    fsyncSync(fd);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(fd);
  }
}
