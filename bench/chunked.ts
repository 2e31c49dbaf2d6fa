/**
 * An update of an image with a table of contents, 1 % of its files changed: ours beside podman's partial and whole pull, in time and in
 * bytes on the wire; then pushes of such an image. Podman 5 is that of this host, or of the root filesystem in ONECOPY_PODMAN_ROOT.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TarMemberSource } from '#formats/tar';
import { DockerRegistry } from '../test/support/docker-registry.ts';
import { LayoutRegistry } from '../test/support/layout-registry.ts';
import { commandIn } from '../test/support/podman.ts';
import { writeSampleImage } from '../tools/sample-image.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { type CorpusShape, corpusMembers } from './corpus.ts';
import { prepareDisk, remove } from './disk.ts';
import { type Contender, compare, median } from './measure.ts';
import { packedOnecopy } from './packed.ts';
import { findProgram } from './peers.ts';
import { rowsOf } from './rows.ts';

const SHAPE: CorpusShape = { files: 24_000, meanBytes: 12_000, seed: 2 };
const QUICK: CorpusShape = { files: 3_000, meanBytes: 12_000, seed: 2 };
/** One of so many files is changed. */
const CHANGED_EVERY = 100;
/** Part of the bytes of an update after which it is killed. */
const KILLED_AT = 0.6;

/** Podman's root, folder with stores and command. */
interface Podman {
  readonly command: (...args: string[]) => readonly string[];
  readonly env: (isPartial: boolean) => Readonly<Record<string, string>>;
}

/** Where everything lies, and what it came from. */
interface Place {
  readonly disk: string;
  readonly registry: LayoutRegistry;
  readonly podman: Podman | undefined;
  readonly options: BenchOptions;
}

async function benchChunked(options: BenchOptions): Promise<Row[]> {
  const root = process.env['ONECOPY_PODMAN_ROOT'] ?? '';
  const disk = prepareDisk(root === '' ? tmpdir() : join(root, 'tmp'));
  try {
    const layout = join(disk.path, 'layout');
    options.say('making the images …');
    await writeImages(layout, options.quick ? QUICK : SHAPE);
    await using registry = await LayoutRegistry.start(layout);
    const podman = findPodman(root, disk.path);
    if (podman === undefined) options.say('no podman 5: it is left out');
    const place = { disk: disk.path, registry, podman, options };
    return [...(await benchUpdate(place)), ...(await benchPush(place))];
  } finally {
    disk.dispose();
  }
}

async function writeImages(layout: string, shape: CorpusShape): Promise<void> {
  const compression = 'zstd:chunked';
  await writeSampleImage(layout, 'v1', [{ members: corpusMembers(shape), compression }]);
  await writeSampleImage(layout, 'v2', [{ members: changed(corpusMembers(shape)), compression }]);
}

/** The same files, with another first byte in one of a hundred. */
function* changed(members: Iterable<TarMemberSource>): Generator<TarMemberSource> {
  let count = 0;
  for (const one of members) {
    count += 1;
    if (!('content' in one) || count % CHANGED_EVERY !== 0) yield one;
    else yield { ...one, content: otherwise(one.content as Iterable<Uint8Array>) };
  }
}

function* otherwise(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  let isFirst = true;
  for (const piece of pieces) {
    const copy = Uint8Array.from(piece);
    if (isFirst && copy.length > 0) copy[0] = (copy[0] ?? 0) ^ 0xff;
    isFirst = false;
    yield copy;
  }
}

