import { isRegistryHost, isShortName, parseImageName } from '#formats/oci';
import { type ConfigFile, configInvalid } from './config-file.ts';
import { HELPER_NAME } from './layout.ts';
import { parseToml, type TomlTable } from './toml-table.ts';

/** Pulls for which a mirror is used. */
export type PullFromMirror = 'all' | 'digest-only' | 'tag-only';

/** One `[[registry.mirror]]`. */
export interface MirrorTable {
  readonly location: string;
  readonly insecure: boolean;
  readonly pullFromMirror: PullFromMirror;
  /** Our own key `x-onecopy-ns`: the mirror serves many registries and expects the original host in the query `ns`. */
  readonly wantsNamespace: boolean;
}

/** One `[[registry]]`, without trailing slashes. */
export interface RegistryTable {
  /** File that contains the table, for messages. */
  readonly file: string;
  readonly prefix: string;
  /** Empty when a wildcard prefix rewrites nothing. */
  readonly location: string;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly MirrorTable[];
}

/** Treatment of a short name with several candidates. */
export type ShortNameMode = 'permissive' | 'disabled' | 'enforcing';

/** The settings of one registries.conf or drop-in. Unset settings are undefined. */
export interface RegistriesFile {
  readonly name: string;
  readonly tables: readonly RegistryTable[];
  readonly searchRegistries: readonly string[] | undefined;
  readonly credentialHelpers: readonly string[] | undefined;
  readonly shortNameMode: ShortNameMode | undefined;
  /** Short name to full name; an empty value removes the alias of a weaker file. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

const V2_KEYS = [
  'registry',
  'unqualified-search-registries',
  'credential-helpers',
  'short-name-mode',
  'aliases',
] as const;
const MODES: readonly ShortNameMode[] = ['permissive', 'disabled', 'enforcing'];
const PULL_FROM: readonly PullFromMirror[] = ['all', 'digest-only', 'tag-only'];

/**
 * Parses one registries.conf. Version 1 is converted, with a warning. Of two tables with one prefix, the first counts.
 * Source: containers-registries.conf(5); the refusals were seen with skopeo 1.22 and podman 5.8.
 * @throws FormatError CONFIG_INVALID with the file, and with the line of a TOML error
 */
export async function parseRegistriesFile(file: ConfigFile): Promise<RegistriesFile> {
  const root = await parseToml(file);
  const old = root.table('registries');
  if (old !== undefined) return convertVersion1(file.name, root, old);
  const tables = root.tables('registry').map((table) => readTable(file.name, table));
  requireAgreement(file.name, tables);
  return {
    name: file.name,
    tables: firstOfEachPrefix(tables),
    searchRegistries: root
      .strings('unqualified-search-registries')
      ?.map((host) => readSearchRegistry(file.name, host)),
    credentialHelpers: readHelpers(file.name, root),
    shortNameMode: readMode(file.name, root),
    aliases: readAliases(file.name, root),
    warnings: tables.flatMap(warnAboutTag),
  };
}

/** Parses podman's cache of learnt aliases; only its `[aliases]` are read. @throws FormatError CONFIG_INVALID */
export async function parseAliasCache(file: ConfigFile): Promise<ReadonlyMap<string, string>> {
  return readAliases(file.name, await parseToml(file));
}

function readTable(file: string, table: TomlTable): RegistryTable {
  const location = readLocation(file, table.string('location'));
  const written = readLocation(file, table.string('prefix'));
  const prefix = written === '' ? location : written;
  if (prefix === '') {
    throw configInvalid(file, {
      expected: 'a prefix or a location in [[registry]]',
      found: 'neither',
    });
  }
  const isWildcard = prefix.startsWith('*.');
  if (isWildcard && /[/@:]/.test(prefix)) {
    throw configInvalid(file, { expected: 'a prefix like *.example.com', found: `"${prefix}"` });
  }
  if (location === '' && !isWildcard) {
    throw configInvalid(file, { expected: `a location for prefix "${prefix}"`, found: 'nothing' });
  }
  if (table.string('pull-from-mirror') !== '') {
    const found = `one for registry "${prefix}"`;
    throw configInvalid(file, { expected: 'pull-from-mirror only in [[registry.mirror]]', found });
  }
  const isByDigestOnly = table.boolean('mirror-by-digest-only');
  return {
    file,
    prefix,
    location,
    insecure: table.boolean('insecure'),
    blocked: table.boolean('blocked'),
    mirrors: table.tables('mirror').map((mirror) => readMirror(file, mirror, isByDigestOnly)),
  };
}

function readMirror(file: string, table: TomlTable, isByDigestOnly: boolean): MirrorTable {
  const location = readLocation(file, table.string('location'));
  if (location === '') {
    throw configInvalid(file, { expected: 'a location in [[registry.mirror]]', found: 'nothing' });
  }
  const word = table.string('pull-from-mirror');
  if (isByDigestOnly && word !== '') {
    const expected = 'mirror-by-digest-only or pull-from-mirror';
    throw configInvalid(file, { expected, found: `both for mirror "${location}"` });
  }
  const known = PULL_FROM.find((value) => value === word);
  if (word !== '' && known === undefined) {
    const expected = 'pull-from-mirror all, digest-only or tag-only';
    throw configInvalid(file, { expected, found: `"${word}"` });
  }
  return {
    location,
    insecure: table.boolean('insecure'),
    pullFromMirror: isByDigestOnly ? 'digest-only' : (known ?? 'all'),
    wantsNamespace: table.boolean('x-onecopy-ns'),
  };
}

function readLocation(file: string, text: string): string {
  if (/^https?:\/\//.test(text)) {
    throw configInvalid(file, {
      expected: 'a location without http:// or https://',
      found: `"${text}"`,
    });
  }
  return text.replace(/\/+$/, '');
}

/** Refuses a location that is secure in one table and insecure in another. */
function requireAgreement(file: string, tables: readonly RegistryTable[]): void {
  const seen = new Map<string, RegistryTable>();
  for (const table of tables) {
    const place = table.location === '' ? table.prefix : table.location;
    const other = seen.get(place) ?? table;
    seen.set(place, other);
    for (const key of ['insecure', 'blocked'] as const) {
      if (other[key] === table[key]) continue;
      const expected = `one value of ${key} for "${place}"`;
      throw configInvalid(file, { expected, found: 'true and false' });
    }
  }
}

function firstOfEachPrefix(tables: readonly RegistryTable[]): readonly RegistryTable[] {
  const first = new Map<string, RegistryTable>();
  for (const table of tables) if (!first.has(table.prefix)) first.set(table.prefix, table);
  return [...first.values()];
}

function warnAboutTag(table: RegistryTable): string[] {
  const path = table.prefix.slice(table.prefix.indexOf('/'));
  if (!path.startsWith('/') || !/[:@]/.test(path)) return [];
  return [`"${table.file}": prefix "${table.prefix}" holds a tag or digest and never matches`];
}

function readSearchRegistry(file: string, text: string): string {
  const host = readLocation(file, text);
  if (isRegistryHost(host)) return host;
  const expected = 'hosts in unqualified-search-registries';
  throw configInvalid(file, { expected, found: `"${text}"` });
}

function readHelpers(file: string, root: TomlTable): readonly string[] | undefined {
  const names = root.strings('credential-helpers');
  const bad = names?.find((name) => !HELPER_NAME.test(name));
  if (bad === undefined) return names;
  throw configInvalid(file, { expected: 'names in credential-helpers', found: `"${bad}"` });
}

function readMode(file: string, root: TomlTable): ShortNameMode | undefined {
  const word = root.string('short-name-mode');
  const known = MODES.find((mode) => mode === word);
  if (word === '' || known !== undefined) return known;
  const expected = 'short-name-mode permissive, disabled or enforcing';
  throw configInvalid(file, { expected, found: `"${word}"` });
}

function readAliases(file: string, root: TomlTable): ReadonlyMap<string, string> {
  const aliases = root.stringMap('aliases') ?? new Map<string, string>();
  for (const [name, value] of aliases) {
    if (!isBareName(name) || !isShortName(name)) {
      throw configInvalid(file, { expected: 'short names in [aliases]', found: `"${name}"` });
    }
    if (value !== '' && (!isBareName(value) || isShortName(value))) {
      const expected = `a name with host and without tag for alias "${name}"`;
      throw configInvalid(file, { expected, found: `"${value}"` });
    }
  }
  return aliases;
}

function isBareName(text: string): boolean {
  try {
    const { tag, digest } = parseImageName(text);
    return tag === undefined && digest === undefined;
  } catch {
    return false; // Any text is allowed here; the caller reports an invalid name.
  }
}

/** `[registries.search]`, `[registries.insecure]` and `[registries.block]`, each with a list `registries`. */
function convertVersion1(file: string, root: TomlTable, old: TomlTable): RegistriesFile {
  const mixed = V2_KEYS.find((key) => root.has(key));
  if (mixed !== undefined) {
    throw configInvalid(file, {
      expected: 'version 1 or version 2',
      found: `[registries] and ${mixed}`,
    });
  }
  const list = (key: string) =>
    (old.table(key)?.strings('registries') ?? []).map((text) => readLocation(file, text));
  const insecure = new Set(list('insecure'));
  const blocked = new Set(list('block'));
  const tables = [...new Set([...insecure, ...blocked])].map((location) => ({
    file,
    prefix: location,
    location,
    insecure: insecure.has(location),
    blocked: blocked.has(location),
    mirrors: [],
  }));
  return {
    name: file,
    tables,
    searchRegistries: list('search').map((host) => readSearchRegistry(file, host)),
    credentialHelpers: undefined,
    shortNameMode: undefined,
    aliases: new Map(),
    warnings: [
      `"${file}" is of version 1, which other tools no longer read: write it in version 2`,
    ],
  };
}
