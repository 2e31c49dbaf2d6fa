import { existsSync, realpathSync } from 'node:fs';

/**
 * koffi's binary for this platform, straight from the package that its own loader takes it from. The loader finds out at length what it
 * runs on and wraps functions that we never call, and finding a package by Node's rules reads several descriptions of packages: a tenth of
 * the start of a verb, and of each thread. Wherever those are needed, they are used.
 */
export function loadKoffi<Koffi>(): Koffi {
  const binary = findBinary();
  if (binary !== undefined) {
    const module = { exports: {} };
    try {
      process.dlopen(module, binary);
      return module.exports as Koffi;
    } catch {
      // Of another C library, say: koffi knows.
    }
  }
  const { createRequire } = process.getBuiltinModule('node:module');
  return createRequire(import.meta.url)('koffi') as Koffi;
}

/** The binary inside or beside the nearest package koffi, as npm, pnpm and yarn lay them out; undefined when it lies otherwise. */
function findBinary(): string | undefined {
  const { platform, arch } = process;
  const file = `@koromix/koffi-${platform}-${arch}/${platform}_${arch}/koffi.node`;
  for (let folder = import.meta.dirname; folder !== ''; folder = parentOf(folder)) {
    const found = `${folder}/node_modules/koffi`;
    if (!existsSync(found)) continue;
    const real = realpathSync(found);
    return [`${real}/node_modules/${file}`, `${parentOf(real)}/${file}`].find((path) =>
      existsSync(path),
    );
  }
  return undefined;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
