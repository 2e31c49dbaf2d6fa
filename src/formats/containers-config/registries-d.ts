import type { Node, Pair } from 'yaml';
import type { FormatError } from '#base/errors';
import { type ConfigFault, type ConfigFile, configInvalid } from './config-file.ts';

/** The settings of one section; unset settings are undefined. */
export interface AttachmentSection {
  /** File that contains the section. */
  readonly file: string;
  readonly useSigstoreAttachments: boolean | undefined;
  readonly lookaside: string | undefined;
  readonly lookasideStaging: string | undefined;
}

/** The merged settings of all registries.d files. */
export interface AttachmentConfig {
  readonly byDefault: AttachmentSection | undefined;
  /** Scope to section. */
  readonly scopes: ReadonlyMap<string, AttachmentSection>;
}

/** The setting for attachments and its source; without a file, nothing is configured, which means off. */
export interface AttachmentChoice {
  readonly isOn: boolean;
  readonly file: string | undefined;
  /** The scope that is configured, or `default-docker`. */
  readonly scope: string | undefined;
}

const DEFAULT_SECTION = 'default-docker';

/**
 * Parses all files of registries.d. The same scope, or `default-docker`, in two files is an error, even if both agree.
 * Source: containers-registries.d(5); the refusals were recorded with skopeo 1.22.
 * @throws FormatError CONFIG_INVALID with the file, and with the line of a YAML error
 */
export async function parseAttachmentFiles(
  files: readonly ConfigFile[],
): Promise<AttachmentConfig> {
  const scopes = new Map<string, AttachmentSection>();
  let byDefault: AttachmentSection | undefined;
  if (files.length === 0) return { byDefault, scopes };
  // Loaded only if a file exists: many hosts have none.
  const yaml = await import('yaml');
  for (const { name, text } of files) {
    const file = { name, text, yaml };
    const root = readRoot(file);
    const own = root.get(DEFAULT_SECTION);
    if (own !== undefined) {
      refuseSecond(file, DEFAULT_SECTION, byDefault);
      byDefault = readSection(file, DEFAULT_SECTION, own);
    }
    for (const [scope, node] of membersOf(file, 'docker', root.get('docker'))) {
      refuseSecond(file, `scope "${scope}"`, scopes.get(scope));
      scopes.set(scope, readSection(file, scope, node));
    }
  }
  return { byDefault, scopes };
}

/**
 * Decides whether attachments are used for an image. A section without the setting defers to the next section, contrary to the manual page: seen
 * with skopeo 1.22 and podman 5.8.
 * @param candidates scopes of the endpoint that is used, most specific first
 */
export function chooseAttachments(
  config: AttachmentConfig,
  candidates: readonly string[],
): AttachmentChoice {
  for (const scope of candidates) {
    const section = config.scopes.get(scope);
    if (section?.useSigstoreAttachments === undefined) continue;
    return { isOn: section.useSigstoreAttachments, file: section.file, scope };
  }
  const isOn = config.byDefault?.useSigstoreAttachments;
  if (isOn === undefined) return { isOn: false, file: undefined, scope: undefined };
  return { isOn, file: config.byDefault?.file, scope: DEFAULT_SECTION };
}

type Member = Node | null;
type Yaml = typeof import('yaml');

/** A file, with the loaded parser. */
interface YamlFile extends ConfigFile {
  readonly yaml: Yaml;
}

function readRoot(file: YamlFile): ReadonlyMap<string, Member> {
  const documents = file.yaml.parseAllDocuments(file.text, {
    schema: 'failsafe',
    uniqueKeys: false, // Its check is quadratic; membersOf has its own.
    merge: false,
  });
  if (!Array.isArray(documents) || documents.length === 0) return new Map();
  const [document, second] = documents;
  if (second !== undefined) throw invalid(file, { expected: 'one document', found: 'several' });
  const error = document?.errors[0] ?? document?.warnings[0];
  if (error !== undefined) {
    const line = error.linePos?.[0].line;
    const found = error.message.split('\n', 1)[0] ?? '';
    throw invalid(file, {
      expected: 'YAML',
      found,
      cause: error,
      ...(line === undefined ? {} : { line }),
    });
  }
  return membersOf(file, 'the file', (document?.contents ?? null) as Member);
}

