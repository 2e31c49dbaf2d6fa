import { displayText } from '#base/bytes';
import { FormatError, isOnecopyError, type JsonValue, quietly } from '#base/errors';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import {
  checkImageInSteps,
  listObjectRefsInSteps,
  openImage,
  readTreeInSteps,
} from '#formats/erofs';
import { ALGORITHMS, computeVerity, type VerityAlgorithm } from '#formats/fsverity';
import {
  checkCommitStream,
  computeMetadataChecksum,
  describeCommit,
  describeCommitStream,
  describeDelta,
  describeDirmeta,
  describeDirtree,
  describeFilez,
  describeSummary,
  describeSummaryIndex,
  jsonOfMetadata,
  parseMetadataDict,
  readCommitStream,
} from '#formats/ostree';
import { CONTENT_TYPES, openSplitstream, type Splitstream } from '#formats/splitstream';
import {
  Directory,
  leafAt,
  parseDumpfile,
  sortedXattrs,
  type Tree,
  type TreeEntry,
  walkTree,
} from '#formats/tree';
import { Dir, readAll } from '#host';
import { describeChunkedLayer, describeTarSplit } from './describe-layers.ts';
import { detectFormat, type FileFormat } from './detect.ts';

/** A problem of a readable file. */
export interface FormatFinding {
  readonly code: string;
  readonly message: string;
}

/** What a file is and says. */
export interface FileDescription {
  readonly format: FileFormat;
  readonly sizeBytes: number;
  readonly document: JsonValue;
  readonly findings: readonly FormatFinding[];
}

/** How to look at a file. */
export interface InspectOptions extends Pick<OperationOptions, 'signal'> {
  /** Reads the file as this format (default: detect). */
  readonly format?: FileFormat | undefined;
}

/** Largest file that is decoded, in bytes. */
const FILE_MAX_BYTES = 2 ** 31 - 1;

/**
 * Describes a file. Input that a strict parser refuses is an error; readable but wrong content is a finding.
 * @throws FormatError FORMAT_UNKNOWN, and those of the parsers; HostError SYSCALL_FAILED; the signal's reason
 */
export async function describeFile(
  path: string,
  options: InspectOptions = {},
): Promise<FileDescription> {
  const slash = path.lastIndexOf('/');
  using folder = Dir.open(slash < 0 ? '.' : path.slice(0, slash) || '/');
  using file = folder.openFile(Buffer.from(path.slice(slash + 1)).toString('latin1'), 0);
  const bytes = readAll(file, FILE_MAX_BYTES);
  const format = options.format ?? detectFormat(bytes, path);
  if (format === undefined) {
    throw new FormatError(
      'FORMAT_UNKNOWN',
      `Cannot detect the format of "${path}": expected a format that onecopy reads, found none`,
      { offset: 0, what: path },
      { hint: 'Set the format with --as' },
    );
  }
  const described = DESCRIBERS[format](bytes);
  const { document, findings } =
    'document' in described ? described : await inTurns(described, options);
  return {
    format,
    sizeBytes: bytes.length,
    document,
    findings: [...findings, ...checkName(path, format, document)],
  };
}

/** The description of a file. */
export interface Described {
  readonly document: JsonValue;
  readonly findings: readonly FormatFinding[];
}

/** Those of formats with very many entries do it in steps. */
type Describe = (bytes: Uint8Array) => Described | Steps<Described>;

const DESCRIBERS: Readonly<Record<FileFormat, Describe>> = {
  splitstream: describeSplitstream,
  erofs: describeErofs,
  'chunked-layer': describeChunkedLayer,
  'tar-split': describeTarSplit,
  dumpfile: describeDumpfile,
  'ostree-commit': (bytes) => plain(describeCommit(bytes)),
  'ostree-dirtree': describeSorted,
  'ostree-dirmeta': (bytes) => plain(describeDirmeta(bytes)),
  'ostree-filez': describeArchived,
  'ostree-summary': (bytes) => plain(describeSummary(bytes)),
  'ostree-summary-index': (bytes) => plain(describeSummaryIndex(bytes)),
  'ostree-delta': (bytes) => plain(describeDelta(bytes)),
  'ostree-metadata': (bytes) =>
    plain({
      checksum: computeMetadataChecksum(bytes),
      metadata: jsonOfMetadata(parseMetadataDict(bytes, 'metadata')),
    }),
};

function plain(document: JsonValue): Described {
  return { document, findings: [] };
}

function describeSorted(bytes: Uint8Array): Described {
  const document = describeDirtree(bytes);
  const isSorted = fieldOf(document, 'sorted') === true;
  return { document, findings: isSorted ? [] : [finding('NOT_SORTED', 'names do not ascend')] };
}

function describeArchived(bytes: Uint8Array): Described {
  const document = describeFilez(bytes);
  const warnings = fieldOf(document, 'warnings');
  const texts = Array.isArray(warnings) ? warnings.map(String) : [];
  return { document, findings: texts.map((text) => finding('FILEZ_ODD', text)) };
}

/** Objects of an OSTree repository are named by their checksums: `objects/ab/cdef….dirtree`. */
function checkName(path: string, format: FileFormat, document: JsonValue): FormatFinding[] {
  const match = /([0-9a-f]{2})\/([0-9a-f]{62})\.(?:commit|dirtree|dirmeta|filez)$/.exec(path);
  const found = fieldOf(document, 'checksum');
  if (match === null || format === 'ostree-metadata' || found === undefined) return [];
  const expected = `${match[1]}${match[2]}`;
  if (found === expected) return [];
  return [finding('CHECKSUM_MISMATCH', `its name says ${expected}, its content is ${found}`)];
}

