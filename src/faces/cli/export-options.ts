import { COMPAT } from './reading-option.ts';
import type { OptionRow } from './verbs.ts';

/** Options of an export to layouts, archives and plain directories. */
export const FILE_TARGET_OPTIONS: readonly OptionRow[] = [
  ['--compression <name>', 'of layers whose blob was not kept: none (default), gzip or zstd'],
  ['--no-owners', 'a plain directory: everything belongs to you'],
];

/** Options of an export to an OSTree repository. */
export const COMMIT_TARGET_OPTIONS: readonly OptionRow[] = [
  ['--mode <mode>', 'ostree-local: make a missing repository, for example bare'],
  ['--empty-boot', 'ostree-local: leave out what is in /boot'],
  ['--empty-sysroot', 'ostree-local: leave out what is in /sysroot'],
  ['--keep-user-xattrs', 'ostree-local: keep xattrs of user. as well'],
  COMPAT,
];