/** The members of a map; empty without a map. */
function membersOf(
  file: YamlFile,
  what: string,
  node: Member | undefined,
): ReadonlyMap<string, Member> {
  if (node === undefined || isNothing(file, node)) return new Map();
  refuseReferences(file, node);
  if (!file.yaml.isMap(node))
    throw invalid(file, { expected: `a map for ${what}`, found: 'something else' });
  const members = new Map<string, Member>();
  for (const pair of node.items as Pair<Member, Member>[]) {
    const key = textOf(file, `a key of ${what}`, pair.key);
    if (members.has(key) || key === '<<') {
      const found = key === '<<' ? 'a merge key' : `"${key}" twice`;
      throw invalid(file, { expected: `each key of ${what} once`, found });
    }
    members.set(key, pair.value);
  }
  return members;
}

function readSection(file: YamlFile, scope: string, node: Member): AttachmentSection {
  const members = membersOf(file, scope, node);
  const text = (...keys: readonly string[]) => {
    const found = keys
      .map((key) => members.get(key))
      .find((value) => value !== undefined && !isNothing(file, value));
    return found === undefined ? undefined : textOf(file, keys[0] ?? '', found);
  };
  return {
    file: file.name,
    useSigstoreAttachments: booleanOf(file, members.get('use-sigstore-attachments')),
    lookaside: text('lookaside', 'sigstore'),
    lookasideStaging: text('lookaside-staging', 'sigstore-staging'),
  };
}

/** YAML 1.1 bool, plain, in three cases; the other tools accept some of them in quotes too. Source: YAML 1.1 bool; seen with skopeo 1.22. */
const WORDS = {
  plain: [
    /^(?:true|True|TRUE|yes|Yes|YES|on|On|ON|y|Y)$/,
    /^(?:false|False|FALSE|no|No|NO|off|Off|OFF|n|N)$/,
  ],
  quoted: [/^(?:yes|on|y|Y)$/, /^(?:no|off|n|N)$/],
} as const;

function booleanOf(file: YamlFile, node: Member | undefined): boolean | undefined {
  if (node === undefined || isNothing(file, node)) return undefined;
  const word = textOf(file, 'use-sigstore-attachments', node);
  const [yes, no] = WORDS[file.yaml.isScalar(node) && node.type === 'PLAIN' ? 'plain' : 'quoted'];
  if (yes.test(word)) return true;
  if (no.test(word)) return false;
  const expected = 'true or false in use-sigstore-attachments';
  throw invalid(file, { expected, found: `"${word}"` });
}

function textOf(file: YamlFile, what: string, node: Member): string {
  refuseReferences(file, node);
  if (file.yaml.isScalar(node) && typeof node.value === 'string') return node.value;
  throw invalid(file, { expected: `a text in ${what}`, found: 'something else' });
}

/** Refuses anchors, aliases and tags by name: no real file has them, and they may change what a reader sees. */
function refuseReferences(file: YamlFile, node: Member): void {
  const found = file.yaml.isAlias(node)
    ? 'an alias'
    : node !== null && 'anchor' in node && node.anchor !== undefined
      ? 'an anchor'
      : node?.tag !== undefined
        ? 'a tag'
        : undefined;
  if (found !== undefined) throw invalid(file, { expected: 'plain YAML', found });
}

function isNothing(file: YamlFile, node: Member): boolean {
  return (
    node === null ||
    (file.yaml.isScalar(node) &&
      node.type === 'PLAIN' &&
      (node.value === null || node.value === '' || node.value === '~' || node.value === 'null'))
  );
}

function refuseSecond(file: YamlFile, what: string, first: AttachmentSection | undefined): void {
  if (first === undefined) return;
  throw invalid(file, {
    expected: `${what} in one file only`,
    found: `it in "${first.file}" too`,
  });
}

/** The error of an invalid file, which prevents every use of a registry. */
function invalid(file: YamlFile, fault: ConfigFault): FormatError {
  return configInvalid(file.name, { ...fault, class: 'registries.d-invalid' });
}
