/**
 * Preloaded into every test file. One that ends its own process takes the tests behind it along, and Node counts what ran until then as
 * passed: here it says where that happened, and fails.
 */
import { isMainThread } from 'node:worker_threads';

// Not in threads, whose exit is theirs alone, nor in programs that a test starts.
if (isMainThread && process.argv[1]?.endsWith('.test.ts') === true) {
  const exit = process.exit.bind(process);
  process.exit = (code): never => {
    const { stack } = new Error(`a test file ended its process with status ${code ?? 0}`);
    process.stderr.write(`${stack}\n`);
    return exit(code === 0 || code === undefined ? 1 : code);
  };
}
