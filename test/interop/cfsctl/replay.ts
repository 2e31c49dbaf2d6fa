import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCfsctl } from '#faces/cfsctl';
import type { GoldenStep } from '../../support/golden-repo.ts';
import { describeRepository } from '../../support/repository-tree.ts';

const LAYOUTS = fileURLToPath(new URL('../../golden/cfsctl/oci/', import.meta.url));

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
  });
  return { status, stdout: Buffer.concat(out), stderr };
}

/** Where the placeholders of a transcript lead. */
export interface Places {
  readonly repo: string;
  readonly scratch: string;
  /** Name of the case, for `$LAYOUT`. */
  readonly layout?: string | undefined;
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
export function placed(text: string, { repo, scratch, layout }: Places): string {
  return text
    .replaceAll('$REPO', repo)
    .replace(/\$LAYOUTS\/([^/:]+)/g, (_all, name: string) => join(LAYOUTS, name, 'layout'))
    .replaceAll('$LAYOUT', join(LAYOUTS, layout ?? '', 'layout'))
    .replaceAll('$W', scratch);
}

/**
 * Replays a transcript: exit code and standard output of every command of `cfsctl`, and every listing of the repository. Manifest streams
 * of images with several layers are random in the original.
 * @param look called with each step before it is done, for looking at what the steps before it left
 */
export async function replay(
  steps: readonly GoldenStep[],
  places: Places,
  isSkipped: (step: GoldenStep) => boolean = () => false,
  look: (step: GoldenStep) => void = () => undefined,
): Promise<Mismatch[]> {
  const mismatches: Mismatch[] = [];
  for (const [index, step] of steps.entries()) {
    const { cmd } = step;
    look(step);
    if (isSkipped(step)) continue;
    if (cmd?.[0] === 'cfsctl') {
      const said = await cfsctl(cmd.slice(1).map((text) => placed(text, places)));
      const command = cmd.slice(1).join(' ');
      const note = (what: string, expected: unknown, found: unknown) => {
        if (expected === found) return;
        mismatches.push({
          step: index,
          command,
          what,
          expected: String(expected),
          found: String(found),
          said: said.stderr,
        });
      };
      note('exit code', step.rc, said.status);
      if (step['stdout_sha256'] !== undefined) {
        note(
          'stdout',
          step['stdout_sha256'],
          createHash('sha256').update(said.stdout).digest('hex'),
        );
      } else {
        const text = said.stdout.toString();
        const wanted = placed(step.stdout ?? '', places);
        if (cmd.includes('image-objects')) note('stdout', sorted(wanted), sorted(text));
        else note('stdout', wanted, text);
      }
      continue;
    }
    for (const [key, lines] of Object.entries(step)) {
      if (!key.startsWith('tree') || !Array.isArray(lines)) continue;
      const found = describeRepository(places.repo);
      const [a, b] = [lines.join('\n'), found.join('\n')];
      if (a !== b)
        mismatches.push({ step: index, command: key, what: 'tree', ...difference(lines, found) });
    }
  }
  return mismatches;
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
