import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { type ByteString, displayText } from '#base/bytes';
import { isContentDigest, type ObjectId } from '#base/digest';
import { IntegrityError, isOnecopyError, NotFoundError } from '#base/errors';
import { listObjectRefs, openImage, scanPieces } from '#formats/erofs';
import { ALGORITHMS } from '#formats/fsverity';
import { openSplitstreamTables, type SplitstreamTables } from '#formats/splitstream';
import { openVerityHasher, readAll } from '#host';
import type { Finding, FindingKind } from '../check/findings.ts';
import { IMAGE_BYTES_MAX, LINK_NAME, REFS } from '../layout.ts';
import { baseNameOf, type RefCategory, readObjectLink, walkRefs } from '../names/links.ts';
import { decodeTag, fileNameOf } from '../names/names.ts';
import type { OpenObject } from '../objects/objects.ts';
import type { Repository } from '../repository/repository.ts';
import { hasWholeTables, isIntact, kindOf } from './examine.ts';
import { ReachedObjects } from './reached-objects.ts';

/** What the roots reach. */
export interface Reach {
  readonly live: ReachedObjects;
  /** First-level entries of references and given roots, as `streams/<name>` and `images/<name>`. */
  readonly rooted: ReadonlySet<string>;
  /** Names of streams that a root needs and that are missing. */
  readonly lostStreams: readonly ByteString[];
}

/** The reference of a manifest that lives as long as another: an artifact (for example a signature) of an image, or an image of an index. */
export interface Referrer {
  /** Path of the reference relative to the repository. */
  readonly path: string;
  /** Names of the streams that the subject may have: of a manifest, or of an index. */
  readonly subjects: readonly ByteString[];
  /** Name of the stream of the manifest. */
  readonly target: ByteString;
}

/** `oci-referrers/<subject>/<artifact>` below `streams/refs`. Source: composefs-rs 0.9 composefs-oci, oci-and-cli section 2.6. */
const REFERRER = /^oci-referrers\/([^/]+)\/[^/]+$/;
/** `oci-index/<index>/<manifest>` below `streams/refs`. Specific to onecopy: with it composefs-rs keeps an image whose stream it rewrote. */
const IN_INDEX = /^oci-index\/([^/]+)\/[^/]+$/;

/** Prefix of the labels under which streams refer to EROFS images. Source: composefs-rs 0.9 composefs-oci. */
const IMAGE_LABEL = 'composefs.image';

/**
 * Marks everything that the roots of a repository reach. It follows object ids and never names, so a missing name loses nothing, and it
 * also reads images. Unreadable data is a finding if it cannot refer to other objects; otherwise marking throws.
 * @throws IntegrityError GC_UNREADABLE; NotFoundError STREAM_NOT_FOUND for a given root that does not exist
 */
export class Marker implements Reach {
  readonly live: ReachedObjects;
  readonly rooted = new Set<string>();
  readonly lostStreams: ByteString[] = [];
  readonly findings: Finding[] = [];
  readonly #repository: Repository;
  readonly #walked = new Set<ObjectId>();
  /** Images made from streams that are marked. They are read only if something is missing. */
  readonly #derived: Step[] = [];
  readonly #referrers: Referrer[] = [];
  readonly #signal: AbortSignal | undefined;

  constructor(repository: Repository, signal?: AbortSignal) {
    this.#signal = signal;
    this.#repository = repository;
    this.live = new ReachedObjects(ALGORITHMS[repository.algorithm].digestBytes);
  }

