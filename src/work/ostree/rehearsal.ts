import { byteStringOf } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { type ErofsVersion, encodeImage } from '#formats/erofs';
import { ALGORITHMS, type VerityAlgorithm } from '#formats/fsverity';
import {
  computeFileChecksum,
  computeMetadataChecksum,
  encodeCommit,
  encodeDirmeta,
  encodeDirtree,
  encodeFilez,
  encodeZlibHeader,
  frameHeader,
  parseDirtree,
  S_IFDIR,
  S_IFREG,
  type SizedFileHeader,
  treeOfCommit,
  verifyMetadata,
} from '#formats/ostree';
import type { FileTools } from './file-tools.ts';
import { absorbFilez } from './file-work.ts';
import { GatheredCommit } from './gathered.ts';

/*
 * Code that runs for the first time takes three times as long: the engine has yet to see what is worth compiling. Whoever waits for a
 * distant server has the time for that, and none once the last file has come. So the steps of a pull are done before with a small
 * made-up commit. Nothing is stored or remembered.
 */

/** What the steps behind the last file depend on. */
export interface RehearsalOptions {
  readonly algorithm: VerityAlgorithm;
  readonly version: ErofsVersion;
}

/** Files of the made-up commit: some milliseconds of work for the first time, one when all is compiled. */
const FILES = 60;
/** How often the whole is done. */
const ROUNDS = 30;
const CONTENT_BYTES = 2_000;

/** What is done for each file that arrives, but for storing it. */
export function rehearseFiles(tools: FileTools): void {
  const content = Buffer.alloc(CONTENT_BYTES, 'made up for nobody to keep; ');
  const header = headerOf(content.length);
  const filez = encodeFilez(header, content);
  const checksum = computeFileChecksum(header, content);
  const contents = Array.from(
    { length: FILES },
    () => absorbFilez(checksum, filez, tools)?.content,
  );
  tools.idsOf(contents.filter((one) => one !== undefined));
}

/** The steps behind the last file of a pull; each is over sooner than a distant server answers. */
export function* rehearseFinish({ algorithm, version }: RehearsalOptions): Generator<undefined> {
  for (let round = 0; round < ROUNDS; round++) {
    const gathered = gatherMadeUp(algorithm);
    if (round === 0) yield;
    gathered.encode();
    if (round === 0) yield;
    const tree = treeOfCommit(gathered.commit, gathered, { compatXattrNul: false });
    if (round === 0) yield;
    encodeImage(tree, { version, algorithm });
    yield;
  }
}

function gatherMadeUp(algorithm: VerityAlgorithm): GatheredCommit {
  const files = Array.from({ length: FILES }, (_, index) => ({
    name: byteStringOf(Buffer.from(`made-up-${index}`)),
    checksum: numbered<OstreeChecksum>(index, 'sha256'),
  }));
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  const tree = encodeDirtree({ files, directories: [] });
  const meta = encodeDirmeta({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] });
  const rootTree = computeMetadataChecksum(tree);
  const rootMeta = computeMetadataChecksum(meta);
  const commit = encodeCommit({
    metadata: [],
    parent: undefined,
    related: [],
    subject: '',
    body: '',
    timestampSec: 0n,
    rootTree,
    rootMeta,
  });
  const gathered = new GatheredCommit(computeMetadataChecksum(commit), commit);
  verifyMetadata(tree, rootTree, 'dirtree');
  gathered.addDirtree(rootTree, tree, parseDirtree(tree));
  gathered.addMetadata(rootMeta, meta);
  for (const [index, { checksum }] of files.entries()) {
    const sizeBytes = CONTENT_BYTES + index;
    const rawHeader = frameHeader(encodeZlibHeader(headerOf(sizeBytes)));
    const id = numbered<ObjectId>(index, algorithm);
    gathered.add({ kind: 'external', checksum, rawHeader, id, sizeBytes });
  }
  return gathered;
}

function headerOf(sizeBytes: number): SizedFileHeader {
  const target = byteStringOf(new Uint8Array(0));
  return { uid: 0, gid: 0, mode: S_IFREG | 0o644, target, xattrs: [], sizeBytes };
}

/** A digest that stands for itself. */
function numbered<T extends string>(index: number, algorithm: VerityAlgorithm): T {
  return index.toString(16).padStart(ALGORITHMS[algorithm].digestBytes * 2, '0') as T;
}