function findPodman(root: string, disk: string): Podman | undefined {
  if (process.geteuid?.() !== 0 || (root === '' && findProgram('podman') === undefined)) return;
  const inside = disk.slice(root.length);
  for (const isPartial of [true, false]) {
    const lines = [
      '[storage]',
      'driver = "overlay"',
      `graphroot = "${inside}/graph"`,
      `runroot = "${inside}/run"`,
      '[storage.options.pull_options]',
      `enable_partial_images = "${isPartial}"`,
    ];
    writeFileSync(join(disk, `storage-${isPartial}.conf`), `${lines.join('\n')}\n`);
  }
  const command = (...args: string[]) => commandIn(root, 'podman', args);
  const [program = '', ...args] = command('--version');
  const said = spawnSync(program, args, { encoding: 'utf8' }).stdout;
  if (Number(/version ([0-9]+)/.exec(said)?.[1] ?? 0) < 5) return;
  return {
    command,
    env: (isPartial) => ({ CONTAINERS_STORAGE_CONF: `${inside}/storage-${isPartial}.conf` }),
  };
}

/** Runs a command to its end while the registry of this process answers it. */
async function run(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const [program = '', ...args] = argv;
  const stdio = ['ignore', 'ignore', 'inherit'] as const;
  const child = spawn(program, args, { stdio: [...stdio], env: { ...process.env, ...env } });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`${program} failed with status ${status}`);
}

function copyTree(from: string, to: string): void {
  const { status } = spawnSync('cp', ['-a', '--reflink=auto', from, to]);
  if (status !== 0) throw new Error(`cannot copy ${from}`);
}

async function benchUpdate(place: Place): Promise<Row[]> {
  const { disk, registry, podman, options } = place;
  const reference = (tag: string) => `docker://${registry.host}/bench:${tag}`;
  const ours = join(disk, 'ours');
  const onecopy = (...args: string[]) => [packedOnecopy(), '--repo', ours, '-q', ...args];
  const sent = new Map<string, number[]>();
  const counted = (contender: Contender): Contender => {
    let before = 0;
    return {
      ...contender,
      before() {
        contender.before?.();
        before = registry.sentBytes;
      },
      after() {
        const all = sent.get(contender.name) ?? [];
        sent.set(contender.name, [...all, registry.sentBytes - before]);
      },
    };
  };
  await run(onecopy('pull', reference('v1'), 'bench:v1'));
  copyTree(ours, `${ours}-v1`);
  const contenders = [
    counted({
      name: 'onecopy pull',
      argv: onecopy('pull', reference('v2'), 'bench:v2'),
      before() {
        remove(ours);
        copyTree(`${ours}-v1`, ours);
      },
    }),
  ];
  for (const isPartial of podman === undefined ? [] : [true, false]) {
    contenders.push(counted(await podmanUpdate(place, isPartial)));
  }
  const series = await compare(contenders, { rounds: options.rounds, warmUp: true });
  const what = `update of ${options.quick ? QUICK.files : SHAPE.files} files, 1 % changed`;
  const bytes = (name: string) => median(sent.get(name) ?? []);
  const update = bytes('onecopy pull');
  const rows = rowsOf(what, series, [1, 0.8, 0.8]);
  const least = bytes('podman pull, partial');
  if (podman !== undefined)
    rows.push(bytesRow(`${what}, bytes`, 'podman pull, partial', [update, least], 1));
  rows.push(...(await benchAgain(place, { update, onecopy, reference })));
  return rows;
}

/** Podman's store with the first version, and its pull of the second. */
async function podmanUpdate(
  { disk, registry, podman }: Place,
  isPartial: boolean,
): Promise<Contender> {
  if (podman === undefined) throw new Error('there is no podman');
  const [graph, runRoot] = [join(disk, 'graph'), join(disk, 'run')];
  const saved = `${graph}-${isPartial}`;
  const env = podman.env(isPartial);
  const pull = (tag: string) =>
    podman.command('pull', '-q', '--tls-verify=false', `${registry.host}/bench:${tag}`);
  remove(graph, runRoot);
  mkdirSync(runRoot);
  await run(pull('v1'), env);
  remove(runRoot);
  copyTree(graph, saved);
  return {
    name: `podman pull, ${isPartial ? 'partial' : 'whole'}`,
    argv: pull('v2'),
    env,
    before() {
      remove(graph, runRoot);
      copyTree(saved, graph);
    },
  };
}