  /** Marks everything that the references of both categories and the given names reach. */
  async markRoots(names: readonly string[]): Promise<void> {
    for (const category of ['images', 'streams'] as const) {
      for (const ref of walkRefs(this.#repository.root, category)) {
        const path = `${category}/${REFS}/${ref.name}`;
        if (LINK_NAME.test(ref.name.slice(ref.name.lastIndexOf('/') + 1))) continue;
        const target = ref.target === undefined ? undefined : baseNameOf(ref.target);
        const subjects = category === 'streams' ? subjectsOf(ref.name) : undefined;
        if (ref.target === undefined) this.#find('unexpected-file-type', path, ref.type);
        else if (target === undefined) continue;
        else if (subjects === undefined) await this.#markName(category, target, path);
        else this.#referrers.push({ path, subjects, target });
      }
    }
    for (const name of names) await this.#markGiven(name);
  }

  /**
   * Marks the manifests whose subject is live, and transitively those of which they are the subject. Returns the references of all others,
   * whose subject is gone. (composefs-rs 0.9 keeps them forever.) Called after all other roots are marked.
   */
  async markReferrers(): Promise<readonly Referrer[]> {
    let left: readonly Referrer[] = this.#referrers;
    for (;;) {
      const kept = left.filter(({ subjects }) => subjects.some((subject) => this.#isLive(subject)));
      if (kept.length === 0) return left;
      for (const { path, target } of kept) await this.#markName('streams', target, path);
      left = left.filter((referrer) => !kept.includes(referrer));
    }
  }

  /**
   * Marks what derived images refer to, if anything was found missing or damaged: otherwise the streams from which they were made have
   * marked the same objects. Called last.
   */
  async markDerived(): Promise<void> {
    if (this.findings.length === 0 && this.lostStreams.length === 0) return;
    for (const step of this.#derived.splice(0)) {
      using object = this.#repository.objects.openUnverified(step.id);
      await this.#visitImage(object, step);
    }
  }

  /** Also true for a missing name that a root needs: its image may be pulled again. */
  #isLive(stream: ByteString): boolean {
    if (this.lostStreams.includes(stream)) return true;
    const { root, algorithm } = this.#repository;
    const link = readObjectLink(root, `streams/${stream}`, algorithm);
    return link.kind === 'object' && this.live.has(link.id);
  }

  /** Marks one stream by its object, and everything that it reaches. */
  async markStream(id: ObjectId, via: string): Promise<void> {
    await this.#walk(id, 'stream', via);
  }

  /** Marks a plain object. */
  markObject(id: ObjectId): void {
    this.live.add(id);
  }

  /** Marks `streams/<name>` if the name exists. */
  async markStreamName(name: string, via: string): Promise<boolean> {
    const { root, algorithm } = this.#repository;
    const path = `streams/${fileNameOf(name)}`;
    const link = readObjectLink(root, path, algorithm);
    if (link.kind !== 'object' || !this.#repository.objects.has(link.id)) return false;
    this.rooted.add(path);
    await this.markStream(link.id, via);
    return true;
  }

  /**
   * Marks an image without a name, with everything that it reaches; true if it was not marked before. Called after the roots are marked.
   */
  async markHeld(id: ObjectId): Promise<boolean> {
    if (this.live.has(id) || !this.#repository.objects.has(id)) return false;
    await this.markEntry('images', id as string as ByteString);
    return true;
  }

  /** Marks everything that a first-level entry reaches, as for a reference. */
  async markEntry(category: RefCategory, name: ByteString): Promise<void> {
    await this.#markName(category, name, `${category}/${name}`);
  }

  /** Adds a finding. */
  #find(kind: FindingKind, path: string, detail: string): void {
    this.findings.push({ kind, path: displayText(path as ByteString), detail });
  }

  /** Marks a name that the user gave. A missing name is an error, because a typing error would delete what the user wants to keep. */
  async #markGiven(name: string): Promise<void> {
    const { root, algorithm } = this.#repository;
    let found = false;
    for (const category of ['images', 'streams'] as const) {
      const path = `${category}/${fileNameOf(name)}`;
      if (name === REFS || name.includes('/') || name === '' || name === '.' || name === '..')
        break;
      if (readObjectLink(root, path, algorithm).kind === 'missing') continue;
      found = true;
      await this.#markName(category, fileNameOf(name), path);
    }
    if (found) return;
    throw new NotFoundError(
      'STREAM_NOT_FOUND',
      `Cannot use "${name}" as a root: the repository has no stream and no image of this name`,
      { name },
      { hint: 'Give the exact name of a file in streams/ or images/ of the repository' },
    );
  }

  async #markName(category: RefCategory, name: ByteString, via: string): Promise<void> {
    const path = `${category}/${name}`;
    if (this.rooted.has(path)) return;
    this.rooted.add(path);
    const { root, algorithm, objects } = this.#repository;
    const link = readObjectLink(root, path, algorithm);
    if (link.kind === 'invalid') throw unreadable(path, via, link.reason);
    if (link.kind === 'object' && objects.has(link.id)) {
      await this.#walk(link.id, category === 'images' ? 'image' : 'stream', path);
      return;
    }
    this.#find('broken-symlink', via, link.kind === 'object' ? `object ${link.id} is missing` : '');
    if (category === 'streams') this.lostStreams.push(name);
    // The name of an image is its id, so a missing link loses nothing.
    else if (objects.has(name as string as ObjectId))
      await this.#walk(name as string as ObjectId, 'image', path);
  }

  /**
   * Marks an object and everything that it reaches. `role` is its expected type: an image or stream of a root; `derived`, an image whose
   * objects its layers also keep; `any`, the target of any reference of a stream.
   */
  async #walk(id: ObjectId, role: Role, via: string): Promise<void> {
    const pending: Step[] = [{ id, role, via }];
    for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
      this.live.add(step.id);
      if (this.#walked.has(step.id)) continue;
      this.#walked.add(step.id);
      await this.#turn();
      pending.push(...(await this.#visit(step)));
    }
  }

  /** Yields to the event loop, so that a signal acts. */
  async #turn(): Promise<void> {
    await yieldToEvents();
    this.#signal?.throwIfAborted();
  }

  async #visit(step: Step): Promise<readonly Step[]> {
    const { objects } = this.#repository;
    if (!objects.has(step.id)) {
      this.#find('missing-named-ref', step.via, step.id);
      return this.#followLabel(step);
    }
    using object = objects.openUnverified(step.id);
    const kind = kindOf(object);
    if (kind === 'stream') return this.#visitStream(object, step);
    if (kind === 'image' && step.role === 'derived') return this.#postpone(object, step);
    if (kind === 'image') return await this.#visitImage(object, step);
    if (step.role === 'derived') {
      this.#find('image-invalid', `images/${step.id}`, 'it is not an EROFS image');
      return [];
    }
    // An intact object that is neither an image nor a stream reaches nothing. A damaged object may have been one.
    if (step.role === 'any' && isIntact(this.#repository, object, step.id)) return [];
    throw unreadable(
      `object ${step.id}`,
      step.via,
      `it is not ${step.role === 'image' ? 'an EROFS image' : 'a splitstream'}`,
    );
  }

  /** The object of a label is missing: a newer or rebuilt stream of that name may exist, or its content may exist. */
  #followLabel(step: Step): readonly Step[] {
    const name = step.label === undefined ? undefined : streamNameOf(step.label);
    if (name === undefined) return [];
    const { root, algorithm, objects } = this.#repository;
    const path = `streams/${name}`;
    const link = readObjectLink(root, path, algorithm);
    if (link.kind === 'object' && objects.has(link.id)) {
      return [{ id: link.id, role: 'stream', via: path }];
    }
    this.lostStreams.push(name);
    return [];
  }

  #visitStream(object: OpenObject, step: Step): readonly Step[] {
    const stream = this.#readTables(object, step);
    if (!isIntact(this.#repository, object, step.id)) {
      if (!hasWholeTables(this.#repository, object, stream)) {
        throw unreadable(`object ${step.id}`, step.via, 'its content does not match its id');
      }
      this.#find('object-digest-mismatch', step.via, `object ${step.id}`);
    }
    this.live.reserve(stream.objectCount);
    for (const piece of stream.objectDigestPieces()) this.live.addDigests(piece);
    const labels = new Map<ObjectId, string>();
    for (const [label, id] of stream.namedRefs) labels.set(id, label);
    return stream.streamRefs.map((id) => {
      const label = labels.get(id);
      const role = label?.startsWith(IMAGE_LABEL) === true ? 'derived' : 'any';
      return { id, role, via: step.via, label };
    });
  }

  #readTables(object: OpenObject, step: Step): SplitstreamTables {
    try {
      const { algorithm } = this.#repository;
      return openSplitstreamTables(object, { algorithm });
    } catch (error) {
      if (!isOnecopyError(error) || error.kind !== 'format') throw error;
      throw unreadable(`object ${step.id}`, step.via, error.message, error);
    }
  }

  /** Checks only the head of a derived image. */
  #postpone(object: OpenObject, step: Step): readonly Step[] {
    try {
      openImage(object);
      this.#derived.push(step);
    } catch (error) {
      if (!isOnecopyError(error) || error.kind !== 'format') throw error;
      this.#find('image-invalid', `images/${step.id}`, error.message);
    }
    return [];
  }

