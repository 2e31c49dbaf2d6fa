/**
 * Loads the chunks of the packed program, each of them a function around CommonJS. Those that one chunk brings in share one `CodeCache`. A
 * chunk asked for while no other is being evaluated was asked for by `import()`; it begins a cache of its own, so each verb has the code
 * that it uses.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { constants, Script } from 'node:vm';
import { CodeCache, type Kept, type Stamp } from './code-cache.ts';

interface Module {
  exports: unknown;
}

type Require = (id: string) => unknown;
type Evaluate = (
  exports: unknown,
  require: Require,
  module: Module,
  filename: string,
  dirname: string,
) => void;

/** The chunks of one cache. */
interface Family {
  readonly path: string;
  /** Opened for the first chunk whose code it may have. */
  cache: CodeCache | undefined;
  readonly members: { readonly chunk: string; readonly stamp: Stamp; readonly script: Script }[];
  /** Whether some chunk had no code in the cache that fits. */
  isNew: boolean;
}

interface Source {
  readonly filename: string;
  readonly text: string;
  readonly stamp: Stamp;
}

/** The code of a shorter chunk is not kept: a start that needs no other one is faster without a cache. */
const CACHED_LENGTH_MIN = 2048;

/** A loader for the chunks of one folder. */
export class Loader {
  readonly #folder: string;
  readonly #caches: string | undefined;
  readonly #foreign: Require;
  readonly #modules = new Map<string, Module>();
  readonly #families: Family[] = [];
  #family: Family | undefined;

  /**
   * @param caches path before the name of each cache; undefined keeps nothing
   * @param foreign loads whatever is no chunk
   */
  constructor(folder: string, caches: string | undefined, foreign: Require) {
    this.#folder = folder;
    this.#caches = caches;
    this.#foreign = foreign;
  }

  /** Exports of a chunk (`./name.js`) or of another module. */
  readonly require: Require = (id) => {
    if (!id.startsWith('./')) return this.#foreign(id);
    const chunk = id.slice(2);
    const known = this.#modules.get(chunk);
    if (known !== undefined) return known.exports;
    const module: Module = { exports: {} };
    this.#modules.set(chunk, module);
    const asking = this.#family;
    try {
      this.#family = asking ?? this.#begin(chunk);
      this.#evaluate(chunk, module, this.#family);
    } catch (error) {
      this.#modules.delete(chunk);
      throw error;
    } finally {
      this.#family = asking;
    }
    return module.exports;
  };

  /** Writes what this run compiled and no cache had. */
  keep(): void {
    const runMs = Math.ceil(process.uptime() * 1000);
    for (const { cache, members, isNew } of this.#families) {
      if (cache === undefined || !(isNew || cache.isShortOf(runMs))) continue;
      const kept = members.map(
        ({ script, ...member }): Kept => ({ ...member, code: script.createCachedData() }),
      );
      cache.write(runMs, kept);
    }
  }

  #begin(chunk: string): Family | undefined {
    if (this.#caches === undefined) return undefined;
    const path = `${this.#caches}${chunk}`;
    const family: Family = { path, cache: undefined, members: [], isNew: false };
    this.#families.push(family);
    return family;
  }

  #evaluate(chunk: string, module: Module, family: Family | undefined): void {
    const filename = `${this.#folder}/${chunk}`;
    const source = read(filename);
    const script = family === undefined ? compile(source) : compileIn(family, chunk, source);
    const evaluate = script.runInThisContext() as Evaluate;
    evaluate(module.exports, this.require, module, filename, this.#folder);
  }
}

/** Compiles with the code that the cache of the family has, and notes what is to be kept. */
function compileIn(family: Family, chunk: string, source: Source): Script {
  if (source.text.length < CACHED_LENGTH_MIN) return compile(source);
  family.cache ??= CodeCache.open(family.path);
  const { stamp } = source;
  const code = family.cache.find(chunk, stamp);
  const script = compile(source, code);
  family.members.push({ chunk, stamp, script });
  if (code === undefined || script.cachedDataRejected === true) family.isNew = true;
  return script;
}

function compile({ filename, text }: Source, code?: Uint8Array): Script {
  return new Script(text, {
    filename,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(code === undefined ? {} : { cachedData: code }),
  });
}

function read(filename: string): Source {
  const descriptor = openSync(filename, 'r');
  try {
    const { size, mtimeMs } = fstatSync(descriptor);
    return { filename, text: readFileSync(descriptor, 'utf8'), stamp: `${size}-${mtimeMs}` };
  } finally {
    closeSync(descriptor);
  }
}
