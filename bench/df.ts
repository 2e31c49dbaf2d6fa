/** `df` over a store with many files of one extent each, as layers have them, beside filefrag over the same files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { prepareDisk } from './disk.ts';
import { compare } from './measure.ts';
import { packedOnecopy } from './packed.ts';
import { rowsOf } from './rows.ts';

/** Goal of the project for this bench. */
const GOAL = 0.5;
const BLOCK = 4096;
const FILES_IN_DIRECTORY = 100;
const EXTENTS = { quick: 20_000, whole: 1_000_000 } as const;

/** A graph root with one layer; returns the directory of its files. */
function writeStore(graph: string, files: number): string {
  const layer = 'a'.repeat(64);
  const image = { id: 'b'.repeat(64), names: ['localhost/bench:1'], layer };
  const diff = join(graph, 'overlay', layer, 'diff');
  for (const folder of [diff, join(graph, 'overlay-layers'), join(graph, 'overlay-images')]) {
    mkdirSync(folder, { recursive: true });
  }
  writeFileSync(join(graph, 'overlay-layers/layers.json'), JSON.stringify([{ id: layer }]));
  writeFileSync(join(graph, 'overlay-images/images.json'), JSON.stringify([image]));
  const block = Buffer.alloc(BLOCK, 'x');
  for (let file = 0; file < files; file += 1) {
    const folder = join(diff, `${Math.floor(file / FILES_IN_DIRECTORY)}`);
    if (file % FILES_IN_DIRECTORY === 0) mkdirSync(folder);
    writeFileSync(join(folder, `file-${file}`), block);
  }
  return diff;
}

async function run(options: BenchOptions): Promise<readonly Row[]> {
  const extents = options.quick ? EXTENTS.quick : EXTENTS.whole;
  const disk = prepareDisk();
  try {
    const graph = join(disk.path, 'graph');
    options.say(`df: writing ${extents} extents`);
    const diff = writeStore(graph, extents);
    const script = 'find "$0" -type f -print0 | xargs -0 filefrag';
    const series = await compare(
      [
        { name: 'onecopy df', argv: [packedOnecopy(), 'df', '--json', '--store', graph] },
        { name: 'filefrag', argv: ['sh', '-c', script, diff] },
      ],
      { rounds: options.rounds, warmUp: true },
    );
    return rowsOf(`df of ${extents} extents`, series, [0, GOAL]);
  } finally {
    disk.dispose();
  }
}

/** Accounting for a store by its extents. */
export const bench: Bench = { name: 'df', run };