  async #visitImage(object: OpenObject, step: Step): Promise<readonly Step[]> {
    // For an intact image, it is safe to keep too much, so a scan at a tenth of the cost is enough. A damaged image is read strictly.
    const isIntact = await this.#scanImage(object, step.id);
    try {
      if (isIntact) openImage(object);
      else {
        for (const id of listObjectRefs(readAll(object, IMAGE_BYTES_MAX))) this.live.add(id);
      }
    } catch (error) {
      if (!isOnecopyError(error) || error.kind !== 'format') throw error;
      if (step.role !== 'derived')
        throw unreadable(`image ${step.id}`, step.via, error.message, error);
      this.#find('image-invalid', `images/${step.id}`, error.message);
      return [];
    }
    if (isIntact) return [];
    if (step.role !== 'derived') {
      throw unreadable(`image ${step.id}`, step.via, 'its content does not match its id');
    }
    this.#find('object-digest-mismatch', `images/${step.id}`, '');
    return [];
  }

  /**
   * Marks the objects that an image may refer to, in one pass that also computes its digest; true if the digest equals the id. Memory is
   * constant.
   */
  async #scanImage(object: OpenObject, id: ObjectId): Promise<boolean> {
    const { algorithm } = this.#repository;
    const hasher = openVerityHasher(algorithm);
    const addWords = (words: Uint32Array, at: number) => this.live.addWords(words, at);
    const { digestBytes } = ALGORITHMS[algorithm];
    let sinceTurn = 0;
    for (const piece of scanPieces(object, object.sizeBytes, digestBytes, addWords)) {
      hasher.update(piece);
      sinceTurn += piece.length;
      if (sinceTurn < TURN_BYTES) continue;
      sinceTurn = 0;
      await this.#turn();
    }
    return hasher.finish() === id;
  }
}

