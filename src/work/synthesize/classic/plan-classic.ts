import { inTurns, type OperationOptions, STEP_ITEMS, type Steps } from '#base/flow';
import { STRING, variantOf } from '#formats/gvariant';
import type { Precedence } from '#formats/selinux';
import { Directory, type XattrMode } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import { type OciImage, readLayer, requireContainer } from '#work/image';
import { readPolicy } from '#work/labels';
import type { ArrangeOptions } from '../arrange.ts';
import { classicDetailsOf, IMPORTER } from '../details.ts';
import { checkTrees } from '../plan.ts';
import { layerRefName } from '../ref-name.ts';
import type { PlannedCommit } from '../write-commit.ts';
import { ClassicTree } from './classic-tree.ts';
import { placeTree } from './place.ts';

/** Options of importing an image layer by layer. */
export interface ClassicOptions extends OperationOptions, ArrangeOptions {
  readonly xattrs?: XattrMode | 'all' | undefined;
  readonly labels?: Precedence | undefined;
  readonly normaliseXattrs?: boolean | undefined;
  readonly keepsLabels?: boolean | undefined;
  readonly details?:
    | ((image: OciImage, tree: ClassicTree['tree']) => PlannedCommit['details'])
    | undefined;
}

/**
 * Plans the commit of an image and one commit for each layer, as ostree-ext imports them.
 * @throws as `ClassicTree.apply`, `readLayer`, `readPolicy` (but a policy that is chosen and missing is none), `checkTrees`;
 * UnsupportedError IMAGE_NOT_BUILDABLE
 */
export async function planClassic(
  repository: Repository,
  image: OciImage,
  options: ClassicOptions,
): Promise<PlannedCommit> {
  requireContainer(image);
  const { labels = 'libselinux', normaliseXattrs = true, keepsLabels } = options;
  const stack = await inTurns(stackLayers(repository, image, options), options);
  const { tree } = stack;
  const from = tree.root.entries.get('usr' as never);
  const labeler =
    from instanceof Directory
      ? await readPolicy(repository.objects, tree, labels, { from, mayMiss: true })
      : undefined;
  const placed = [tree.root, ...stack.layers].map(placeTree);
  const trees = { tree, placed, labeler, normaliseXattrs, keepsLabels };
  await inTurns(checkTrees(trees), options);
  const details = (options.details ?? classicDetailsOf)(image, tree);
  const { timestampSec } = details;
  const metadata = [['ostree.importer.version', variantOf(STRING, IMPORTER)] as const];
  const layers = image.layers.map(({ digest }) => {
    return { ref: layerRefName(digest), details: { metadata, timestampSec } };
  });
  return { trees, details, layers };
}

function* stackLayers(
  repository: Repository,
  image: OciImage,
  { xattrs = 'allowlist-only', emptyBoot, emptySysroot }: ClassicOptions,
): Steps<ClassicTree> {
  const stack = new ClassicTree((name) => {
    if (xattrs === 'all' || name === 'security.capability') return true;
    return xattrs === 'keep-user-xattrs' && name.startsWith('user.');
  });
  for (const layer of image.layers) {
    stack.beginLayer(layer.diffId ?? layer.digest);
    let entries = 0;
    for (const stored of readLayer(repository, layer.id)) {
      if (entries % STEP_ITEMS === 0) yield;
      entries += 1;
      stack.apply(stored);
    }
    stack.endLayer();
  }
  stack.removePlaceholders();
  if (emptyBoot === true) stack.empty('boot');
  if (emptySysroot === true) stack.empty('sysroot');
  return stack;
}
