import { readdirSync, readFileSync } from 'node:fs';

/**
 * What a module in `fuzz/targets` exports. Its first line is a comment that names the invariant; `run` throws when it is broken.
 * To add a parser: one such file, and inputs in `fuzz/corpus/<name>/` or from `seeds`.
 */
export interface FuzzTarget {
  /** Also the name of its folder in `fuzz/corpus`. */
  readonly name: string;
  /** Must return whatever the bytes are, unless the invariant is broken. */
  run(bytes: Uint8Array): void | Promise<void>;
  /** Valid inputs made by our own writers, in addition to the corpus. */
  seeds?(): readonly Uint8Array[];
  /** Makes checksums right again, so that damage behind them is reached; used for half of the inputs. */
  repair?(bytes: Uint8Array): Uint8Array;
}

const TARGETS = new URL('./targets/', import.meta.url);
const CORPUS = new URL('./corpus/', import.meta.url);

/** Names of all targets, sorted. */
export function listTargets(): string[] {
  const files = readdirSync(TARGETS).filter((file) => file.endsWith('.ts'));
  return files.map((file) => file.slice(0, -3)).sort();
}

/** Loads the target in `fuzz/targets/<file>.ts`. */
export async function loadTarget(file: string): Promise<FuzzTarget> {
  return (await import(new URL(`${file}.ts`, TARGETS).href)) as FuzzTarget;
}

/** The folder of a target's inputs. */
export function corpusFolder(name: string): URL {
  return new URL(`${name}/`, CORPUS);
}

/** Inputs to start from, by name: the corpus, the seeds, and nothing at all. */
export function inputsOf(target: FuzzTarget): Map<string, Uint8Array> {
  const inputs = new Map<string, Uint8Array>([['nothing', new Uint8Array(0)]]);
  for (const file of listCorpus(target.name)) {
    inputs.set(file, readFileSync(new URL(file, corpusFolder(target.name))));
  }
  for (const [index, seed] of (target.seeds?.() ?? []).entries()) inputs.set(`seed ${index}`, seed);
  return inputs;
}

function listCorpus(name: string): string[] {
  try {
    return readdirSync(corpusFolder(name)).sort();
  } catch {
    return []; // A target may live on its seeds alone.
  }
}
