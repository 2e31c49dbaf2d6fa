/**
 * How the packed program and each of its threads start: `tools/build.ts` puts this before a call of `start`. It runs on any Node, since
 * the chunk that it loads is the one that says which Node is wanted.
 */
import { Loader } from './loader.ts';

/** Loads a chunk of a folder; when the process or thread ends, keeps what was compiled. */
export function start(folder: string, chunk: string, foreign: (id: string) => unknown): void {
  const loader = new Loader(folder, cachesPath(), foreign);
  process.on('exit', () => loader.keep());
  loader.require(`./${chunk}`);
}

/** What else decides whether code fits: the engine, and its flags. */
function cachesPath(): string | undefined {
  const folder = process.env['NODE_COMPILE_CACHE'] ?? '';
  if (folder === '' || process.env['NODE_DISABLE_COMPILE_CACHE'] === '1') return undefined;
  const flags = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ');
  let sum = 0;
  for (const character of flags) sum = (Math.imul(sum, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  return `${folder}/chunks/${process.version}-${process.arch}-${sum.toString(36)}-`;
}
