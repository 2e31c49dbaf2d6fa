import { type ContentDigest, hexOf, isContentDigest, type OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { BOOLEAN, lookupVariant, STRING } from '#formats/gvariant';
import { type Manifest, parseManifest } from '#formats/oci';
import { type Commit, parseCommit } from '#formats/ostree';
import type { ImageRow } from '#stores/containers';
import type { OstreeRepo } from '#stores/ostree';
import { openOciImage } from '#work/image';
import { type Deployment, listDeployments } from './deployments.ts';
import { IMAGE_REFS, imageReferenceOfRef } from './names.ts';
import type { Stores } from './stores.ts';
import type { Sysroot } from './sysroot.ts';

/** Tags of images that bootc keeps in the composefs repository; the manifest digest follows. Source: bootc, composefs repository. */
export const TAG_PREFIX = 'localhost/bootc-';
/** Metadata keys of image commits. Source: ostree-ext 0.15; bootc. */
const COMMIT_KEYS = {
  manifestDigest: 'ostree.manifest-digest',
  manifest: 'ostree.manifest',
  config: 'ostree.container.image-config',
  synthesized: 'ostree-ext.composefs-synthesized',
} as const;

/** How much of an image a store has. */
export type Presence = 'present' | 'partial' | 'missing';

/** A commit of an image in the OSTree repository. */
export interface ImageCommit {
  readonly commit: OstreeChecksum;
  /** Image refs that resolve to this commit. */
  readonly refs: readonly string[];
  /** True for a commit made from composefs. */
  readonly isSynthesized: boolean;
}

/** An image of the system, in the three stores. */
export interface SystemImage {
  readonly manifestDigest: ContentDigest;
  /** Undefined when no store has the manifest. */
  readonly configDigest: ContentDigest | undefined;
  /** Its tag in the composefs repository. */
  readonly tag: string;
  readonly isTagged: boolean;
  readonly composefs: Presence;
  readonly storage: Presence;
  readonly ostree: Presence;
  /** Image references by which deployments and refs name this image. */
  readonly references: readonly string[];
  /** Names in containers-storage. */
  readonly names: readonly string[];
  readonly commits: readonly ImageCommit[];
  readonly deployments: readonly Deployment[];
}

/** The tag of an image in the composefs repository. */
export function tagOf(manifestDigest: ContentDigest): string {
  return `${TAG_PREFIX}${manifestDigest}`;
}

/** Lists the images that have a tag, a ref or a deployment in this system, by manifest digest. */
export function surveyImages(
  sysroot: Sysroot,
  stores: Stores,
  deployments: readonly Deployment[] = listDeployments(sysroot),
): readonly SystemImage[] {
  const commits = commitsOf(stores.ostree, deployments);
  const digests = new Set<ContentDigest>();
  for (const tag of stores.composefs?.tags.list() ?? []) {
    if (tag.name === tagOf(tag.manifestDigest)) digests.add(tag.manifestDigest);
  }
  for (const { manifestDigest } of commits) digests.add(manifestDigest);
  for (const { manifestDigest } of deployments) {
    if (manifestDigest !== undefined) digests.add(manifestDigest);
  }
  // A deployment that does not say its image may need any.
  const unknown = deployments.filter((one) => (one.commit ?? one.manifestDigest) === undefined);
  return [...digests].sort().map((digest) =>
    describeImage(
      stores,
      digest,
      commits.filter(({ manifestDigest }) => manifestDigest === digest),
      deployments.filter(({ manifestDigest }) => manifestDigest === digest),
      unknown,
    ),
  );
}

/** A commit, with what its metadata records about the image. */
export interface FoundCommit extends ImageCommit {
  readonly manifestDigest: ContentDigest;
  readonly manifest: string | undefined;
  readonly config: string | undefined;
  readonly deployments: readonly Deployment[];
}

/** Image commits that refs or deployments use. */
function commitsOf(
  ostree: OstreeRepo | undefined,
  deployments: readonly Deployment[],
): FoundCommit[] {
  if (ostree === undefined) return [];
  const refs = new Map<OstreeChecksum, string[]>();
  for (const { space, name, checksum } of ostree.refs.list()) {
    if (space.kind !== 'heads' || !name.startsWith(IMAGE_REFS)) continue;
    refs.set(checksum, [...(refs.get(checksum) ?? []), name]);
  }
  const found: FoundCommit[] = [];
  const deployed = deployments.flatMap(({ commit }) => commit ?? []);
  for (const commit of new Set([...refs.keys(), ...deployed])) {
    const read = readImageCommit(ostree, commit);
    if (read === undefined) continue;
    found.push({
      ...read,
      refs: refs.get(commit) ?? [],
      deployments: deployments.filter((one) => one.commit === commit),
    });
  }
  return found;
}

/** Reads what the metadata of a commit records about its image. Undefined for a commit of another kind, or a missing commit. */
export function readImageCommit(
  ostree: OstreeRepo,
  commit: OstreeChecksum,
): Omit<FoundCommit, 'refs' | 'deployments'> | undefined {
  const parsed = tryReadCommit(ostree, commit);
  if (parsed === undefined) return undefined;
  const { metadata } = parsed;
  const digest = lookupVariant(metadata, COMMIT_KEYS.manifestDigest, STRING);
  if (digest === undefined || !isContentDigest(digest)) return undefined;
  return {
    commit,
    manifestDigest: digest,
    manifest: lookupVariant(metadata, COMMIT_KEYS.manifest, STRING),
    config: lookupVariant(metadata, COMMIT_KEYS.config, STRING),
    isSynthesized: lookupVariant(metadata, COMMIT_KEYS.synthesized, BOOLEAN) === true,
  };
}

function tryReadCommit(ostree: OstreeRepo, commit: OstreeChecksum): Commit | undefined {
  try {
    const bytes = ostree.readMetadata('commit', commit);
    return bytes === undefined ? undefined : parseCommit(bytes);
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    return undefined;
  }
}

function describeImage(
  stores: Stores,
  manifestDigest: ContentDigest,
  commits: readonly FoundCommit[],
  native: readonly Deployment[],
  unknown: readonly Deployment[],
): SystemImage {
  const tag = tagOf(manifestDigest);
  const { composefs } = stores;
  const isTagged = composefs?.tags.resolve(tag)?.manifestDigest === manifestDigest;
  const stored = inComposefs(stores, manifestDigest);
  const configDigest =
    stored.configDigest ?? configFromStorage(stores, manifestDigest) ?? configOf(commits);
  const deployments = [...commits.flatMap((commit) => commit.deployments), ...native];
  const row = configDigest === undefined ? undefined : imageRow(stores.storage, configDigest);
  return {
    manifestDigest,
    configDigest,
    tag,
    isTagged,
    composefs: stored.presence,
    storage: row === undefined ? 'missing' : presenceOfRow(stores, row),
    ostree: commits.length > 0 ? 'present' : 'missing',
    references: referencesOf(commits, deployments),
    names: row?.record.names ?? [],
    commits: commits.map(({ commit, refs, isSynthesized }) => ({ commit, refs, isSynthesized })),
    deployments: [...deployments, ...unknown],
  };
}

function referencesOf(
  commits: readonly FoundCommit[],
  deployments: readonly Deployment[],
): string[] {
  const origins = deployments.map(({ imageReference }) => imageReference);
  const refs = commits.flatMap((commit) => commit.refs.map(imageReferenceOfRef));
  const known = [...origins, ...refs].filter((one) => one !== undefined);
  return [...new Set(known)];
}

function inComposefs(
  { composefs }: Stores,
  digest: ContentDigest,
): { readonly presence: Presence; readonly configDigest: ContentDigest | undefined } {
  if (composefs === undefined) return { presence: 'missing', configDigest: undefined };
  try {
    const image = openOciImage(composefs, `@${digest}`);
    const isWhole = image.layers.every(({ id }) => composefs.objects.has(id));
    const presence = isWhole ? 'present' : 'partial';
    return { presence, configDigest: image.manifest.config.digest };
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    const presence = hasCode(error, 'IMAGE_NOT_FOUND') ? 'missing' : 'partial';
    return { presence, configDigest: undefined };
  }
}

/** The image of containers-storage with this config. */
export function imageRow(
  storage: Stores['storage'],
  configDigest: ContentDigest,
): ImageRow | undefined {
  const id = hexOf(configDigest);
  return storage?.snapshot.images.find(({ record }) => record.id === id);
}

function presenceOfRow({ storage }: Stores, row: ImageRow): Presence {
  try {
    storage?.chainOf(row);
    return 'present';
  } catch (error) {
    if (!hasCode(error, 'STORE_LAYER_GONE')) throw error;
    return 'partial';
  }
}

function configFromStorage({ storage }: Stores, digest: ContentDigest): ContentDigest | undefined {
  const row = storage?.findByDigest(digest);
  return row === undefined ? undefined : (`sha256:${row.record.id}` as ContentDigest);
}

function configOf(commits: readonly FoundCommit[]): ContentDigest | undefined {
  for (const { manifest } of commits) {
    if (manifest === undefined) continue;
    try {
      const document = parseManifest(Buffer.from(manifest));
      if (document.kind === 'manifest') return (document as Manifest).config.digest;
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
    }
  }
  return undefined;
}
