/**
 * Recorded runs of `cfsctl` that need something made between their steps: completion and the environment, repositories that were damaged,
 * wrong names, boot images. What differs on purpose is listed here by step, and in docs/compatibility.md by its reason.
 */
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { cfsctl, findingsOf, isRandom, type Mismatch, replay } from './replay.ts';

const BASIC = fileURLToPath(new URL('../../golden/cfsctl/oci/basic/layout', import.meta.url));
const WHITEOUTS = BASIC.replace('/basic/', '/whiteouts/');

/** A transcript, and what is done for it. */
interface Scene {
  readonly file: string;
  readonly prepare?: (scratch: string) => void;
  /** Done before a step. */
  readonly before?: (scratch: string, step: GoldenStep, index: number) => Promise<void> | void;
  readonly isSkipped?: (step: GoldenStep, index: number) => boolean;
  /** True for what differs on purpose. */
  readonly differs?: (mismatch: Mismatch) => boolean;
  /** Steps that differ on purpose, each of which must differ. */
  readonly differing?: Readonly<Record<string, readonly number[]>>;
}

const SCENES: readonly Scene[] = [
  {
    file: 'cli/env-completion.cfsctl-0.9.4.json',
    prepare: (scratch) => mkdirSync(join(scratch, 'home')),
    // Scripts for shells are our own; a directory of the system may exist here; an empty HOME is none; containers-storage is read natively.
    isSkipped: ({ cmd = [], ...step }) => {
      const { COMPLETE, HOME } = (step['env'] ?? {}) as Record<string, string>;
      const isScript = COMPLETE !== undefined && cmd.length === 1 && COMPLETE !== 'tcsh';
      return isScript || HOME === '' || cmd.includes('--system') || cmd[1] === 'images';
    },
    differs: isOfferedOtherwise,
  },
  {
    file: 'cli/fsck-json.cfsctl-0.9.4.json',
    before: async (scratch, step) => {
      if (typeof step['case'] !== 'string') return;
      await remake(scratch);
      damage(join(scratch, 'r'), step['case']);
    },
    // Findings are sorted, and give our reasons.
    differs: ({ what, expected, found }) =>
      what === 'stdout' && findingsOf(expected) === findingsOf(found),
  },
  {
    file: 'cli/errors.json',
    prepare: (scratch) => {
      mkdirSync(join(scratch, 'emptydir'));
      symlinkSync(BASIC, join(scratch, 'basic'));
    },
    differs: ({ what, command, expected, found }) =>
      command === '--version' ||
      (what === 'stdout' && command.endsWith('oci images --json') && isReordered(expected, found)),
    differing: {
      'a pull into a repository of version 0 succeeds': [49, 50],
      'a pull in another version keeps the image of the own one': [56, 57, 70, 76, 82],
      'no tag without a target': [60, 62, 63, 64, 65],
    },
  },
  {
    file: 'cli/init.cfsctl-0.9.4.json',
    before: (scratch, { note, cmd = [] }) => makeLegacy(scratch, cmd, String(note ?? '')),
    differing: {
      'a repository without metadata keeps the format of its time': [37, 39],
      'a directory with other files is no place for a repository': [49, 50],
      'unknown features that allow reading forbid writing': [66],
    },
  },
  {
    file: 'cli/bootable.cfsctl-0.9.4.json',
    prepare: (scratch) => mkdirSync(join(scratch, 'bootdir')),
    // A pull that finds no boot image leaves the plain one.
    differs: ({ what, command, found }) =>
      (what === 'tree' && command === 'tree failed boot') || found.includes('Objects: '),
  },
];

/** The same entries in another order. */
function isReordered(expected: string, found: string): boolean {
  return sortedLines(expected.replaceAll(',', '')) === sortedLines(found.replaceAll(',', ''));
}

/** A build of the original may have `fetch`; names are sorted. */
function isOfferedOtherwise({ command, expected, found }: Mismatch): boolean {
  if (command.endsWith(' oci images')) return sortedLines(expected) === sortedLines(found);
  if (!command.startsWith('-- cfsctl')) return false;
  const words = (text: string) =>
    text
      .split('\n')
      .filter((word) => word !== 'fetch')
      .sort();
  return words(expected).join('\n') === words(found).join('\n');
}

function sortedLines(text: string): string {
  return text.split('\n').sort().join('\n');
}

