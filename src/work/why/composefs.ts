import { type ByteString, displayText } from '#base/bytes';
import { isContentDigest, type ObjectId, parseObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { Steps } from '#base/flow';
import { openImage, scanPieces, walkImage } from '#formats/erofs';
import { ALGORITHMS, parseObjectPath } from '#formats/fsverity';
import { openSplitstreamTables } from '#formats/splitstream';
import {
  decodeTag,
  INDEX_STREAM_PREFIX,
  kindOf,
  MANIFEST_STREAM_PREFIX,
  ObjectSet,
  type OpenObject,
  type Repository,
} from '#stores/composefs';
import { listMounts } from '#work/mount';
import type { KeepGraph, Step, StepKind } from './graph.ts';
import { type Found, isLike, type Search, type Wanted } from './wanted.ts';

/** Prefixes of the names of streams. Source: composefs-rs 0.9 composefs-oci and composefs-ostree. */
const STREAM_KINDS: readonly (readonly [prefix: string, kind: StepKind])[] = [
  [MANIFEST_STREAM_PREFIX, 'manifest'],
  [INDEX_STREAM_PREFIX, 'index'],
  ['oci-config-', 'config'],
  ['oci-layer-', 'layer'],
  ['oci-blob-', 'blob'],
  ['ostree-commit-', 'commit'],
];
const TAG_PREFIX = 'oci/';
/** Manifests that live as long as another manifest or an index. */
const REFERRER = /^oci-referrers\/([^/]+)\/[^/]+$/;
const IN_INDEX = /^oci-index\/([^/]+)\/[^/]+$/;
/** Largest number of paths in one image that are listed for one object. */
const PATHS_MAX = 16;
/** Entries of an image between two turns of the event loop. */
const ENTRIES_PER_STEP = 1024;

/** Finds what was asked about in a composefs repository, and everything that refers to it. Nothing is verified. */
export function* searchComposefs(
  repository: Repository,
  graph: KeepGraph,
  search: Search,
  deployedAs: (tag: string) => readonly Step[],
): Steps<readonly Found[]> {
  const { wanted } = search;
  if (wanted.kind === 'place' && !/^(?:objects|streams|images)\/./.test(wanted.path)) {
    graph.addRoot(wanted.path, { kind: 'record', name: wanted.path });
    return [{ key: wanted.path, isStored: true }];
  }
  const names = new StreamNames(repository);
  const targets = findTargets(repository, names, wanted);
  if (targets.size === 0) return [];
  const survey = new Survey(repository, graph, names, { targets, warn: search.warn });
  survey.addRoots(deployedAs);
  survey.addReferrers();
  yield* survey.follow();
  for (const id of targets) graph.describe(id, graph.stepOf(id) ?? names.stepOf(id));
  if (wanted.kind === 'entry') {
    const key = `path:${wanted.path}`;
    graph.describe(key, { kind: 'file', name: wanted.path });
    graph.link(wanted.holder, key);
    return [{ key, isStored: repository.objects.has(wanted.holder) }];
  }
  // An id that nothing has and nothing refers to is not found.
  return [...targets]
    .map((key) => ({ key, isStored: repository.objects.has(key) }))
    .filter(({ key, isStored }) => isStored || graph.chainsOf(key).chains.length > 0);
}

/** The names of streams by object, and their meaning. */
class StreamNames {
  readonly all: readonly { readonly name: string; readonly id: ObjectId | undefined }[];
  readonly images: ReadonlySet<ObjectId>;
  readonly #byId = new Map<ObjectId, string>();
  readonly #byName = new Map<string, ObjectId | undefined>();

  constructor(repository: Repository) {
    this.all = repository.streams.list();
    for (const { name, id } of this.all) {
      this.#byName.set(name, id);
      if (id !== undefined) this.#byId.set(id, name);
    }
    this.images = new Set(repository.images.list().map(({ id }) => id));
  }

  idOf(name: string): ObjectId | undefined {
    return this.#byName.get(name);
  }

  /** What an object is, by its names. */
  stepOf(id: ObjectId): Step {
    const name = this.#byId.get(id);
    if (name !== undefined) return streamStep(name);
    return { kind: this.images.has(id) ? 'erofs' : 'object', name: id };
  }
}

function streamStep(name: string): Step {
  const [prefix = '', kind] = STREAM_KINDS.find(([start]) => name.startsWith(start)) ?? [];
  return kind === undefined ? { kind: 'stream', name } : { kind, name: name.slice(prefix.length) };
}

function findTargets(repository: Repository, names: StreamNames, wanted: Wanted): Set<ObjectId> {
  const found = new Set<ObjectId>();
  const add = (id: ObjectId | undefined) => {
    if (id !== undefined) found.add(id);
  };
  if (wanted.kind === 'entry') add(wanted.holder);
  else if (wanted.kind === 'name') {
    add(names.idOf(wanted.name));
  } else if (wanted.kind === 'place') add(targetAt(repository, names, wanted.path));
  else {
    for (const { name, id } of names.all) {
      const { kind, name: digest } = streamStep(name);
      if (kind !== 'stream' && isLike(digest, wanted)) add(id);
    }
    if (wanted.algorithm === undefined) {
      for (const id of idsLike(repository, wanted.digits)) found.add(id);
    }
  }
  return found;
}

/** Stored objects whose id begins so; a complete id need not be stored. */
function idsLike(repository: Repository, digits: string): readonly ObjectId[] {
  const digitCount = ALGORITHMS[repository.algorithm].digestBytes * 2;
  if (digits.length === digitCount) return [parseObjectId(digits)];
  if (digits.length > digitCount) return [];
  const fanOut = digits.slice(0, 2);
  using dir = repository.root.tryOpenDir(`objects/${fanOut}`);
  const found = dir?.readEntries().map(({ name }) => fanOut + name) ?? [];
  return found
    .filter((id) => id.length === digitCount && id.startsWith(digits) && /^[0-9a-f]+$/.test(id))
    .sort()
    .map(parseObjectId);
}

/** The object of a file of the repository; undefined for its other files. */
function targetAt(repository: Repository, names: StreamNames, path: string): ObjectId | undefined {
  const [folder, first = '', ...rest] = path.split('/');
  const isRef = first === 'refs';
  if (folder === 'objects') {
    const id = first + rest.join('');
    return id.length === ALGORITHMS[repository.algorithm].digestBytes * 2
      ? parseObjectPath(path as ByteString, repository.algorithm)
      : undefined;
  }
  if (folder !== 'streams' && folder !== 'images') return undefined;
  if (isRef) {
    const name = rest.join('/');
    return repository.refs.listForDisplay(folder).find((ref) => ref.name === name)?.id;
  }
  if (rest.length > 0) return undefined;
  return folder === 'streams' ? names.idOf(first) : [...names.images].find((id) => id === first);
}

/** Follows the references of the streams and images of a repository. Keys of its graph are ids of objects. */
class Survey {
  readonly #repository: Repository;
  readonly #graph: KeepGraph;
  readonly #names: StreamNames;
  readonly #targets: ReadonlySet<ObjectId>;
  readonly #warn: (problem: string) => void;
  readonly #digestBytes: number;
  /** The same ids as numbers, to look them up in tables. */
  readonly #ids: ObjectSet;
  readonly #pending: ObjectId[] = [];
  readonly #seen = new Set<ObjectId>();

  constructor(
    repository: Repository,
    graph: KeepGraph,
    names: StreamNames,
    { targets, warn }: { targets: ReadonlySet<ObjectId>; warn: (problem: string) => void },
  ) {
    this.#repository = repository;
    this.#graph = graph;
    this.#names = names;
    this.#targets = targets;
    this.#warn = warn;
    this.#digestBytes = ALGORITHMS[repository.algorithm].digestBytes;
    this.#ids = new ObjectSet(this.#digestBytes);
    for (const id of targets) this.#ids.add(id);
  }

  /** Adds names, mounts and leases; then the other streams and images, which are no roots. */
  addRoots(deployedAs: (tag: string) => readonly Step[]): void {
    for (const { name, id } of this.#repository.refs.listForDisplay('streams')) {
      if (id === undefined || REFERRER.test(name) || IN_INDEX.test(name)) continue;
      const isTag = name.startsWith(TAG_PREFIX);
      const shown = isTag
        ? decodeTag(name.slice(TAG_PREFIX.length))
        : name.replace(/^ostree\//, '');
      const key = this.#addRoot({ kind: isTag ? 'tag' : 'ref', name: shown }, id);
      for (const step of isTag ? deployedAs(shown) : []) {
        const deployment = `${step.kind} ${step.name}`;
        this.#graph.addRoot(deployment, step);
        this.#graph.link(deployment, key);
      }
    }
    for (const { name, id } of this.#repository.refs.listForDisplay('images')) {
      if (id !== undefined) this.#addRoot({ kind: 'ref', name: `refs/${name}` }, id);
    }
    this.#addMounts();
    this.#addLeases();
    for (const { id } of this.#names.all) if (id !== undefined) this.#add(id);
    for (const id of this.#names.images) this.#add(id);
  }

  /** Manifests that are kept with another manifest, or with an index. */
  addReferrers(): void {
    for (const { name, id } of this.#repository.refs.listForDisplay('streams')) {
      const [, index] = IN_INDEX.exec(name) ?? [];
      const [, subject = index] = REFERRER.exec(name) ?? [];
      if (subject === undefined || id === undefined) continue;
      const digest = decodeTag(subject);
      const prefixes = [
        INDEX_STREAM_PREFIX,
        ...(index === undefined ? [MANIFEST_STREAM_PREFIX] : []),
      ];
      for (const prefix of prefixes) {
        const above = this.#names.idOf(prefix + digest);
        if (above !== undefined) this.#graph.link(above, id);
      }
      this.#add(id);
    }
  }

  /** Reads everything that was added and what it refers to. */
  *follow(): Steps<void> {
    for (let id = this.#pending.pop(); id !== undefined; id = this.#pending.pop()) {
      yield;
      try {
        yield* this.#read(id);
      } catch (error) {
        if (!isOnecopyError(error)) throw error;
        this.#warn(`Object ${id} cannot be read: ${error.message}`);
      }
    }
  }

  #addRoot(step: Step, id: ObjectId): string {
    const key = `${step.kind} ${step.name}`;
    this.#graph.addRoot(key, step);
    this.#graph.link(key, id);
    this.#add(id);
    return key;
  }

  #addMounts(): void {
    for (const { target, image, imageId } of listMounts()) {
      if (imageId === undefined) {
        this.#warn(`The mount at "${target}" does not say which image "${image}" was`);
      } else if (this.#repository.objects.has(imageId)) {
        this.#addRoot({ kind: 'mount', name: target }, imageId);
      }
    }
  }

  #addLeases(): void {
    const step: Step = { kind: 'lease', name: 'a pull that runs now' };
    try {
      this.#repository.leases.visit(this.#digestBytes, {
        streams: (names) => {
          for (const name of names) {
            const id = this.#names.idOf(displayText(name));
            if (id !== undefined) this.#addRoot(step, id);
          }
        },
        objects: (digests) => {
          const leased = new ObjectSet(this.#digestBytes);
          leased.addDigests(digests);
          for (const id of this.#targets) if (leased.has(id)) this.#addRoot(step, id);
        },
      });
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      this.#warn(`Leases of running pulls cannot be read: ${error.message}`);
    }
  }

  #add(id: ObjectId): void {
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    this.#pending.push(id);
  }

  *#read(id: ObjectId): Steps<void> {
    if (!this.#repository.objects.has(id)) {
      this.#graph.describe(id, this.#graph.stepOf(id) ?? this.#names.stepOf(id));
      return;
    }
    using object = this.#repository.objects.openUnverified(id);
    const kind = kindOf(object);
    if (kind === 'stream') this.#readStream(id, object);
    else {
      this.#graph.describe(id, { kind: kind === 'image' ? 'erofs' : 'object', name: id });
      if (kind === 'image') yield* this.#readImage(id, object);
    }
  }

  #readStream(id: ObjectId, object: OpenObject): void {
    const { algorithm } = this.#repository;
    const tables = openSplitstreamTables(object, { algorithm });
    this.#graph.describe(id, this.#names.stepOf(id));
    for (const piece of tables.objectDigestPieces()) {
      const words = new Uint32Array(piece.buffer, piece.byteOffset, piece.length / 4);
      for (let at = 0; at < words.length; at += this.#digestBytes / 4)
        this.#linkTarget(id, words, at);
    }
    const labels = new Map([...tables.namedRefs].map(([label, ref]) => [ref, label]));
    for (const ref of tables.streamRefs) {
      this.#graph.link(id, ref);
      const label = labels.get(ref) ?? '';
      const step = this.#names.stepOf(ref);
      // A layer that has lost its name is still known by its diff id.
      if (step.kind === 'object' && isContentDigest(label)) {
        this.#graph.describe(ref, { kind: 'layer', name: label });
      }
      this.#add(ref);
    }
  }

  *#readImage(imageId: ObjectId, object: OpenObject): Steps<void> {
    let hasAny = false;
    const look = (words: Uint32Array, at: number) => {
      hasAny ||= this.#ids.indexOfWords(words, at) >= 0;
    };
    for (const _ of scanPieces(object, object.sizeBytes, this.#digestBytes, look)) yield;
    if (!hasAny) return;
    const image = openImage(object);
    const counts = new Map<ObjectId, number>();
    let entries = 0;
    for (const { inode, path } of walkImage(image)) {
      entries += 1;
      if (entries % ENTRIES_PER_STEP === 0) yield;
      const id = inode.type === 'regular' ? image.objectOf(inode)?.id : undefined;
      if (id === undefined || !this.#targets.has(id)) continue;
      const count = (counts.get(id) ?? 0) + 1;
      counts.set(id, count);
      if (count > PATHS_MAX) continue;
      const key = `${imageId}/${path}`;
      this.#graph.describe(key, { kind: 'file', name: displayText(`/${path}` as ByteString) });
      this.#graph.link(imageId, key);
      this.#graph.link(key, id);
    }
    for (const [id, count] of counts) {
      if (count > PATHS_MAX)
        this.#warn(`Image ${imageId} has object ${id} at ${count} paths: ${PATHS_MAX} are listed`);
    }
  }

  #linkTarget(from: ObjectId, words: Uint32Array, at: number): void {
    const index = this.#ids.indexOfWords(words, at);
    if (index >= 0) this.#graph.link(from, this.#ids.idAt(index));
  }
}
