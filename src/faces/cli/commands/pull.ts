import {
  type PullPlan,
  type PullReport,
  planPull,
  pullImage,
  ZSTD_EXACT_VERSION,
  zstdParity,
} from '#work/pull-image';
import { locateRepository, openOrCreate } from '#work/repository';
import { createLocalJudge, type ImageJudge, type TrustReport } from '#work/trust';
import { refuseOptions } from '../applies.ts';
import { type Action, flag, textOption, wholeNumber } from '../context.ts';
import { type Output, UsageError } from '../output.ts';
import { readingOption } from '../reading-option.ts';
import { openIfPresent } from '../repository.ts';
import { formatDigest, formatSize } from '../units.ts';
import { IMAGE_PULL_OPTIONS } from '../verbs.ts';
import { OSTREE_PULL_OPTIONS, OSTREE_REMOTE_ONLY } from '../verbs-ostree.ts';
import { platformOption } from './platform.ts';

/** `pull`: brings an image into the repository; without a name it is called like the reference. */
export const pull: Action = async (context, [reference = '', ...names], options) => {
  warnAboutZstd(context.out);
  const transport = /^ostree(?:-local)?(?=:)/.exec(reference)?.[0];
  const others = {
    ostree: IMAGE_PULL_OPTIONS,
    'ostree-local': [...IMAGE_PULL_OPTIONS, ...OSTREE_REMOTE_ONLY],
  };
  const isOstree = transport === 'ostree' || transport === 'ostree-local';
  refuseOptions(isOstree ? others[transport] : OSTREE_PULL_OPTIONS, options, `pull "${reference}"`);
  if (isOstree) {
    // Loaded only here: the HTTP client would cost every other pull its start-up time.
    const { pullOstree } = await import('./ostree-pull.ts');
    return await pullOstree(context, reference, names, options);
  }
  const [name = reference] = names;
  if (names.length > 1) {
    throw new UsageError(`Cannot pull "${reference}": expected one name, found ${names.length}`);
  }
  const platform = platformOption(textOption(options, 'platform'));
  const reading = readingOption(options);
  const judge = judgeOf(reference, options);
  if (context.dryRun) {
    using repository = await openIfPresent(context);
    const asked = { ...context.operation, platform, reading, judge };
    const plan = await planPull(repository, reference, asked);
    const wouldCreate = repository === undefined;
    if (context.out.json) context.out.document({ dryRun: true, name, wouldCreate, ...plan });
    if (wouldCreate) context.out.line(`Would create ${locateRepository(context.selection)}`);
    printPlan(plan, context.out.line);
    return 0;
  }
  const { repository } = await openOrCreate(context.selection, {
    ...context.operation,
    mayInit: context.mayInit,
    requireVerity: context.requireVerity,
  });
  using open = repository;
  const report = await pullImage(open, reference, {
    ...context.operation,
    name,
    platform,
    judge,
    keepBlobs: flag(options, 'keepBlobs'),
    verifyReused: flag(options, 'verifyReused'),
    jobs: context.jobs,
    reading,
    entriesMax: wholeNumber(textOption(options, 'maxEntries'), '--max-entries', 1),
    layerBytesMax: wholeNumber(textOption(options, 'maxLayerSize'), '--max-layer-size', 1),
    requireVerity: context.requireVerity,
  });
  if (context.out.json) context.out.document({ dryRun: false, ...report });
  else printReport(report, context.out.line);
  sayDifferences(report, context.out);
  return 0;
};

/** This host's policy decides about every image. */
function judgeOf(reference: string, options: Parameters<Action>[2]): ImageJudge {
  const signaturePolicy = textOption(options, 'signaturePolicy');
  return createLocalJudge(reference, {
    ...(signaturePolicy === undefined ? {} : { signaturePolicy }),
    requirePolicy: flag(options, 'requirePolicy'),
  });
}

/** The ids of new streams depend on the exact compressor, so another one is said whatever is asked for. */
function warnAboutZstd(out: Output): void {
  const { exact, version } = zstdParity();
  if (exact) return;
  out.warn(
    `warning: this Node compresses with libzstd ${version}, not ${ZSTD_EXACT_VERSION}: new streams get other ids than cfsctl gives them`,
  );
}

const DIFFERENCE_TEXTS = {
  'size-without-data':
    'states a size although its type has no data: cfsctl passes over that many bytes',
  prefix: 'has a prefix that cfsctl does not see',
  'old-directory': 'is a directory by the slash at its end: a file for cfsctl',
  'own-whiteout':
    'hides only what lower layers brought: cfsctl removes what its own layer brought, too',
} as const;

/** Says that cfsctl would make another image, and where it reads the layers differently. */
function sayDifferences({ differences }: PullReport, out: Output): void {
  if (differences === undefined || differences.count === 0) return;
  const { count, named } = differences;
  out.warn(
    `note: cfsctl reads ${count} ${count === 1 ? 'entry' : 'entries'} of this image differently, and may give it another id; --compat cfsctl reads as it does`,
  );
  for (const { difference, path, layer } of named) {
    out.warn(`  ${path} ${DIFFERENCE_TEXTS[difference]} (layer ${formatDigest(layer)})`);
  }
  if (count > named.length) out.warn(`  and ${count - named.length} more`);
}

function printPlan(plan: PullPlan, line: (text: string) => void): void {
  line(`Would pull ${plan.kind} ${plan.manifestDigest}`);
  for (const { diffId, digest, sizeBytes, status } of plan.layers) {
    line(`  layer ${formatDigest(diffId ?? digest)}  ${formatSize(sizeBytes)}  ${status}`);
  }
  line(
    `  to read: ${formatSize(plan.wantedBytes)}, already here: ${formatSize(plan.presentBytes)}`,
  );
}

/** Nothing is said where nothing was demanded. */
function printTrust(trust: TrustReport | undefined, line: (text: string) => void): void {
  for (const { requirements } of trust?.manifests ?? []) {
    for (const one of requirements) {
      if (one.type !== 'sigstoreSigned') continue;
      line(`  signed:   ${one.signedIdentity}, by ${one.key.source} (${one.key.fingerprint})`);
    }
  }
}

function printReport(report: PullReport, line: (text: string) => void): void {
  const { objects, bytes, layers, ms } = report;
  const present = layers.filter(({ status }) => status !== 'imported').length;
  line(`Pulled ${report.name ?? report.manifestDigest}`);
  line(`  manifest: ${report.manifestDigest}`);
  printTrust(report.trust, line);
  if (report.imageId !== undefined) line(`  image:    ${report.imageId}`);
  line(`  layers:   ${layers.length}, of which ${present} were already here`);
  line(
    `  files:    ${objects.stored} new (${formatSize(bytes.stored)}), ${objects.reused} already here, ` +
      `${formatSize(bytes.inlined)} of small files and headers`,
  );
  line(`  time:     ${(ms.total / 1000).toFixed(2)} s`);
}
