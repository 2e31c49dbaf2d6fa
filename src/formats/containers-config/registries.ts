import type { RegistriesFile, RegistryTable, ShortNameMode } from './registries-file.ts';

/** The merged settings of all registries.conf files. */
export interface RegistriesConfig {
  /** At most one for each prefix. */
  readonly tables: readonly RegistryTable[];
  readonly searchRegistries: readonly string[];
  /** Undefined when unset in all files: then only credentials files are read. */
  readonly credentialHelpers: readonly string[] | undefined;
  readonly shortNameMode: ShortNameMode;
  readonly aliases: ReadonlyMap<string, string>;
  /** Names of the files, weakest first. */
  readonly files: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Merges files, weakest first. A later table replaces the whole earlier table of its prefix. Lists are replaced. Aliases are merged by name, and
 * an empty value removes one. `learnt` are the aliases of podman's cache; they override all files.
 * Source: containers-registries.conf(5); seen with skopeo 1.22 and podman 5.8.
 */
export function mergeRegistries(
  files: readonly RegistriesFile[],
  learnt: ReadonlyMap<string, string> = new Map(),
): RegistriesConfig {
  const tables = new Map<string, RegistryTable>();
  const aliases = new Map<string, string>();
  for (const file of files) {
    for (const table of file.tables) tables.set(table.prefix, table);
    for (const [name, value] of file.aliases) aliases.set(name, value);
  }
  for (const [name, value] of learnt) aliases.set(name, value);
  return {
    tables: [...tables.values()],
    searchRegistries: lastOf(files, (file) => file.searchRegistries) ?? [],
    credentialHelpers: lastOf(files, (file) => file.credentialHelpers),
    shortNameMode: lastOf(files, (file) => file.shortNameMode) ?? 'permissive',
    aliases: new Map([...aliases].filter(([, value]) => value !== '')),
    files: files.map((file) => file.name),
    warnings: files.flatMap((file) => file.warnings),
  };
}

function lastOf<T>(
  files: readonly RegistriesFile[],
  pick: (file: RegistriesFile) => T | undefined,
): T | undefined {
  return files.map(pick).findLast((value) => value !== undefined);
}
