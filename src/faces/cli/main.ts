/**
 * Entry of the `onecopy` program. `--version` answers without loading anything else, and a Node that is too old is told so before it
 * meets syntax that it cannot read.
 */
import { VERSION } from './version.ts';

const NODE_MAJOR_MIN = 26;
const EXIT_UNSUPPORTED = 8;

const nodeMajor = Number.parseInt(process.versions.node, 10);
if (nodeMajor < NODE_MAJOR_MIN) {
  process.stderr.write(
    `onecopy: Cannot start: expected Node ${NODE_MAJOR_MIN} or later, found ${nodeMajor}\n` +
      `  hint: install Node ${NODE_MAJOR_MIN} or later\n`,
  );
  process.exitCode = EXIT_UNSUPPORTED;
} else if (process.argv.length === 3 && ['--version', '-V'].includes(process.argv[2] ?? '')) {
  printVersion();
} else {
  void run();
}

async function run(): Promise<void> {
  const { leave, runProgram } = await import('./program.ts');
  leave(await runProgram(process.argv.slice(2), VERSION));
}

/** Writes without process.stdout, if it can: setting up a stream costs a tenth of a start. */
function printVersion(): void {
  try {
    if (process.env['ONECOPY_STDOUT'] === 'closed') throw new Error('standard output is closed');
    process.getBuiltinModule('node:fs').writeSync(1, `onecopy ${VERSION}\n`);
  } catch {
    // What went wrong is said where all other output is written.
    void run();
  }
}
