/**
 * Pulling one image out of Debian's docker-registry on loopback: ours beside the same pull from a layout, `cfsctl oci pull docker://` and `skopeo
 * copy docker:// containers-storage:`. The registry runs in a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DockerRegistry } from '../test/support/docker-registry.ts';
import { writeSampleImage } from '../tools/sample-image.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { type CorpusShape, corpusMembers, QUICK_CORPUS } from './corpus.ts';
import { prepareDisk, remove } from './disk.ts';
import { type Contender, compare } from './measure.ts';
import { packedOnecopy } from './packed.ts';
import { findProgram } from './peers.ts';
import { rowsOf } from './rows.ts';

/** Three layers, each of about 150 MB of tar. */
const LAYERS: readonly CorpusShape[] = [1, 2, 3].map((seed) => {
  return { files: 10_000, meanBytes: 15_000, seed };
});

/** A contender with the most that we may take of its time. */
type Peer = Contender & { readonly goal: number };

/** Everyone who can pull on this machine; ours from the registry first. */
function pullers(disk: string, host: string): Peer[] {
  const at = (name: string) => join(disk, name);
  const image = `docker://${host}/bench:latest`;
  const onecopy = (name: string, reference: string): Contender => ({
    name,
    argv: [packedOnecopy(), '--repo', at('ours'), '-q', 'pull', reference, 'bench'],
    before: () => remove(at('ours')),
  });
  const all: Peer[] = [
    { ...onecopy('onecopy pull docker://', image), goal: 1 },
    { ...onecopy('onecopy pull oci:', `oci:${at('layout')}:latest`), goal: 1.3 },
  ];
  // The peers take plain HTTP only where registries.conf allows it.
  const env = { HOME: at('home') };
  mkdirSync(at('home/.config/containers'), { recursive: true });
  writeFileSync(
    at('home/.config/containers/registries.conf'),
    `[[registry]]\nlocation = "${host}"\ninsecure = true\n`,
  );
  const cfsctl = findProgram('cfsctl');
  if (cfsctl !== undefined) {
    all.push({
      name: 'cfsctl oci pull docker://',
      goal: 0.6,
      argv: [cfsctl, '--repo', at('theirs'), 'oci', 'pull', image, 'bench'],
      env,
      before() {
        remove(at('theirs'));
        spawnSync(cfsctl, ['--repo', at('theirs'), 'init', '--insecure']);
      },
    });
  }
  const skopeo = findProgram('skopeo');
  if (skopeo !== undefined) {
    const store = `containers-storage:[overlay@${at('graph')}+${at('run')}]bench:latest`;
    all.push({
      name: 'skopeo copy docker:// containers-storage:',
      goal: 0.5,
      argv: [skopeo, 'copy', '-q', '--insecure-policy', image, store],
      env,
      before: () => remove(at('graph'), at('run')),
    });
  }
  return all;
}

async function benchRegistry(options: BenchOptions): Promise<Row[]> {
  const disk = prepareDisk();
  try {
    options.say('making the image …');
    const layout = join(disk.path, 'layout');
    const shapes = options.quick ? [QUICK_CORPUS] : LAYERS;
    const { tarBytes } = await writeSampleImage(
      layout,
      'latest',
      shapes.map((shape) => ({ members: corpusMembers(shape), compression: 'gzip' as const })),
    );
    await using registry = await DockerRegistry.start();
    const onecopy = packedOnecopy();
    const target = `docker://${registry.host}/bench:latest`;
    const { status } = spawnSync(onecopy, ['copy', `oci:${layout}:latest`, target]);
    if (status !== 0) throw new Error(`onecopy copy failed with status ${status}`);
    const contenders = pullers(disk.path, registry.host);
    const series = await compare(contenders, { rounds: options.rounds, warmUp: true });
    return rowsOf(
      `pull over loopback HTTP, ${shapes.length} gzip layers, ${(tarBytes / 1e6).toFixed(0)} MB tar`,
      series,
      contenders.map(({ goal }) => goal),
    );
  } finally {
    disk.dispose();
  }
}

/** The bench of pulls from a registry. */
export const bench: Bench = { name: 'registry', run: benchRegistry };
