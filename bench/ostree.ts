/**
 * OSTree commits: pulled over loopback HTTP (nginx) and from a local repository, pulled again after a small change, pulled from a
 * slow server, and exported; beside `ostree` and `cfsctl ostree`. All on one XFS with reflink on a loop device, as root; elsewhere
 * in a plain folder.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ForkedServer } from '../test/support/forked-server.ts';
import { Nginx } from '../test/support/nginx.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { type CorpusShape, corpusMembers } from './corpus.ts';
import { prepareDisk, remove } from './disk.ts';
import { type Contender, compare, median, type Series } from './measure.ts';
import { packedOnecopy } from './packed.ts';
import { findProgram } from './peers.ts';
import { peak, rowsOf } from './rows.ts';

/** About 16,000 objects: with files come a dirtree for each folder, one dirmeta and the commit. */
const CORPUS: CorpusShape = { files: 15_730, meanBytes: 8_000, seed: 2 };
const QUICK_CORPUS: CorpusShape = { files: 2_000, meanBytes: 4_000, seed: 2 };
/** 3,208 objects. */
const DISTANT_CORPUS: CorpusShape = { files: 3_149, meanBytes: 2_000, seed: 3 };
const LATENCY_MS = 20;
const LATENCY_GOAL_SEC = 1.5;
const RSS_GOAL_MB = 300;
/** Every hundredth file is another one in the second version. */
const CHANGED_EVERY = 100;

/** Our program as it is packed, on a repository. */
function ours(name: string, repository: string, ...args: readonly string[]): Contender {
  return { name, argv: [packedOnecopy(), '--repo', repository, '-q', ...args] };
}

/** Everything a comparison needs. */
interface Stage {
  readonly disk: string;
  readonly ostree: string;
  readonly cfsctl: string | undefined;
  /** An archive repository with refs `v1` and `v2`. */
  readonly source: string;
  readonly url: string;
  readonly rounds: number;
}

/** Writes the files of a corpus, below `tree`. */
async function writeTree(tree: string, shape: CorpusShape): Promise<void> {
  for (const { member, content } of corpusMembers(shape)) {
    const path = join(tree, member.path);
    if (member.type === 'directory') mkdirSync(path, { recursive: true, mode: 0o755 });
    else {
      const pieces: Uint8Array[] = [];
      for await (const piece of content ?? []) pieces.push(piece);
      writeFileSync(path, Buffer.concat(pieces), { mode: 0o644 });
    }
  }
}

/** Commits a tree. @returns the checksum */
function commit(
  { ostree }: Pick<Stage, 'ostree'>,
  repository: string,
  tree: string,
  ...more: readonly string[]
): string {
  const owner = ['--owner-uid=0', '--owner-gid=0', '--no-xattrs'];
  const args = ['commit', `--repo=${repository}`, `--tree=dir=${tree}`, ...owner, ...more];
  return execFileSync(ostree, args, { encoding: 'utf8' }).trim();
}

async function prepareSource(stage: Omit<Stage, 'url'>, shape: CorpusShape): Promise<void> {
  const { disk, ostree, source } = stage;
  const tree = join(disk, 'tree');
  await writeTree(tree, shape);
  execFileSync(ostree, ['init', `--repo=${source}`, '--mode=archive']);
  const first = commit(stage, source, tree, '--branch=v1');
  for (let index = 0; index < shape.files; index += CHANGED_EVERY) {
    const folder = `usr/share/corpus/d${Math.floor(index / 60)}`;
    writeFileSync(join(tree, folder, `f${index}.txt`), `changed ${index}\n`.repeat(400));
  }
  commit(stage, source, tree, '--branch=v2', `--parent=${first}`);
  remove(tree);
}

/** An empty client repository of `ostree` that knows the remote. */
function prepareClient({ ostree, url }: Stage, path: string): void {
  remove(path);
  execFileSync(ostree, ['init', `--repo=${path}`, '--mode=bare']);
  const args = ['remote', 'add', `--repo=${path}`, '--no-gpg-verify', 'o', url];
  execFileSync(ostree, args);
}

/** Replaces `to` by a copy of `from`; what it wrote is on disk before anything is measured. */
function renew(disk: string, from: string, to: string): void {
  remove(to);
  execFileSync('cp', ['-a', '--reflink=auto', from, to]);
  settle(disk);
}

