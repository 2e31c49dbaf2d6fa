/**
 * A dumpfile of a million inodes turned into an image, beside C mkcomposefs: found on PATH, or named by C_MKCOMPOSEFS.
 * The dump looks like a large system: packages with one owner and time, labels, a few hard links, link targets.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { compare, median, ratio } from './measure.ts';

/** Goal of the project for this bench. */
const GOAL = 0.3;
const FILES_IN_DIRECTORY = 9;
/** C looks through a directory for every new name, so one large directory would not be a fair input. */
const GROUP_SIZE = 250;
const PIECE_LENGTH = 1 << 20;
const OURS = fileURLToPath(new URL('../bin/mkcomposefs', import.meta.url));

/** Path of C mkcomposefs; undefined when this host has none. */
export function findCMkcomposefs(): string | undefined {
  const candidates = [process.env['C_MKCOMPOSEFS'], 'mkcomposefs'];
  return candidates.find((program) => {
    if (program === undefined) return false;
    const { stdout, stderr } = spawnSync(program, ['--help'], { encoding: 'utf8' });
    // Ours and that of composefs-rs answer to the same name, but only they know --hardlinks.
    const usage = `${stdout ?? ''}${stderr ?? ''}`;
    return usage.includes('--digest-store') && !usage.includes('--hardlinks');
  });
}

function* packageLines(index: number): Generator<string> {
  const group = `/usr/share/group-${String(Math.floor(index / GROUP_SIZE)).padStart(4, '0')}`;
  const directory = `${group}/package-${String(index).padStart(6, '0')}`;
  const time = `${1_600_000_000 + (index % 5000) * 3600}.0`;
  const label = `security.selinux=system_u:object_r:type_${index % 30}_t:s0\\x00`;
  if (index % GROUP_SIZE === 0) yield `${group} 0 40755 2 0 0 0 ${time} - - - ${label}\n`;
  yield `${directory} 0 40755 2 0 0 0 ${time} - - - ${label}\n`;
  for (let file = 0; file < FILES_IN_DIRECTORY; file += 1) {
    const path = `${directory}/file-${file}.so`;
    const id = createHash('sha256').update(path).digest('hex');
    if (file === 6) yield `${path} 10 120777 1 0 0 0 ${time} ../file-${index % 9}x - - ${label}\n`;
    else if (file === 7) yield `${path} 11 100644 2 0 0 0 ${time} - small\\x20file\\n - ${label}\n`;
    else if (file === 8) yield `${path} 0 @120000 - - - - 0.0 ${directory}/file-7.so - -\n`;
    else {
      const object = `${id.slice(0, 2)}/${id.slice(2)}`;
      yield `${path} ${4096 + index} 100755 1 0 0 0 ${time} ${object} - ${id} ${label}\n`;
    }
  }
}

/** Writes the dump; the same bytes on every host. */
function writeDump(path: string, inodes: number): void {
  const file = openSync(path, 'w');
  let text = '/ 0 40755 3 0 0 0 1600000000.0 - - -\n/usr 0 40755 3 0 0 0 1600000000.0 - - -\n';
  text += '/usr/share 0 40755 3 0 0 0 1600000000.0 - - -\n';
  for (let index = 0; index * (1 + FILES_IN_DIRECTORY) < inodes; index += 1) {
    for (const line of packageLines(index)) text += line;
    if (text.length < PIECE_LENGTH) continue;
    writeSync(file, text);
    text = '';
  }
  writeSync(file, text);
  closeSync(file);
}

async function run(options: BenchOptions): Promise<readonly Row[]> {
  const peer = findCMkcomposefs();
  if (peer === undefined) {
    options.say('C mkcomposefs is not here; C_MKCOMPOSEFS may name it');
    return [];
  }
  const directory = mkdtempSync(join(tmpdir(), 'onecopy-bench-mkcomposefs-'));
  try {
    const dump = join(directory, 'tree.dump');
    const inodes = options.quick ? 100_000 : 1_000_000;
    writeDump(dump, inodes);
    const args = (image: string): string[] => [
      '--from-file',
      '--print-digest',
      dump,
      join(directory, image),
    ];
    const same = [OURS, peer].map(
      (program) => spawnSync(program, args('check'), { encoding: 'utf8' }).stdout,
    );
    if (same[0] !== same[1] || same[0] === '') throw new Error(`images differ: ${same.join(' ')}`);
    const [ours, theirs] = await compare(
      [
        { name: 'onecopy', argv: [OURS, ...args('ours')] },
        { name: 'C', argv: [peer, ...args('theirs')] },
      ],
      { rounds: options.rounds },
    );
    if (ours === undefined || theirs === undefined) return [];
    const peak = median(ours.costs.map((cost) => cost.peakBytes)) / 2 ** 20;
    const theirPeak = median(theirs.costs.map((cost) => cost.peakBytes)) / 2 ** 20;
    const seconds = median(ours.costs.map((cost) => cost.wallSec));
    options.say(
      `ours ${seconds.toFixed(2)} s, ${peak.toFixed(0)} MiB; C ${theirPeak.toFixed(0)} MiB`,
    );
    return [
      {
        what: `image of ${inodes} inodes from a dumpfile`,
        peer: 'C mkcomposefs --from-file',
        ratio: ratio(ours, theirs),
        goal: GOAL,
        detail: `same image id; peak memory ${(peak / theirPeak).toFixed(2)} of C`,
      },
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The bench. */
export const bench: Bench = { name: 'mkcomposefs', run };
