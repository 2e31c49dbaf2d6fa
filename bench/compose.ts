/**
 * Images made from a directory, and images copied between repositories, as the drop-in programs do it: `cfsctl` beside the real `cfsctl`, and
 * `mkcomposefs` beside the C program (on PATH, or named by C_MKCOMPOSEFS), all on one filesystem.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { bytesOf } from '#base/bytes';
import { writeSampleImage } from '../tools/sample-image.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { type CorpusShape, corpusMembers, QUICK_CORPUS } from './corpus.ts';
import { prepareDisk, remove } from './disk.ts';
import { type Contender, compare } from './measure.ts';
import { findCMkcomposefs } from './mkcomposefs.ts';
import { packedOnecopy } from './packed.ts';
import { findProgram } from './peers.ts';
import { rowsOf } from './rows.ts';

const CORPUS: CorpusShape = { files: 50_000, meanBytes: 15_000, seed: 3 };
/** The most that each of these may take of the peer's time. */
const GOAL = 0.7;
const IMAGE = 'bench';

/** Runs a program and returns its output. */
function run(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${program} ${args[0]} failed with status ${status}: ${stderr}`);
  return stdout.trim();
}

async function writeTree(root: string, shape: CorpusShape): Promise<void> {
  for (const { member, content } of corpusMembers(shape)) {
    const path = join(root, Buffer.from(bytesOf(member.path)).toString());
    if (member.type === 'directory') mkdirSync(path, { recursive: true });
    else writeFileSync(path, await buffer(Readable.from(content ?? [])));
  }
}

/** Both programs with the same arguments after `--repo`, each on a fresh repository of its own below `place`. */
function pair(place: string, peer: string, what: string, args: readonly string[]): Contender[] {
  return [packedOnecopy('cfsctl'), peer].map((program, at) => {
    const repository = join(place, at === 0 ? 'ours' : 'theirs');
    return {
      name: at === 0 ? `our ${what}` : what,
      argv: [program, '--repo', repository, ...args],
      before() {
        remove(repository);
        run(peer, '--repo', repository, 'init', '--insecure');
      },
    };
  });
}

async function benchCompose(options: BenchOptions): Promise<readonly Row[]> {
  const disk = prepareDisk();
  try {
    const shape = options.quick ? QUICK_CORPUS : CORPUS;
    const at = (name: string) => join(disk.path, name);
    await writeTree(at('tree'), shape);
    const how = { rounds: options.rounds, warmUp: true };
    const size = `${shape.files} files`;
    const rows: Row[] = [];
    const add = async (what: string, contenders: readonly Contender[]) => {
      rows.push(...rowsOf(`${what}, ${size}`, await compare(contenders, how), [1, GOAL]));
    };
    const cfsctl = findProgram('cfsctl');
    if (cfsctl === undefined) options.say('cfsctl is not here');
    else {
      const tree = ['--no-propagate-usr-to-root', at('tree')];
      await add(
        'image of a directory',
        pair(disk.path, cfsctl, 'cfsctl create-image', ['create-image', ...tree]),
      );
      await add(
        'id of a directory',
        pair(disk.path, cfsctl, 'cfsctl compute-id', ['compute-id', ...tree]),
      );
      await fillSource(at, cfsctl, shape);
      const copy = ['oci', 'copy', '--from', at('source'), '--zerocopy', IMAGE];
      await add('copy of an image', pair(disk.path, cfsctl, 'cfsctl oci copy --zerocopy', copy));
    }
    const mkcomposefs = findCMkcomposefs();
    if (mkcomposefs === undefined)
      options.say('C mkcomposefs is not here; C_MKCOMPOSEFS may name it');
    else {
      const contenders = [packedOnecopy('mkcomposefs'), mkcomposefs].map((program, index) => {
        const store = at(index === 0 ? 'our-store' : 'their-store');
        return {
          name: index === 0 ? 'our mkcomposefs' : 'C mkcomposefs --digest-store',
          argv: [program, `--digest-store=${store}`, at('tree'), `${store}.cfs`],
          before: () => remove(store),
        };
      });
      await add('image and objects of a directory', contenders);
    }
    return rows;
  } finally {
    disk.dispose();
  }
}

/** A repository of the real program with one image. */
async function fillSource(
  at: (name: string) => string,
  cfsctl: string,
  shape: CorpusShape,
): Promise<void> {
  const layer = { members: corpusMembers(shape), compression: 'none' } as const;
  await writeSampleImage(at('layout'), 'latest', [layer]);
  run(cfsctl, '--repo', at('source'), 'init', '--insecure');
  run(cfsctl, '--repo', at('source'), 'oci', 'pull', `oci:${at('layout')}:latest`, IMAGE);
}

/** Directories and repositories. */
export const bench: Bench = { name: 'compose', run: benchCompose };
