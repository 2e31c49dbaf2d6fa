/**
 * Entry of the `onecopy` program. `--version` answers without loading anything else.
 */
import { VERSION } from './version.ts';

if (process.argv.length === 3 && ['--version', '-V'].includes(process.argv[2] ?? '')) {
  process.stdout.write(`onecopy ${VERSION}\n`);
} else {
  const { runProgram } = await import('./program.ts');
  process.exitCode = await runProgram(process.argv.slice(2));
}
