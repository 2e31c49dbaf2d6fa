import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ConfigEnvironment } from '#formats/containers-config';
import { Dir } from '#host';
import { ConfigRoot } from '#work/registries';
import { makeMemoryDir } from './temp-dir.ts';

/** The files of a recorded case, below a folder that stands for `/`. */
export interface RecordedHost extends Disposable {
  readonly root: ConfigRoot;
  /** The environment of root with HOME=/root, and what the case adds. */
  readonly env: ConfigEnvironment;
  /** The folder that stands for `/`. */
  readonly folder: string;
  /** Writes files by their absolute paths; programs under `bin/` are executable, and found on PATH. */
  write(files: Readonly<Record<string, string>>): void;
  /** Text of a file by its absolute path. */
  read(path: string): string;
}

/** Writes the files of a case into a fresh folder. */
export function recordedHost(
  files: Readonly<Record<string, string>>,
  variables: Readonly<Record<string, string>> = {},
): RecordedHost {
  const temp = makeMemoryDir();
  const folder = temp.path;
  const write = (all: Readonly<Record<string, string>>): void => {
    for (const [path, text] of Object.entries(all)) {
      const target = join(folder, path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
      if (path.includes('/bin/')) chmodSync(target, 0o755);
    }
  };
  write(files);
  const root = new ConfigRoot(Dir.open(folder), '/');
  const PATH = `${join(folder, 'usr/local/bin')}:/usr/bin:/bin`;
  return {
    root,
    env: { uid: 0, home: '/root', variables: { HOME: '/root', PATH, ...variables } },
    folder,
    write,
    read: (path) => readFileSync(join(folder, path), 'utf8'),
    [Symbol.dispose]() {
      root[Symbol.dispose]();
      temp[Symbol.dispose]();
    },
  };
}

/** The value of an option among recorded arguments. */
export function optionOf(args: readonly string[] | undefined, name: string): string | undefined {
  const at = args?.findIndex((arg) => arg === name || arg.startsWith(`${name}=`)) ?? -1;
  if (at < 0) return undefined;
  const found = args?.[at] ?? '';
  return found.includes('=') ? found.slice(name.length + 1) : args?.[at + 1];
}

/** A file of recorded cases. */
export function readCases<T>(name: string): readonly T[] {
  const url = new URL(`../golden/registry/${name}`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')) as readonly T[];
}
