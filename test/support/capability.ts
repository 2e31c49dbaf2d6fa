import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CAPABILITY_NAMES, type CapabilityName, Dir, probeHost } from '#host';

/** A filesystem that a test can make on a loop device. */
export type FilesystemType = 'xfs' | 'btrfs' | 'ext4';

/** What a test may need: a row of the host's table, a filesystem on a loop device, or a program. */
export type Need = CapabilityName | FilesystemType | `tool:${string}`;

/**
 * What a Debian 12 machine may lack for good: a peer that no package brings (npm run bench:peers does), and libraries that want a
 * processor of some kind. A test that needs one may be skipped anywhere.
 */
const OPTIONAL: readonly Need[] = ['tool:cfsctl', 'hash-lanes'];
/** How the skip log marks such a test; the runner shows it and does not count it. */
const OPTIONAL_MARK = 'optional, ';

const FILESYSTEMS: readonly string[] = ['xfs', 'btrfs', 'ext4'] satisfies FilesystemType[];
const PROGRAM_FOLDERS = [
  ...(process.env['PATH'] ?? '').split(':'),
  '/usr/local/sbin',
  '/usr/sbin',
  '/sbin',
];

/** Full path of a program, looked for in PATH and the system folders; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  return PROGRAM_FOLDERS.filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

const answers = new Map<Need, string>();

/** Why this host lacks something; the empty string when it has it. Probed once per process. */
export function reasonMissing(need: Need): string {
  const known = answers.get(need);
  if (known !== undefined) return known;
  if (need.startsWith('tool:')) {
    const name = need.slice('tool:'.length);
    answers.set(need, findProgram(name) === undefined ? `"${name}" is not installed` : '');
  } else if (FILESYSTEMS.includes(need)) {
    answers.set(need, filesystemMissing(need));
  } else {
    probeScratch();
  }
  return answers.get(need) ?? `"${need}" is not a capability`;
}

function filesystemMissing(type: string): string {
  if (findProgram(`mkfs.${type}`) === undefined) return `"mkfs.${type}" is not installed`;
  if (process.geteuid?.() !== 0) return 'mounting needs root';
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices';
  const known = readFileSync('/proc/filesystems', 'utf8').split(/\s+/);
  if (known.includes(type)) return '';
  const loaded = spawnSync(findProgram('modprobe') ?? 'modprobe', [type]).status === 0;
  return loaded ? '' : `the kernel has no ${type}`;
}

function probeScratch(): void {
  const scratch = mkdtempSync(join(tmpdir(), 'onecopy-probe-'));
  try {
    using directory = Dir.open(scratch);
    for (const { name, available, detail } of probeHost(directory).values()) {
      answers.set(name, available ? '' : detail);
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/**
 * Skips a test that needs what this host lacks: `if (!needs(t, 'root', 'xfs')) return;`. The skip is loud: it is reported with its
 * reason, and written to the file named by ONECOPY_SKIP_LOG, which the runner prints and judges.
 */
export function needs(t: TestContext, ...wanted: readonly Need[]): boolean {
  const missing = wanted
    .map((need) => ({ need, reason: reasonMissing(need) }))
    .filter(({ reason }) => reason !== '');
  if (missing.length === 0) return true;
  const why = missing.map(({ need, reason }) => `${need}: ${reason}`).join('; ');
  const isOptional = missing.every(({ need }) => OPTIONAL.includes(need));
  recordSkip(t.name, isOptional ? `${OPTIONAL_MARK}${why}` : why);
  t.skip(why);
  return false;
}

/** Writes one line about a skipped test to the skip log, if there is one. */
export function recordSkip(test: string, why: string): void {
  const log = process.env['ONECOPY_SKIP_LOG'];
  if (log !== undefined && log !== '') appendFileSync(log, `${test} (${why})\n`);
}

/** The table of what this host can do, as text: one line a capability. The runner prints it first. */
export function capabilityTable(): string {
  const needed: Need[] = [...CAPABILITY_NAMES, 'xfs', 'btrfs', 'ext4'];
  return needed
    .map((need) => {
      const reason = reasonMissing(need);
      return `  ${need.padEnd(24)}${reason === '' ? 'yes' : `no   ${reason}`}`;
    })
    .join('\n');
}