function settle(disk: string): void {
  spawnSync('sync', ['-f', disk]);
}

async function benchRemote(stage: Stage): Promise<{ rows: Row[]; series: Series }> {
  const { disk, ostree, cfsctl, url, rounds } = stage;
  const [mine, client, theirs] = [join(disk, 'ours'), join(disk, 'client'), join(disk, 'theirs')];
  const contenders: Contender[] = [
    {
      ...ours('onecopy pull ostree:', mine, 'pull', `ostree:${url}:v1`),
      before() {
        remove(mine);
        settle(disk);
      },
    },
    {
      name: 'ostree pull',
      argv: [ostree, 'pull', `--repo=${client}`, 'o', 'v1'],
      before() {
        prepareClient(stage, client);
        settle(disk);
      },
    },
  ];
  if (cfsctl !== undefined) {
    contenders.push({
      name: 'cfsctl ostree pull',
      argv: [cfsctl, '--repo', theirs, 'ostree', 'pull', url, 'v1'],
      before() {
        remove(theirs);
        spawnSync(cfsctl, ['--repo', theirs, 'init', '--insecure']);
        settle(disk);
      },
    });
  }
  const series = await compare(contenders, { rounds, warmUp: true });
  const rows = rowsOf('pull over HTTP, 16,000 objects', series, [1, 0.4, 0.7]);
  return { rows, series: series[0] as Series };
}

/** Pulls v2 where v1 is: beside `ostree pull`, and beside what the first pull took. */
async function benchAgain(stage: Stage, first: Series): Promise<Row[]> {
  const { disk, ostree, url, rounds } = stage;
  const [mine, client] = [join(disk, 'ours'), join(disk, 'client')];
  const [mineAgain, clientAgain] = [join(disk, 'ours-again'), join(disk, 'client-again')];
  const series = await compare(
    [
      {
        ...ours('onecopy pull ostree:', mineAgain, 'pull', `ostree:${url}:v2`),
        before: () => renew(disk, mine, mineAgain),
      },
      {
        name: 'ostree pull',
        argv: [ostree, 'pull', `--repo=${clientAgain}`, 'o', 'v2'],
        before: () => renew(disk, client, clientAgain),
      },
    ],
    { rounds, warmUp: true },
  );
  remove(mineAgain, clientAgain);
  const again = 'pull over HTTP, 1 % of the files changed';
  const own = { ...first, name: 'its own first pull' };
  return [series, [series[0] as Series, own]].flatMap((one) => rowsOf(again, one, [1, 0.3]));
}

async function benchLocal(stage: Stage): Promise<Row[]> {
  const { disk, ostree, source, rounds } = stage;
  const [mine, client] = [join(disk, 'ours-local'), join(disk, 'client-local')];
  const series = await compare(
    [
      {
        ...ours('onecopy pull ostree-local:', mine, 'pull', `ostree-local:${source}:v1`),
        before() {
          remove(mine);
          settle(disk);
        },
      },
      {
        name: 'ostree pull-local',
        argv: [ostree, 'pull-local', `--repo=${client}`, source, 'v1'],
        before() {
          prepareClient(stage, client);
          settle(disk);
        },
      },
    ],
    { rounds, warmUp: true },
  );
  remove(mine, client);
  return rowsOf('pull from a local archive repository, 16,000 objects', series, [1, 0.7]);
}

