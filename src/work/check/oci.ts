import {
  algorithmOf,
  type ContentDigest,
  computeContentDigest,
  type DiffId,
  isContentDigest,
  type ObjectId,
} from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import {
  CONFIG_MAX_BYTES,
  MANIFEST_MAX_BYTES,
  type Manifest,
  parseImageConfig,
  parseManifest,
} from '#formats/oci';
import { CONTENT_TYPES } from '#formats/splitstream';
import type { ErofsVersion, Repository, StreamDocument, Suspect } from '#stores/composefs';
import { identifyTree } from '#work/encode';
import {
  buildTree,
  computeStreamDigest,
  imageSlot,
  indexStreamName,
  isStoredAsArtifact,
  layerStreamName,
  type ManifestBelow,
  manifestStreamName,
  manifestsBelow,
  openOciImage,
} from '#work/image';
import type { OciFinding, OciFindingKind } from './oci-findings.ts';

/** Result of a check of the OCI images of a repository. */
export interface OciCheckReport {
  readonly ok: boolean;
  readonly imagesChecked: number;
  readonly imagesCorrupted: number;
  readonly findings: readonly OciFinding[];
}

/** How to check OCI images. */
export interface OciCheckOptions extends OperationOptions {
  /** Tags to check (default: all). */
  readonly names?: readonly string[] | undefined;
  /** Also rebuild every layer, compare it with its diff id, and mark damage. Reads all contents. */
  readonly content?: boolean | undefined;
  /** Also rebuild the EROFS images and compare their ids. */
  readonly rebuild?: boolean | undefined;
}

/** Label of an image config that names the EROFS image it was sealed with. Source: composefs-rs 0.9 composefs-oci. */
const SEAL_LABEL = 'containers.composefs.fsverity';

/**
 * Checks the images of tags: that manifest, config, layers and images exist and match their digests. Objects are not verified here (see
 * `checkRepository`), except by reading them. Findings are values, in the order of the tags.
 * @throws HostError SYSCALL_FAILED; the signal's reason
 */
export async function checkOciImages(
  repository: Repository,
  options: OciCheckOptions = {},
): Promise<OciCheckReport> {
  const { signal, onProgress } = options;
  const { tags } = repository;
  const all = () => [...tags.list(), ...tags.listIndexes()].map(({ name }) => name);
  const names = options.names ?? all();
  const id = 'fsck:oci';
  onProgress?.({ type: 'started', id, unit: 'items', total: names.length });
  const findings: OciFinding[] = [];
  const checked: Checked = { layers: new Set(), manifests: new Set() };
  let imagesCorrupted = 0;
  for (const [index, name] of names.entries()) {
    signal?.throwIfAborted();
    const check = new ImageCheck(repository, name, options, checked);
    await check.run();
    if (check.findings.length > 0) imagesCorrupted += 1;
    findings.push(...check.findings);
    if (options.content === true) {
      repository.suspects.clear(check.sound);
      repository.suspects.add(check.suspects);
    }
    onProgress?.({ type: 'advanced', id, done: index + 1, total: names.length });
  }
  onProgress?.({ type: 'done', id, transferred: names.length });
  return { ok: findings.length === 0, imagesChecked: names.length, imagesCorrupted, findings };
}

/** What has been found sound in this run: images share layers, and tags share images. */
interface Checked {
  /** Digest and stream of each layer. */
  readonly layers: Set<string>;
  /** Digests of manifests. */
  readonly manifests: Set<ContentDigest>;
}

/** A layer of a stored image, which may be missing. */
interface LayerRef {
  readonly digest: DiffId | ContentDigest;
  readonly id: ObjectId | undefined;
}

class ImageCheck {
  readonly findings: OciFinding[] = [];
  /** Streams that a pull must not reuse, and streams that it may reuse. */
  readonly suspects: Suspect[] = [];
  readonly sound: Suspect[] = [];
  readonly #repository: Repository;
  readonly #name: string;
  readonly #options: OciCheckOptions;
  readonly #checked: Checked;

  constructor(repository: Repository, name: string, options: OciCheckOptions, checked: Checked) {
    this.#repository = repository;
    this.#name = name;
    this.#options = options;
    this.#checked = checked;
  }

  async run(): Promise<void> {
    const index = this.#resolveIndex();
    if (index !== undefined) {
      await this.#checkIndex(index);
      return;
    }
    const digest = this.#resolve();
    if (digest === undefined) return;
    await this.#checkImage(digest);
  }

