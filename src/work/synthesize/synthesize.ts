import type { ContentDigest } from '#base/digest';
import { inTurns, type OperationOptions } from '#base/flow';
import { requireRefName } from '#formats/ostree';
import type { Precedence } from '#formats/selinux';
import type { Reading, Tree, XattrMode } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import type { OstreeMode, ReflinkPolicy } from '#stores/ostree';
import { buildTree, type OciImage, openOciImage } from '#work/image';
import { readPolicy } from '#work/labels';
import { type ArrangeOptions, arrangeTree } from './arrange.ts';
import { planClassic } from './classic/plan-classic.ts';
import { detailsOf, type SynthesizedDetails } from './details.ts';
import { checkTrees } from './plan.ts';
import { type CommitRoute, chooseRoute, type RouteChoice } from './route.ts';
import { type PlannedCommit, type WrittenCommit, writeCommit } from './write-commit.ts';

/** Options of the commit of an image. */
export interface SynthesisOptions extends OperationOptions, ArrangeOptions {
  /** How the layers are converted to a commit; default `synthesis`. */
  readonly route?: RouteChoice | undefined;
  /** Refs below `refs/heads` to set to the commit. */
  readonly refs?: readonly string[] | undefined;
  /** Create a missing repository in this mode. Without it, a missing repository is an error. */
  readonly createMode?: OstreeMode | undefined;
  /** Whether files share extents with their objects; by default they do if the filesystem supports it, else they are copied. */
  readonly reflink?: ReflinkPolicy | undefined;
  /** Largest number of threads (default: number of processors). */
  readonly jobs?: number | undefined;
  /** How layers are read: as the specifications require, or as cfsctl does (default: as the image was built). */
  readonly reading?: Reading | undefined;
  /** `all` keeps the xattrs that the allowlist of composefs-rs 0.9 drops. */
  readonly xattrs?: XattrMode | 'all' | undefined;
  /** Default: `composefs`, which determines the ids of the synthesis; `libselinux` on the classic route. */
  readonly labels?: Precedence | undefined;
  /** False: keep zero-length xattrs, and capabilities that the kernel changes; `ostree fsck` then reports them as wrong. */
  readonly normaliseXattrs?: boolean | undefined;
  /** Keep labels from the layers where the policy has none; only with `xattrs: 'all'`, on the classic route. */
  readonly keepsLabels?: boolean | undefined;
  /** Replaces the metadata and time of onecopy, to reproduce the commit of another program. */
  readonly details?: ((image: OciImage, tree: Tree) => SynthesizedDetails) | undefined;
}

/** Report of the commit of an image. */
export interface SynthesisReport extends WrittenCommit {
  readonly route: CommitRoute;
  readonly manifestDigest: ContentDigest;
}

/**
 * Makes an OSTree commit of a stored OCI image, directly in an OSTree repository. The route `synthesis` merges the layers as in the EROFS image.
 * The route `classic` imports each layer, as ostree-ext does, with its own commit and ref. In both, `/etc` moves to `/usr/etc`, files get the
 * labels of the image's own policy, and contents share extents with our objects if the filesystem supports it. The same image results in the same
 * commit of a route, in every mode of repository. Nothing is visible before everything is synced; a second run writes nothing.
 * @throws as `openOciImage`, `buildTree`, `readPolicy`, `checkTrees`, `planClassic`, `writeCommit`; FormatError OSTREE_REF_INVALID
 */
export async function synthesizeCommit(
  repository: Repository,
  name: string,
  path: string,
  options: SynthesisOptions = {},
): Promise<SynthesisReport> {
  for (const ref of options.refs ?? []) requireRefName(ref);
  const image = openOciImage(repository, name);
  const route = chooseRoute(options.route ?? 'synthesis', repository, path);
  const planned = await (route === 'classic' ? planClassic : planSynthesis)(
    repository,
    image,
    options,
  );
  const { manifestDigest } = image;
  return { route, manifestDigest, ...(await writeCommit(repository, planned, path, options)) };
}

async function planSynthesis(
  repository: Repository,
  image: OciImage,
  options: SynthesisOptions,
): Promise<PlannedCommit> {
  const { signal, xattrs, reading, normaliseXattrs = true, labels = 'composefs' } = options;
  const tree = await buildTree(repository, image, { signal, xattrs, reading });
  const labeler = await readPolicy(repository.objects, tree, labels);
  const arranged = arrangeTree(tree, labeler, options);
  const trees = { tree, placed: [arranged], labeler, normaliseXattrs };
  await inTurns(checkTrees(trees), options);
  const details = (options.details ?? detailsOf)(image, tree);
  return { trees, details, layers: [] };
}