/** Out again: to a repository of mode bare beside `pull-local`, and to plain files beside a checkout by hard links. */
async function benchExport(stage: Stage): Promise<Row[]> {
  const { disk, ostree, source, rounds } = stage;
  const [mine, client] = [join(disk, 'ours'), join(disk, 'client')];
  const [exported, pulled] = [join(disk, 'exported'), join(disk, 'pulled')];
  const toRepository = await compare(
    [
      {
        ...ours('onecopy ostree export', mine, 'ostree', 'export', 'v1', exported, '--mode=bare'),
        before() {
          remove(exported);
          settle(disk);
        },
      },
      {
        name: 'ostree pull-local',
        argv: [ostree, 'pull-local', `--repo=${pulled}`, source, 'v1'],
        before() {
          prepareClient(stage, pulled);
          settle(disk);
        },
      },
    ],
    { rounds, warmUp: true },
  );
  remove(exported, pulled);
  const [plain, checkout] = [join(disk, 'plain'), join(disk, 'checkout')];
  const asked = [packedOnecopy(), '--repo', mine, 'ostree', 'compute-id', 'v1'] as const;
  const image = execFileSync(asked[0], asked.slice(1), { encoding: 'utf8' }).trim();
  const toFiles = await compare(
    [
      {
        ...ours('onecopy export', mine, 'export', image, plain),
        before() {
          remove(plain);
          settle(disk);
        },
      },
      {
        name: 'ostree checkout -H',
        argv: [ostree, 'checkout', `--repo=${client}`, '-H', 'v1', checkout],
        before() {
          remove(checkout);
          settle(disk);
        },
      },
    ],
    { rounds, warmUp: true },
  );
  remove(plain, checkout);
  return [
    ...rowsOf('export to a bare repository, verified', toRepository, [1, 1]),
    ...rowsOf('export to plain files of one’s own, verified', toFiles, [1, 1]),
  ];
}

/** A server that is 20 ms away. */
async function benchDistant(stage: Omit<Stage, 'url'>, shape: CorpusShape): Promise<Row[]> {
  const { disk, ostree, rounds } = stage;
  const [root, tree, mine] = [join(disk, 'distant'), join(disk, 'tree'), join(disk, 'ours-far')];
  await writeTree(tree, shape);
  execFileSync(ostree, ['init', `--repo=${root}`, '--mode=archive']);
  commit(stage, root, tree, '--branch=v1');
  const entry = new URL('./distant-server.ts', import.meta.url);
  await using server = await ForkedServer.start(entry, [root, String(LATENCY_MS)]);
  const source = `ostree:http://127.0.0.1:${server.port}:v1`;
  const before = () => {
    remove(mine);
    settle(disk);
  };
  const far = { ...ours('onecopy pull ostree:', mine, 'pull', source), before };
  // Each is short, so there can be enough of them for a median that a busy neighbour does not move.
  const [series] = await compare([far], { rounds: rounds * 3, warmUp: true });
  remove(tree, root, mine);
  if (series === undefined) return [];
  const wallSec = median(series.costs.map((cost) => cost.wallSec));
  return [
    {
      what: `pull over HTTP, ${shape.files + 59} objects, ${LATENCY_MS} ms for each answer`,
      peer: `${LATENCY_GOAL_SEC} s`,
      ratio: wallSec / LATENCY_GOAL_SEC,
      goal: 1,
      detail: `${wallSec.toFixed(2)} s; 64 requests at once would take ${(((shape.files + 59) / 64) * LATENCY_MS) / 1000} s`,
    },
  ];
}

async function benchOstree(options: BenchOptions): Promise<Row[]> {
  const [ostree, nginx] = [findProgram('ostree'), findProgram('nginx')];
  if (ostree === undefined || nginx === undefined) {
    options.say('left out: needs ostree and nginx');
    return [];
  }
  const disk = prepareDisk();
  try {
    const stage = {
      disk: disk.path,
      ostree,
      cfsctl: findProgram('cfsctl'),
      source: join(disk.path, 'source'),
      rounds: options.rounds,
    };
    options.say('making the repositories …');
    await prepareSource(stage, options.quick ? QUICK_CORPUS : CORPUS);
    await using server = await Nginx.start(nginx, stage.source);
    const served = { ...stage, url: server.url };
    const { rows, series } = await benchRemote(served);
    rows.push(...(await benchAgain(served, series)));
    rows.push(...(await benchLocal(served)));
    rows.push(...(await benchExport(served)));
    rows.push(...(await benchDistant(stage, DISTANT_CORPUS)));
    rows.push({
      what: 'peak RSS of the pull over HTTP',
      peer: `${RSS_GOAL_MB} MB`,
      ratio: peak(series) / RSS_GOAL_MB,
      goal: 1,
      detail: `${peak(series).toFixed(0)} MB`,
    });
    return rows;
  } finally {
    disk.dispose();
  }
}

/** The bench of the OSTree half. */
export const bench: Bench = { name: 'ostree', run: benchOstree };
