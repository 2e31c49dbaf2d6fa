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
  readonly cache: CodeCache;
  readonly members: { readonly chunk: string; readonly stamp: Stamp; readonly script: Script }[];
  /** Whether some chunk had no code in the cache that fits. */
  isNew: boolean;
}

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
    const family = asking ?? this.#begin(chunk);
    this.#family = family;
    try {
      this.#evaluate(chunk, module, family);
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
    const runMs = Math.ceil(performance.now());
    for (const { cache, members, isNew } of this.#families) {
      if (!isNew && !cache.isShortOf(runMs)) continue;
      const kept = members.map(
        ({ script, ...member }): Kept => ({ ...member, code: script.createCachedData() }),
      );
      cache.write(runMs, kept);
    }
  }

  #begin(chunk: string): Family | undefined {
    if (this.#caches === undefined) return undefined;
    const cache = CodeCache.open(`${this.#caches}${chunk}`);
    const family: Family = { cache, members: [], isNew: false };
    this.#families.push(family);
    return family;
  }

  #evaluate(chunk: string, module: Module, family: Family | undefined): void {
    const filename = `${this.#folder}/${chunk}`;
    const { text, stamp } = read(filename);
    const cachedData = family?.cache.find(chunk, stamp);
    const script = new Script(text, {
      filename,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
      ...(cachedData === undefined ? {} : { cachedData }),
    });
    if (family !== undefined) {
      family.members.push({ chunk, stamp, script });
      if (cachedData === undefined || script.cachedDataRejected === true) family.isNew = true;
    }
    const evaluate = script.runInThisContext() as Evaluate;
    evaluate(module.exports, this.require, module, filename, this.#folder);
  }
}

function read(path: string): { readonly text: string; readonly stamp: Stamp } {
  const descriptor = openSync(path, 'r');
  try {
    const { size, mtimeMs } = fstatSync(descriptor);
    return { text: readFileSync(descriptor, 'utf8'), stamp: `${size}-${mtimeMs}` };
  } finally {
    closeSync(descriptor);
  }
}