/** Bytes of an image that are scanned between two yields to the event loop. */
const TURN_BYTES = 8 << 20;

type Role = 'image' | 'stream' | 'derived' | 'any';

interface Step {
  readonly id: ObjectId;
  readonly role: Role;
  readonly via: string;
  readonly label?: string | undefined;
}

function subjectsOf(ref: ByteString): readonly ByteString[] | undefined {
  const index = IN_INDEX.exec(ref)?.[1];
  if (index !== undefined) return [`oci-index-${decodeTag(index)}` as ByteString];
  const subject = REFERRER.exec(ref)?.[1];
  if (subject === undefined) return undefined;
  const digest = decodeTag(subject);
  return [`oci-manifest-${digest}` as ByteString, `oci-index-${digest}` as ByteString];
}

/**
 * The stream name that a label of an OCI stream implies: `config:<digest>` and `blob:<digest>` in manifests, `manifest:<digest>` and `index:<digest>` in
 * indexes, a diff id for layers.
 * Source: oci-and-cli section 2.2.
 */
function streamNameOf(label: string): ByteString | undefined {
  const [, kind = 'layer', digest = label] =
    /^(config|manifest|index|blob):(.*)$/.exec(label) ?? [];
  if (!isContentDigest(digest)) return undefined;
  return `oci-${kind}-${digest}` as ByteString;
}

function unreadable(what: string, via: string, reason: string, cause?: unknown): IntegrityError {
  const path = displayText(via as ByteString);
  return new IntegrityError(
    'GC_UNREADABLE',
    `Cannot collect garbage: ${displayText(what as ByteString)}, needed by ${path}, cannot be read: ${reason}`,
    { path, reason },
    {
      ...(cause === undefined ? {} : { cause }),
      hint: 'Nothing was deleted. Run `onecopy fsck`, then pull the damaged images again, or remove them',
    },
  );
}
