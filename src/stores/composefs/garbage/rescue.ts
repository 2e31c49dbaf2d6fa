import { displayText } from '#base/bytes';
import { computeContentDigest, isContentDigest, type ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { Finding } from '../check/findings.ts';
import type { Repository } from '../repository/repository.ts';
import { kindOf } from './examine.ts';
import type { Marker } from './reach.ts';
import type { ReachedObjects } from './reached-objects.ts';

/**
 * Largest object that may be the manifest or config behind a lost name, in bytes. Source: chosen for onecopy; registries limit manifests to
 * 4 MiB.
 */
const DOCUMENT_BYTES_MAX = 4 << 20;

const LOST_NAME = /^oci-(manifest|config)-(.*)$/;

/**
 * Searches the targets of missing names. A dangling tag still states the digest of its manifest. If an object with that content exists,
 * everything that it reaches is kept, because one link would restore the image. It reads every small unreachable object, and only if the
 * target of a root is missing.
 */
export async function rescueLostStreams(
  repository: Repository,
  marker: Marker,
): Promise<Finding[]> {
  const wanted = new Map<string, string>();
  for (const name of marker.lostStreams) {
    const digest = LOST_NAME.exec(name)?.[2];
    if (digest !== undefined && isContentDigest(digest)) wanted.set(digest, displayText(name));
  }
  if (wanted.size === 0) return [];
  const documents = readDocuments(repository, marker.live);
  const findings: Finding[] = [];
  const queue = [...wanted.keys()];
  for (let digest = queue.shift(); digest !== undefined; digest = queue.shift()) {
    const name = wanted.get(digest) ?? digest;
    const document = documents.get(digest);
    if (document === undefined) continue;
    findings.push({
      kind: 'rescued-root',
      path: `streams/${name}`,
      detail: `object ${document.id}`,
    });
    marker.markObject(document.id);
    for (const stream of document.streams) await marker.markStream(stream, `streams/${name}`);
    const config = configOf(document.bytes);
    if (config === undefined || wanted.has(config)) continue;
    wanted.set(config, `oci-config-${config}`);
    const isNamed = await marker.markStreamName(`oci-config-${config}`, `streams/${name}`);
    if (!isNamed) queue.push(config);
  }
  return findings;
}

interface Document {
  readonly id: ObjectId;
  readonly bytes: Uint8Array;
  /** Splitstreams whose body is this document. */
  readonly streams: ObjectId[];
}

/** All small objects that may be JSON documents, by content digest, with the streams that consist of each. */
function readDocuments(repository: Repository, live: ReachedObjects): Map<string, Document> {
  const byDigest = new Map<string, Document>();
  const byId = new Map<ObjectId, Document>();
  const streams: ObjectId[] = [];
  for (const { id, sizeBytes } of repository.objects.list()) {
    if (live.has(id) || sizeBytes > DOCUMENT_BYTES_MAX) continue;
    using object = repository.objects.openUnverified(id);
    if (kindOf(object) === 'stream') streams.push(id);
    const first = Buffer.alloc(1);
    object.read(0, first);
    if (first.toString() !== '{') continue;
    const bytes = Buffer.alloc(sizeBytes);
    object.read(0, bytes);
    const document: Document = { id, bytes, streams: [] };
    byDigest.set(computeContentDigest(bytes), document);
    byId.set(id, document);
  }
  for (const id of streams) {
    for (const ref of objectRefsOf(repository, id)) byId.get(ref)?.streams.push(id);
  }
  return byDigest;
}

/** The objects of a small unreachable stream; none if it cannot be read, because then it cannot be restored. */
function objectRefsOf(repository: Repository, id: ObjectId): readonly ObjectId[] {
  try {
    using opened = repository.streams.open({ id });
    return opened.stream.objectRefs.length === 1 ? opened.stream.objectRefs : [];
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    return [];
  }
}

/** The digest of the config that a manifest names. */
function configOf(bytes: Uint8Array): string | undefined {
  try {
    const manifest = JSON.parse(Buffer.from(bytes).toString('utf8')) as {
      readonly config?: { readonly digest?: unknown };
    };
    const digest = manifest.config?.digest;
    return typeof digest === 'string' && isContentDigest(digest) ? digest : undefined;
  } catch {
    return undefined;
  }
}
