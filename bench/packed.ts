/**
 * The program as users have it: built, laid out like the installed package in a scratch folder, started on this Node. A
 * checkout runs its sources, which must be stripped of their types first; that is not what the benches are about.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Laid out once a process. */
const launchers = new Map<string, string>();
let home: string | undefined;

/**
 * Path of a launcher of the packed program (or of the drop-in tool of that name). The package lies in a scratch folder
 * with the dependencies of this checkout and a compile cache of its own, so a first run warms it; gone when this process ends.
 */
export function packedOnecopy(program = 'onecopy'): string {
  const known = launchers.get(program);
  if (known !== undefined) return known;
  home ??= layOut();
  const launcher = join(home, '..', program);
  const lines = [
    '#!/bin/sh',
    `PATH='${dirname(process.execPath)}':$PATH NODE_COMPILE_CACHE='${home}/cache'`,
    'export PATH NODE_COMPILE_CACHE',
    `exec '${home}/bin/${program}' "$@"`,
    '',
  ];
  writeFileSync(launcher, lines.join('\n'));
  chmodSync(launcher, 0o755);
  const link = join(home, 'bin', program);
  if (!existsSync(link)) symlinkSync('onecopy', link);
  launchers.set(program, launcher);
  return launcher;
}

function layOut(): string {
  const scratch = mkdtempSync(join(tmpdir(), 'onecopy-packed-'));
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const packed = join(scratch, 'package');
  mkdirSync(packed);
  for (const name of ['bin', 'package.json']) {
    cpSync(join(ROOT, name), join(packed, name), { recursive: true });
  }
  const built = spawnSync(
    process.execPath,
    [join(ROOT, 'tools/build.ts'), '--bundle-into', join(packed, 'dist')],
    { cwd: ROOT, encoding: 'utf8' },
  );
  if (built.status !== 0) throw new Error(`the build failed: ${built.stderr}`);
  // Only what is installed with the package: not the runtime of the checkout, which the launcher would find without asking.
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  for (const name of Object.keys(dependencies)) {
    const link = join(packed, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link);
  }
  return packed;
}