/** The update under another tag, and after a kill in its midst: what has come once does not come again. */
async function benchAgain(
  { disk, registry }: Place,
  {
    update,
    onecopy,
    reference,
  }: {
    readonly update: number;
    readonly onecopy: (...args: string[]) => readonly string[];
    readonly reference: (tag: string) => string;
  },
): Promise<Row[]> {
  const ours = join(disk, 'ours');
  remove(ours);
  copyTree(`${ours}-v1`, ours);
  const start = registry.sentBytes;
  registry.stallAtBytes = start + Math.floor(update * KILLED_AT);
  const stalled = new Promise<void>((resolve) => {
    registry.onStall = resolve;
  });
  const [program = '', ...args] = onecopy('pull', reference('v2'), 'bench:v2');
  const child = spawn(program, args, { stdio: 'ignore' });
  const exit = once(child, 'exit');
  await Promise.race([stalled, exit]);
  await new Promise((resolve) => setTimeout(resolve, 500));
  child.kill('SIGKILL');
  await exit;
  registry.stallAtBytes = Number.POSITIVE_INFINITY;
  await run(onecopy('pull', reference('v2'), 'bench:v2'));
  const twice = registry.sentBytes - start - update;
  const again = registry.sentBytes;
  await run(onecopy('pull', reference('v2'), 'bench:other'));
  const other = registry.sentBytes - again;
  const peer = 'onecopy pull, first time';
  return [
    bytesRow(
      'update killed and resumed, bytes that came twice',
      peer,
      [Math.max(0, twice), update],
      0.1,
    ),
    bytesRow('update under another tag, bytes', peer, [other, update], 0.1),
  ];
}

function bytesRow(
  what: string,
  peer: string,
  [ours, theirs]: readonly [number, number],
  goal: number,
): Row {
  return { what, peer, ratio: ours / theirs, goal, detail: `${ours} against ${theirs} bytes` };
}

/** The first version, pushed to an empty registry with a table of contents. */
async function benchPush(place: Place): Promise<Row[]> {
  const { disk, registry, podman, options } = place;
  if (podman === undefined || findProgram('docker-registry') === undefined) {
    options.say('pushes need docker-registry and podman 5: they are left out');
    return [];
  }
  const ours = `${join(disk, 'ours')}-v1`;
  const [graph, runRoot] = [join(disk, 'graph'), join(disk, 'run')];
  remove(graph, runRoot);
  copyTree(`${graph}-false`, graph);
  const name = `${registry.host}/bench:v1`;
  await using targets = new AsyncDisposableStack();
  // A registry for each push: neither of us then finds a blob that was sent before.
  const hosts: string[] = [];
  for (let count = 0; count < 2 * options.rounds + 2; count += 1) {
    hosts.push(targets.use(await DockerRegistry.start()).host);
  }
  const contender = (tool: string, push: (host: string) => readonly string[]): Contender => ({
    name: tool,
    env: podman.env(false),
    get argv() {
      return push(hosts.pop() ?? '');
    },
  });
  const series = await compare(
    [
      contender('onecopy push', (host) => [
        ...[packedOnecopy(), '--repo', ours, '-q', 'push', '--force-compression', 'zstd:chunked'],
        ...['bench:v1', `docker://${host}/bench:v1`],
      ]),
      contender('podman push', (host) =>
        podman.command(
          ...[
            'push',
            '-q',
            '--tls-verify=false',
            '--force-compression',
            '--compression-level',
            '3',
          ],
          ...['--compression-format', 'zstd:chunked', name, `${host}/bench:v1`],
        ),
      ),
    ],
    { rounds: options.rounds, warmUp: true },
  );
  return rowsOf('push as zstd:chunked, level 3', series, [1, 0.6]);
}

/** The bench of updates in parts. */
export const bench: Bench = { name: 'chunked', run: benchChunked };
