import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { mock } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { GoldenStep } from '../../support/golden-repo.ts';

/** The tree that the recorded runs of the C tools read, as the dumpfile of its image. */
export const DUMP = fileURLToPath(
  new URL('../../golden/cfsctl/c-tools/tree.dump', import.meta.url),
);

/** A tool of the composefs project, run in this process: its arguments to its exit status. */
export type Tool = (argv: readonly string[]) => Promise<number>;

/** A step that came out otherwise. */
export interface Difference {
  readonly step: number;
  readonly what: string;
  readonly expected: unknown;
  readonly found: unknown;
  readonly said: string;
}

/** How a transcript of tools is replayed. */
export interface ToolReplay {
  readonly tools: Readonly<Record<string, Tool>>;
  /** Fills the placeholders of an argument in. */
  readonly place: (text: string) => string;
  /** Called before each step; a step for which it returns `skip` is left out, of one with `status` only the exit code counts. */
  readonly look: (step: GoldenStep, index: number) => 'skip' | 'status' | 'all';
}

/** Replays the steps of a transcript whose programs are among the tools. */
export async function replayTools(
  steps: readonly GoldenStep[],
  { tools, place, look }: ToolReplay,
): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const [step, golden] of steps.entries()) {
    const { cmd = [], rc } = golden;
    const compared = look(golden, step);
    const tool = tools[cmd[0] ?? ''];
    if (tool === undefined || compared === 'skip') continue;
    const ran = await runQuietly(tool, cmd.slice(1).map(place));
    const said = `${cmd.join(' ')}: ${ran.stderr}`;
    if (ran.status !== rc)
      found.push({ step, what: 'exit code', expected: rc, found: ran.status, said });
    if (compared === 'status') continue;
    const expected = outputOf(golden, place);
    const shown = golden['stdout_sha256'] === undefined ? ran.stdout : digestOf(ran.stdout);
    if (shown !== expected) found.push({ step, what: 'stdout', expected, found: shown, said });
  }
  return found;
}

function outputOf(golden: GoldenStep, place: (text: string) => string): unknown {
  return golden['stdout_sha256'] ?? golden['stdout_latin1'] ?? latin1(place(golden.stdout ?? ''));
}

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function digestOf(text: string): string {
  return createHash('sha256').update(Buffer.from(text, 'latin1')).digest('hex');
}

/** Runs a tool and catches the text that it prints, as Latin-1. Bytes are reports of the test runner, and go where they went. */
async function runQuietly(tool: Tool, argv: readonly string[]) {
  const printed = { stdout: '', stderr: '' };
  const mocks = (['stdout', 'stderr'] as const).map((stream) => {
    const write = process[stream].write.bind(process[stream]);
    return mock.method(
      process[stream],
      'write',
      (data: string | Uint8Array, encoding?: unknown) => {
        if (typeof data !== 'string') return write(data);
        printed[stream] += encoding === 'latin1' ? data : latin1(data);
        return true;
      },
    );
  });
  try {
    return { status: await tool(argv), ...printed };
  } finally {
    for (const { mock: one } of mocks) one.restore();
  }
}

/** Makes the image of the recorded tree, a store of its objects, and a tree with the same names at its top. */
export async function makeScene(scratch: string, mkcomposefs: Tool): Promise<void> {
  assert.equal(await mkcomposefs(['--from-file', DUMP, join(scratch, 'a.img')]), 0);
  for (const line of readFileSync(DUMP, 'latin1').split('\n')) {
    const [path = '', size, mode = ''] = line.split(' ');
    if (!mode.startsWith('10') || path.includes('\\')) continue;
    const file = join(scratch, 't', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, Buffer.alloc(Number(size)));
  }
  for (const [, object = ''] of readFileSync(DUMP, 'latin1').matchAll(
    / ([0-9a-f]{2}\/[0-9a-f]{62}) - /g,
  )) {
    mkdirSync(join(scratch, 'store', dirname(object)), { recursive: true });
    writeFileSync(join(scratch, 'store', object), '');
  }
}
