import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A directory with unpacked OSTree fixtures, removed when disposed. */
export interface OstreeFixture extends Disposable {
  readonly path: string;
}

/**
 * Unpacks archives of `test/golden/ostree` (`mini`, `extra/http`, …) with owners and xattrs, as far as the user may set
 * them, below one temporary directory.
 */
export function unpackOstree(...names: readonly string[]): OstreeFixture {
  const path = mkdtempSync(join(tmpdir(), 'onecopy-ostree-'));
  const golden = new URL('../golden/ostree/', import.meta.url);
  for (const name of names) {
    const archive = fileURLToPath(new URL(`${name}.tar.gz`, golden));
    const flags = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '-xpzf'];
    execFileSync('tar', [...flags, archive, '-C', path], { stdio: 'pipe' });
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
