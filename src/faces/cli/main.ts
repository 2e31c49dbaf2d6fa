/**
 * Entry of the `onecopy` program. `--version` loads nothing else. An old version of Node is refused before it loads syntax that it cannot
 * parse.
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

/** Writes without process.stdout if possible: creating that stream takes a tenth of the start-up time. */
function printVersion(): void {
  try {
    if (process.env['ONECOPY_STDOUT'] === 'closed') throw new Error('standard output is closed');
    process.getBuiltinModule('node:fs').writeSync(1, `onecopy ${VERSION}\n`);
  } catch {
    // Errors are reported where the other output is written.
    void run();
  }
}