  /** Checks an image, unless another name led to it before and it was sound. */
  async #checkImage(digest: ContentDigest): Promise<void> {
    if (this.#checked.manifests.has(digest)) return;
    await this.#checkManifest(digest);
    // A damaged EROFS image is rebuilt from verified layers.
    const isSound = this.findings.length === 0;
    (isSound ? this.sound : this.suspects).push({ stream: manifestStreamName(digest) });
    if (isSound) this.#checked.manifests.add(digest);
  }

  /** The index of the tag or digest, if it is one. */
  #resolveIndex(): ContentDigest | undefined {
    const { tags, streams } = this.#repository;
    const text = this.#name.slice(1);
    if (this.#name.startsWith('@')) {
      return isContentDigest(text) && streams.has(indexStreamName(text)) ? text : undefined;
    }
    return this.#attempt('ref-resolve-failed', '', () => ({ found: tags.resolveIndex(this.#name) }))
      ?.found?.indexDigest;
  }

  /** Checks an index, and every manifest below it. */
  async #checkIndex(index: ContentDigest): Promise<void> {
    const below = this.#attempt('index-read-failed', index, () =>
      manifestsBelow(this.#repository, index),
    );
    for (const one of below ?? []) {
      if (one.kind === 'manifest') await this.#checkBelow(one);
    }
  }

  async #checkBelow({ digest }: ManifestBelow): Promise<void> {
    const check = new ImageCheck(this.#repository, `@${digest}`, this.#options, this.#checked);
    await check.#checkImage(digest);
    for (const { kind, detail } of check.findings) this.#find(kind, `${digest}: ${detail}`);
    this.suspects.push(...check.suspects);
    this.sound.push(...check.sound);
  }

  async #checkManifest(digest: ContentDigest): Promise<void> {
    const stored = this.#attempt('manifest-read-failed', '', () =>
      this.#repository.streams.readDocument(manifestStreamName(digest), {
        contentType: CONTENT_TYPES.ociManifest,
        limitBytes: MANIFEST_MAX_BYTES,
      }),
    );
    if (stored === undefined || !this.#hasDigest('manifest', stored.bytes, digest)) return;
    const manifest = this.#attempt('manifest-parse-failed', '', () => parseManifest(stored.bytes));
    if (manifest === undefined) return;
    if (manifest.kind === 'index') this.#find('manifest-parse-failed', 'it is an image index');
    else await this.#checkConfig(manifest, stored);
  }

  /** The digest of the tag; a name with a leading `@` is not a valid tag. */
  #resolve(): ContentDigest | undefined {
    const { tags } = this.#repository;
    const text = this.#name.slice(1);
    if (this.#name.startsWith('@') && isContentDigest(text)) {
      if (this.#repository.streams.has(manifestStreamName(text))) return text;
    }
    if (this.#name.startsWith('@')) {
      this.#find('invalid-ref-name', "a leading '@' is reserved for digests");
      return tags.list().find(({ name }) => name === this.#name)?.manifestDigest;
    }
    const tag = this.#attempt('ref-resolve-failed', '', () => ({
      found: tags.resolve(this.#name),
    }));
    if (tag !== undefined && tag.found === undefined) {
      this.#find('ref-resolve-failed', `OCI reference not found: ${this.#name}`);
    }
    return tag?.found?.manifestDigest;
  }

  async #checkConfig(manifest: Manifest, stored: StreamDocument): Promise<void> {
    const { digest } = manifest.config;
    const id = stored.namedRefs.get(`config:${digest}`);
    if (id === undefined) {
      this.#find('config-ref-missing', digest);
      return;
    }
    const config = this.#attempt('config-read-failed', '', () =>
      this.#repository.streams.readDocument(
        { id },
        { contentType: CONTENT_TYPES.ociConfig, limitBytes: CONFIG_MAX_BYTES },
      ),
    );
    if (config === undefined || !this.#hasDigest('config', config.bytes, digest)) return;
    if (isStoredAsArtifact(manifest, stored.namedRefs))
      await this.#checkArtifact(manifest, stored.namedRefs);
    else await this.#checkContainer(config);
  }

  async #checkContainer(stored: StreamDocument): Promise<void> {
    const config = this.#attempt('config-parse-failed', '', () => parseImageConfig(stored.bytes));
    if (config === undefined) return;
    const before = this.findings.length;
    for (const digest of config.diffIds) {
      await this.#checkLayer({ digest, id: stored.namedRefs.get(digest) });
    }
    const isComplete = this.findings.length === before;
    const seal = config.labels.get(SEAL_LABEL);
    if (seal !== undefined) this.#checkSeal(seal);
    if (this.#options.rebuild === true && isComplete) await this.#checkImages(stored.namedRefs);
  }

  async #checkLayer({ digest, id }: LayerRef): Promise<void> {
    const { streams, objects } = this.#repository;
    if (id === undefined) {
      this.#find('layer-ref-missing', digest);
      return;
    }
    const named = this.#attempt('layer-check-failed', digest, () => ({
      id: streams.idOf(layerStreamName(digest)),
    }));
    if (named === undefined) return;
    if (named.id === undefined) this.#find('layer-stream-missing', digest);
    if (!objects.has(id)) this.#find('layer-object-missing', `${digest}: ${id}`);
    else if (this.#options.content === true) {
      await this.#checkContent('layer-diff-id-mismatch', digest, id);
    }
  }

  async #checkArtifact(manifest: Manifest, refs: ReadonlyMap<string, ObjectId>): Promise<void> {
    for (const { digest } of manifest.layers) {
      const id = refs.get(digest);
      if (id === undefined) this.#find('artifact-layer-ref-missing', digest);
      else if (!this.#repository.objects.has(id)) {
        this.#find('artifact-layer-object-missing', `${digest}: ${id}`);
      } else if (this.#options.content === true) {
        await this.#checkContent('artifact-layer-digest-mismatch', digest, id);
      }
    }
  }

  #checkSeal(seal: string): void {
    this.#attempt('seal-image-missing', seal, () => {
      this.#repository.images.open(seal)[Symbol.dispose]();
      return true;
    });
  }

  /** Rebuilds the bytes of a stream and compares their digest with the digest in its name. */
  async #checkContent(
    kind: OciFindingKind,
    digest: DiffId | ContentDigest,
    id: ObjectId,
  ): Promise<void> {
    const key = `${digest} ${id}`;
    if (this.#checked.layers.has(key)) return;
    try {
      using opened = this.#repository.streams.open({ id });
      const { stream } = opened;
      const found = await computeStreamDigest(this.#repository, stream, digest, this.#options);
      const isSound = (found as string) === digest;
      (isSound ? this.sound : this.suspects).push({ stream: layerStreamName(digest) });
      if (isSound) this.#checked.layers.add(key);
      else this.#find(kind, `expected ${digest}, found ${found}`);
    } catch (error) {
      this.#catch(error, 'layer-check-failed', digest);
    }
  }

  /** Rebuilds the plain images. The versions 0 and 1 share a slot, so either id is correct there. */
  async #checkImages(refs: ReadonlyMap<string, ObjectId>): Promise<void> {
    const slots = new Map<string, readonly ErofsVersion[]>([
      [imageSlot(2), [2]],
      [imageSlot(1), [1, 0]],
    ]);
    try {
      const image = openOciImage(this.#repository, this.#name);
      const tree = await buildTree(this.#repository, image, this.#options);
      for (const [slot, versions] of slots) {
        const id = refs.get(slot);
        if (id === undefined) continue;
        const built: ObjectId[] = [];
        for (const version of versions) {
          if (built.includes(id)) continue;
          built.push(await identifyTree(this.#repository, tree, version, this.#options));
        }
        if (!built.includes(id)) {
          this.#find('image-id-mismatch', `${slot}: expected ${id}, found ${built[0]}`);
        }
      }
    } catch (error) {
      this.#catch(error, 'image-rebuild-failed', '');
    }
  }

  #hasDigest(what: 'manifest' | 'config', bytes: Uint8Array, digest: ContentDigest): boolean {
    const found = computeContentDigest(bytes, algorithmOf(digest));
    if (found !== digest)
      this.#find(`${what}-digest-mismatch`, `expected ${digest}, found ${found}`);
    return found === digest;
  }

  /** Runs a step. Errors of this library become findings, except host errors, which end the check. */
  #attempt<T>(kind: OciFindingKind, what: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.#catch(error, kind, what);
      return undefined;
    }
  }

  #catch(error: unknown, kind: OciFindingKind, what: string): void {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    this.#find(kind, what === '' ? error.message : `${what}: ${error.message}`);
  }

  #find(kind: OciFindingKind, detail: string): void {
    this.findings.push({ kind, image: this.#name, detail });
  }
}