/** A repository with one image, pulled once and copied for every damage. */
async function remake(scratch: string): Promise<void> {
  const [repo, whole] = [join(scratch, 'r'), join(scratch, 'whole')];
  rmSync(repo, { recursive: true, force: true });
  if (!existsSync(whole)) {
    const init = ['init', '--insecure', '--algorithm', 'fsverity-sha256-12', whole];
    assert.equal((await cfsctl(init)).status, 0);
    const pulled = await cfsctl(['--repo', whole, 'oci', 'pull', `oci:${WHITEOUTS}`, 'w']);
    assert.equal(pulled.status, 0, pulled.stderr);
  }
  cpSync(whole, repo, { recursive: true, verbatimSymlinks: true });
}

/** Makes the repositories without `meta.json`, or with a wrong one, and the other folders that a step of `init` finds. */
function makeLegacy(scratch: string, cmd: readonly string[], note: string): void {
  const [, name = ''] =
    /\$W\/(leg\d?|bm|plain|nonempty)$/.exec(
      cmd[2] === 'gc' ? '' : (cmd.find((word) => word.startsWith('$W')) ?? ''),
    ) ?? [];
  const path = join(scratch, name);
  if (name === 'bm') {
    const meta = metaOf(readFileSync(join(scratch, 'g2/meta.json'), 'utf8'), note);
    mkdirSync(path, { recursive: true });
    if (meta !== undefined) writeFileSync(join(path, 'meta.json'), meta);
  } else if (name === 'plain') writeFileSync(path, '');
  else if (name === 'nonempty') mkdirSync(join(path, 'zz'), { recursive: true });
  else if (name !== '' && !existsSync(path)) {
    mkdirSync(join(path, 'objects/ab'), { recursive: true });
    if (name === 'leg3') rmSync(join(path, 'objects/ab'), { recursive: true });
    else writeFileSync(join(path, 'objects/ab', 'c'.repeat(name === 'leg2' ? 126 : 62)), 'x');
  }
}

/** The `meta.json` that a note gives: whole, or by what was changed in that of a good repository. */
function metaOf(good: string, note: string): string | undefined {
  const [, whole, changed] = /^meta\.json = (.*)|meta\.json changed: (.*)$/.exec(note) ?? [];
  return whole ?? (changed && JSON.stringify({ ...JSON.parse(good), ...JSON.parse(changed) }));
}

/** Does what the transcript says was done. */
function damage(repo: string, name: string): void {
  const streams = readdirSync(join(repo, 'streams'));
  const stream = (kind: string) => streams.find((one) => one.startsWith(`oci-${kind}-`)) ?? '';
  const objectOf = (kind: string) => join(repo, 'streams', stream(kind));
  switch (name) {
    case 'clean':
      return;
    case 'config object removed':
      rmSync(realpathSync(objectOf('config')));
      return;
    case 'manifest link removed':
      unlinkSync(objectOf('manifest'));
      return;
    case 'tag with @':
      symlinkSync(`../../${stream('manifest')}`, join(repo, 'streams/refs/oci/@x'));
      return;
    case 'file in objects':
      writeFileSync(join(repo, 'objects/zz'), '');
      return;
    case 'image link to nowhere': {
      const id = `00${'1'.repeat(62)}`;
      symlinkSync(`../objects/00/${id.slice(2)}`, join(repo, 'images', id));
      return;
    }
    case 'erofs object cut': {
      const id = '07f3f73f48a0c69e5b37b22d1cb78889e1f1ad494cb1ca3d9206753b25e6d3';
      writeFileSync(join(repo, 'objects/62', id), Buffer.alloc(4096));
      return;
    }
    default:
      throw new Error(`unknown damage: ${name}`);
  }
}

for (const { file, prepare, before, isSkipped, differs, differing } of SCENES) {
  test(`cfsctl does ${file.replace(/(?:\.cfsctl-0\.9\.4)?\.json$/, '')} as recorded`, async () => {
    using temp = makeTempDir();
    const here = process.cwd();
    prepare?.(temp.path);
    process.chdir(temp.path);
    try {
      const places = { repo: join(temp.path, 'r'), scratch: temp.path };
      const mismatches = await replay(readGolden<GoldenStep[]>(file), places, {
        look: (step, index) => before?.(temp.path, step, index),
        ...(isSkipped === undefined ? {} : { isSkipped }),
      });
      const listed = Object.values(differing ?? {}).flat();
      const rest = mismatches.filter((one) => differs?.(one) !== true);
      assert.deepEqual(
        rest.filter((one) => !isRandom(one) && !listed.includes(one.step)),
        [],
      );
      assert.deepEqual(
        listed.filter((step) => !rest.some((one) => one.step === step)),
        [],
      );
    } finally {
      process.chdir(here);
    }
  });
}