function describeSplitstream(bytes: Uint8Array): Described {
  const [algorithm, stream] = openEither(bytes);
  const { contentType, sizeBytes, objectRefs, streamRefs, namedRefs } = stream;
  const typeName = Object.entries(CONTENT_TYPES).find(([, value]) => value === contentType)?.[0];
  const common = {
    id: computeVerity(bytes, algorithm),
    algorithm,
    contentType: `0x${contentType.toString(16).padStart(16, '0')}`,
    contentTypeName: typeName ?? null,
    streamBytes: sizeBytes,
    objectRefs: [...objectRefs],
    streamRefs: [...streamRefs],
    namedRefs: Object.fromEntries(namedRefs),
  };
  if (contentType !== CONTENT_TYPES.ostreeCommit) {
    return plain({ ...common, body: bodyDocument(stream) });
  }
  const commit = readCommitStream(stream);
  const findings = checkCommitStream(commit, { algorithm }).map(({ code, checksum, message }) =>
    finding(code, checksum === undefined ? message : `${checksum}: ${message}`),
  );
  const body = quietly(() => describeCommitStream(commit, namedRefs) as unknown as JsonValue);
  return { document: { ...common, body: body ?? null }, findings };
}

/** The structure of the body, without its content. */
function bodyDocument(stream: Splitstream): JsonValue {
  let [inlineBytes, externals] = [0, 0];
  for (const part of stream.parts()) {
    if (part.kind === 'inline') inlineBytes += part.bytes.length;
    else externals += 1;
  }
  return { inlineBytes, externals };
}

/** The hash kind is in the header, and opening a stream requires it. */
function openEither(bytes: Uint8Array): readonly [VerityAlgorithm, Splitstream] {
  const [first, ...others] = Object.keys(ALGORITHMS) as [VerityAlgorithm, ...VerityAlgorithm[]];
  for (const algorithm of others) {
    const stream = quietly(() => openSplitstream(bytes, { algorithm }));
    if (stream !== undefined) return [algorithm, stream];
  }
  return [first, openSplitstream(bytes, { algorithm: first })];
}

function* describeDumpfile(bytes: Uint8Array): Steps<Described> {
  const tree = parseDumpfile(bytes);
  yield;
  return plain({ entries: yield* treeDocument(tree) });
}

function* describeErofs(bytes: Uint8Array): Steps<Described> {
  const { header } = openImage(bytes);
  const tree = yield* attemptSteps(readTreeInSteps(bytes));
  const objects = yield* attemptSteps(listObjectRefsInSteps(bytes));
  const found = yield* checkImageInSteps(bytes);
  const entries = tree === undefined ? null : yield* treeDocument(tree);
  const findings = found.map(({ code, path, message }) =>
    finding(code, path === '' ? message : `/${path}: ${message}`),
  );
  return {
    document: {
      idSha256: computeVerity(bytes, 'sha256'),
      idSha512: computeVerity(bytes, 'sha512'),
      header: {
        composefsVersion: header.composefsVersion,
        hasAcl: header.hasAcl,
        rootNid: header.rootNid,
        inodes: String(header.inodeCount),
        buildTimeSec: String(header.buildTimeSec),
        buildTimeNsec: header.buildTimeNsec,
        blockBytes: header.blockSize,
        metaOffset: header.metaOffset,
        xattrOffset: header.xattrOffset,
      },
      objects: [...(objects ?? [])],
      entries,
    },
    findings,
  };
}

function* treeDocument(tree: Tree): Steps<JsonValue> {
  const entries: JsonValue[] = [];
  for (const entry of walkTree(tree)) {
    yield;
    entries.push(entryDocument(tree, entry));
  }
  return entries;
}

function entryDocument(tree: Tree, { path, inode }: TreeEntry): JsonValue {
  const isDirectory = inode instanceof Directory;
  const leaf = isDirectory ? undefined : leafAt(tree, inode);
  const stat = isDirectory ? inode.stat : leafAt(tree, inode).stat;
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs } = stat;
  const xattrPairs = sortedXattrs(xattrs).map(([name, value]) => [
    displayText(name),
    Buffer.from(value).toString('base64'),
  ]);
  return {
    path: displayText(path),
    kind: leaf?.kind ?? 'directory',
    mode: mode.toString(8).padStart(4, '0'),
    uid,
    gid,
    mtimeSec: String(mtimeSec),
    mtimeNsec,
    ...(leaf !== undefined && 'sizeBytes' in leaf ? { sizeBytes: leaf.sizeBytes } : {}),
    ...(leaf?.kind === 'inline' ? { sizeBytes: leaf.content.length } : {}),
    ...(leaf !== undefined && 'id' in leaf ? { objectId: leaf.id } : {}),
    ...(leaf?.kind === 'symlink' ? { target: displayText(leaf.target) } : {}),
    ...(leaf !== undefined && 'rdev' in leaf ? { rdev: leaf.rdev } : {}),
    xattrs: xattrPairs,
  };
}

function fieldOf(document: JsonValue, key: string): JsonValue | undefined {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    return undefined;
  }
  return (document as { readonly [name: string]: JsonValue })[key];
}

function finding(code: string, message: string): FormatFinding {
  return { code, message };
}

function* attemptSteps<T>(steps: Steps<T>): Steps<T | undefined> {
  try {
    return yield* steps;
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return undefined;
  }
}
