import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCfsctl } from '#faces/cfsctl';
import type { GoldenStep } from '../../support/golden-repo.ts';
import { describeRepository } from '../../support/repository-tree.ts';

const LAYOUTS = fileURLToPath(new URL('../../golden/cfsctl/oci/', import.meta.url));

/** Programs of the host that a transcript calls between its steps; their lines are compared too. */
const HOST_PROGRAMS = new Set(['ls', 'umount']);

/** What a command said. */
export interface Said {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs `cfsctl` in this process. */
export async function cfsctl(argv: readonly string[], input?: Uint8Array): Promise<Said> {
  const out: Buffer[] = [];
  let stderr = '';
  const status = await runCfsctl(argv, {
    write: async (piece) => {
      out.push(Buffer.from(piece));
    },
    warn: (text) => {
      stderr += text;
    },
    readInput: async function* () {
      if (input !== undefined) yield input;
    },
    isTerminal: false,
    signal: new AbortController().signal,
    environment: process.env,
  });
  return { status, stdout: Buffer.concat(out), stderr };
}

/** Where the placeholders of a transcript lead. */
export interface Places {
  readonly repo: string;
  readonly scratch: string;
  /** Name of the case, for `$LAYOUT`. */
  readonly layout?: string | undefined;
  /** Folder of unpacked deltas, for `$DELTA`. */
  readonly delta?: string | undefined;
}

/** A step that came out otherwise. */
export interface Mismatch {
  readonly step: number;
  readonly command: string;
  readonly what: string;
  readonly expected: string;
  readonly found: string;
  readonly said?: string;
}

/** Fills the placeholders of a command line in. */
export function placed(text: string, { repo, scratch, layout, delta }: Places): string {
  return text
    .replaceAll('$REPO', repo)
    .replace(/\$LAYOUTS\/([^/:]+)/g, (_all, name: string) => join(LAYOUTS, name, 'layout'))
    .replaceAll('$LAYOUT', join(LAYOUTS, layout ?? '', 'layout'))
    .replaceAll('$DELTA', delta ?? '$DELTA')
    .replaceAll('$W', scratch);
}

/** How a transcript is replayed. */
export interface ReplayOptions {
  readonly isSkipped?: (step: GoldenStep, index: number) => boolean;
  /** Called with each step before it is done: looks at what the steps before it left, and does what its note says. */
  readonly look?: (step: GoldenStep, index: number) => Promise<void> | void;
  /** What a step has on standard input; default: the text of the transcript. */
  readonly input?: (step: GoldenStep) => Uint8Array | undefined;
}

/**
 * Replays a transcript: exit code and standard output of every command of `cfsctl`, every listing of the repository of the command before,
 * and every file that is shown.
 */
export async function replay(
  steps: readonly GoldenStep[],
  places: Places,
  { isSkipped = () => false, look = () => {}, input = textOf }: ReplayOptions = {},
): Promise<Mismatch[]> {
  const found: Mismatch[] = [];
  let repository = places.repo;
  for (const [index, step] of steps.entries()) {
    await look(step, index);
    if (isSkipped(step, index)) continue;
    const note = (command: string, what: string, expected: unknown, seen: unknown, said = '') => {
      if (expected === seen) return;
      const texts = { expected: String(expected), found: String(seen), said };
      found.push({ step: index, command, what, ...texts });
    };
    const argv = step.cmd?.map((text) => placed(text, places));
    if (argv !== undefined) {
      repository = repositoryOf(argv) ?? repository;
      const said = await run(argv, environmentOf(step, places), input(step));
      if (said === undefined) continue;
      const command = (step.cmd ?? []).slice(1).join(' ');
      note(command, 'exit code', step.rc, said.status, said.stderr);
      const [expected, seen] = outputsOf(step, said.stdout, places);
      note(command, 'stdout', expected, seen, said.stderr);
      continue;
    }
    if (typeof step['file'] === 'string' && step['file'].startsWith('$W')) {
      const path = placed(step['file'], places);
      note(path, 'file', step['text'], existsSync(path) ? readFileSync(path, 'utf8') : undefined);
    }
    for (const [key, lines] of Object.entries(step)) {
      if (!key.startsWith('tree') || !Array.isArray(lines)) continue;
      const place = key === 'tree of $W' ? places.scratch : repository;
      const { expected, found: seen } = difference(
        lines,
        existsSync(place) ? describeRepository(place) : [],
      );
      if (`${expected}${seen}` !== '') note(key, 'tree', expected, seen);
    }
  }
  return found;
}

function textOf({ stdin }: GoldenStep): Uint8Array | undefined {
  return typeof stdin === 'string' ? Buffer.from(stdin) : undefined;
}

/** The repository that a command is about. */
function repositoryOf(argv: readonly string[]): string | undefined {
  const option = argv.indexOf('--repo');
  const last = argv.at(-1);
  if (argv.includes('init') && last?.startsWith('/') === true) return last;
  return option < 0 ? undefined : argv[option + 1];
}

function environmentOf(step: GoldenStep, places: Places): Record<string, string> {
  const given = Object.entries((step['env'] ?? {}) as Record<string, string>);
  return Object.fromEntries(given.map(([name, value]) => [name, placed(value, places)]));
}

/** Runs a command of a transcript with some variables; undefined for programs that are not ours to test. */
async function run(
  argv: readonly string[],
  environment: Record<string, string>,
  input: Uint8Array | undefined,
): Promise<Said | undefined> {
  const [program = '', ...args] = argv;
  if (program === 'env' && args[0] === '-u') {
    const [, unset = '', ...rest] = args;
    const kept = process.env[unset];
    delete process.env[unset];
    try {
      return await run(rest, environment, input);
    } finally {
      if (kept !== undefined) process.env[unset] = kept;
    }
  }
  if (HOST_PROGRAMS.has(program)) {
    const { status, stdout, stderr } = spawnSync(program, args);
    return { status: status ?? -1, stdout, stderr: stderr.toString() };
  }
  if (program !== 'cfsctl') return undefined;
  const kept = { ...process.env };
  Object.assign(process.env, environment);
  try {
    return await cfsctl(args, input);
  } finally {
    for (const name of Object.keys(environment)) delete process.env[name];
    Object.assign(process.env, kept);
  }
}

/** What was recorded on standard output, and what was printed, in a form that can be compared. */
function outputsOf(step: GoldenStep, stdout: Buffer, places: Places): readonly [string, string] {
  if (typeof step['stdout_sha256'] === 'string')
    return [step['stdout_sha256'], createHash('sha256').update(stdout).digest('hex')];
  const text = stdout.toString();
  if (Array.isArray(step['stdout_sorted']))
    return [step['stdout_sorted'].join('\n'), sorted(text.trim())];
  const wanted = placed(step.stdout ?? '', places);
  return step.cmd?.includes('image-objects') === true
    ? [sorted(wanted), sorted(text)]
    : [wanted, text];
}

function sorted(text: string): string {
  return text.split('\n').sort().join('\n');
}

function difference(expected: readonly string[], found: readonly string[]) {
  return {
    expected: expected.filter((line) => !found.includes(line)).join('\n'),
    found: found.filter((line) => !expected.includes(line)).join('\n'),
  };
}

/**
 * True for what differs because of the random order in which the original writes the references of manifests of several layers, and of
 * configs with several images: their stream objects, the numbers of gc that hold them, and the ids that a pull or a copy prints.
 */
export function isRandom({ what, command, expected, found }: Mismatch): boolean {
  if (what === 'tree') {
    const rows = `${expected}\n${found}`.split('\n').filter((line) => line !== '');
    const targets = rows.flatMap(
      (line) => /^l streams\/oci-(?:manifest|config)-\S+ -> \.\.\/(\S+)$/.exec(line)?.[1] ?? [],
    );
    return rows.every(
      (line) => /^f 0644 \d+ objects/.test(line) || targets.some((target) => line.endsWith(target)),
    );
  }
  if (what !== 'stdout') return false;
  const without = (lines: RegExp) => {
    const plain = (text: string) => text.replace(lines, '').trim();
    return plain(expected) === plain(found);
  };
  if (/ gc(?: |$)/.test(command)) return /removed/.test(found) && without(/^Objects: .*$/gm);
  if (/ oci pull /.test(command)) return without(/^verity .*$/gm);
  if (/ oci copy /.test(command)) return without(/^Manifest verity: .*$/gm);
  return false;
}

/** The reason of a finding that cannot be read, at the end of a line and in JSON. */
const REASON =
  /(fsck: (?:\w+-read-failed|stream-open-failed|image-invalid|invalid-ref-name): .*?): .*$/;
const QUOTED_REASON = new RegExp(REASON.source.replace('.*$', '(?:[^"\\\\]|\\\\.)*'));

/** A report with its findings in order, and without the reasons of what cannot be read. */
export function findingsOf(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(line.startsWith('  - ') ? REASON : QUOTED_REASON, '$1'))
    .map((line) => line.replace(/,$/, ''))
    .sort()
    .join('\n');
}
