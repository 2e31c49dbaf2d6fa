import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { initRepository } from '#stores/composefs';
import { pullImage } from '#work/pull-image';
import type { Podman } from './podman.ts';
import { runCliAsync } from './run-cli.ts';
import { testTar } from './tar-archive.ts';
import { noise, writeTestLayout } from './test-layout.ts';

/** What two programs at one store did. */
export interface Interleavings {
  /** Commands of ours that said that another process was in the way, and may be tried again. */
  readonly retryable: number;
  /** What went wrong, one line each. */
  readonly wrong: readonly string[];
}

/** Exit status of an error that a second try may mend; and of an image that is not there. */
const EXIT = { notFound: 4, busy: 9 } as const;
const SHARED_LAYERS = 3;

/**
 * Lets podman pull and remove an image while an image that shares layers is exported into the same store, or the image of podman is pulled from it.
 * Then asks podman what it finds.
 */
export async function interleave(podman: Podman, count: number): Promise<Interleavings> {
  const { folder, inside } = podman;
  const repo = join(folder, 'repository');
  const graph = join(folder, 'graph');
  await fillRepository(repo, folder);
  const wrong: string[] = [];
  let retryable = 0;
  const demand = async (when: string, ...command: string[]): Promise<string> => {
    const { status, output } = await podman.run(...command);
    if (status !== 0) wrong.push(`${when}: podman ${command.join(' ')}: ${output.slice(-300)}`);
    return output;
  };
  const source = `oci:${inside}/peer:latest`;
  const id = (await demand('at first', 'pull', '-q', source)).trim().split('\n').at(-1) ?? '';
  const target = `containers-storage:[overlay@${graph}]app:1`;
  const ours = [
    ['export', 'app', target],
    ['pull', `containers-storage:[overlay@${graph}]@${id}`, 'peer'],
  ];
  try {
    for (let round = 1; round <= count; round += 1) {
      const when = `round ${round} of ${count}`;
      const [args = []] = round % 2 === 1 ? ours : ours.slice(1);
      // What runs first changes from round to round.
      const isRemoved = round % 4 < 2;
      const theirs = async () => {
        if (isRemoved) await demand(when, 'rmi', '-f', id);
        await demand(when, 'pull', '-q', source);
      };
      const delayMs = (round * 37) % 400;
      const [, run] = await Promise.all([
        theirs(),
        new Promise((resolve) => setTimeout(resolve, delayMs)).then(() =>
          runCliAsync(args, { repo }),
        ),
      ]);
      const isAbsent = args[0] === 'pull' && run.status === EXIT.notFound;
      if (run.status === EXIT.busy || isAbsent) retryable += 1;
      else if (run.status !== 0)
        wrong.push(`${when}: ${args[0]} ended with ${run.status}: ${run.stderr}`);
      const listed = await demand(when, 'images', '-a', '--no-trunc');
      if (!listed.includes(id)) wrong.push(`${when}: the image of podman is lost`);
      if (round > 1 && !listed.includes('localhost/app')) wrong.push(`${when}: our image is lost`);
      if (podman.version >= 5) await demand(when, 'system', 'check');
    }
    const last = await runCliAsync(['export', 'app', target], { repo });
    if (last.status !== 0)
      wrong.push(`at last: the export ended with ${last.status}: ${last.stderr}`);
    const checked = await runCliAsync(['fsck'], { repo });
    if (checked.status !== 0)
      wrong.push(`at last: fsck ended with ${checked.status}: ${checked.stdout}`);
  } finally {
    spawnSync('umount', [join(graph, 'overlay')]);
  }
  return { retryable, wrong };
}

/** Writes the two images, and stores one of them. */
async function fillRepository(path: string, folder: string): Promise<void> {
  const layer = (seed: number) => ({
    tar: testTar(
      Array.from({ length: 40 }, (_unused, file) => ({
        name: `f${seed}-${file}`,
        content: noise(5000, seed * 100 + file),
      })),
    ),
  });
  const shared = Array.from({ length: SHARED_LAYERS }, (_, at) => layer(at));
  writeTestLayout(join(folder, 'peer'), [...shared, layer(50), layer(51)]);
  const { reference } = writeTestLayout(join(folder, 'app'), [...shared, layer(60), layer(61)]);
  using repository = (await initRepository(path, { algorithm: 'sha256', insecure: true }))
    .repository;
  await pullImage(repository, reference, { name: 'app' });
}
