import type {
  UnifiedEnableReport,
  UnifiedFsckReport,
  UnifiedImagesReport,
  UnifiedPruneReport,
  UnifiedPullVerbReport,
  UnifiedRelabelReport,
  UnifiedStatusReport,
  UnifiedSyncReport,
} from '#work/verbs';
import { formatDigest, formatSize } from '../units.ts';
import { countOf } from './checkout.ts';
import type { Text } from './text.ts';

/** The text of `unified status`. */
export const statusText: Text<UnifiedStatusReport> = async (report, { line, table, noTrunc }) => {
  line(`Sysroot:  ${report.sysroot}`);
  line(`Mode:     ${report.mode}`);
  line(`Reflinks: ${report.reflinksSupported ? 'supported' : 'not supported'}`);
  const { unified, bound, partial, host } = report.images;
  line(`Images:   ${unified} unified, ${bound} bound, ${partial} partial, ${host} only deployed`);
  line('');
  await table(
    ['STORE', 'PATH', 'STATE'],
    report.stores.map(({ kind, path, exists }) => [kind, path, exists ? 'present' : 'missing']),
  );
  if (report.deployments.length === 0) return;
  line('');
  await table(
    ['DEPLOYMENT', report.isNative ? 'IMAGE ID' : 'COMMIT', 'IMAGE'],
    report.deployments.map(({ role, commit, imageId, imageReference }) => [
      role,
      formatDigest(commit ?? imageId ?? '', noTrunc),
      imageReference ?? '-',
    ]),
  );
};

/** The text of `unified enable`. */
export const enableText: Text<UnifiedEnableReport> = (report, { line, note }) => {
  const { mode, modeBefore, dryRun } = report;
  const words = dryRun ? 'Would set the mode to' : 'Set the mode to';
  const change = `${words} ${mode}, before: ${modeBefore}`;
  line(mode === modeBefore ? `The mode is ${mode} already` : change);
  for (const { imageReference } of report.filled) {
    line(`  ${dryRun ? 'would bring' : 'brought'} ${imageReference} into the stores`);
  }
  if (report.pending.length === 0) return;
  note(
    `${countOf(report.pending.length, 'deployed commit')} not made from composefs yet: run \`onecopy unified pull\` with the image, then deploy it`,
  );
};

/** The text of `unified pull`. */
export const pullText: Text<UnifiedPullVerbReport> = (report, { line }) => {
  line(`${report.dryRun ? 'Would pull' : 'Pulled'} ${report.imageReference}`);
  line(`  manifest:           ${report.manifestDigest}`);
  const { path, policy, isInStorage } = report.route;
  const stores = [isInStorage ? 'three stores' : 'no containers-storage', policy].join(', ');
  line(`  route:              ${path} (${stores})`);
  if (report.modeBefore !== report.modeAfter) {
    line(`  mode:               ${report.modeAfter}, before: ${report.modeBefore ?? 'none'}`);
  }
  if (report.dryRun) {
    line(`  containers-storage: ${report.containersStorage}`);
    line(`  composefs:          ${report.composefs}`);
    line(`  ostree:             ${report.ostree}`);
    line(`  to fetch:           ${formatSize(report.fetchBytes)}`);
    return;
  }
  const { composefs, containersStorage, ostree } = report.stages;
  const layers = `${composefs.layersImported} new layers, ${composefs.layersPresent} already stored`;
  line(
    `  composefs:          ${layers}; ${composefs.objectsStored} new objects, ${composefs.objectsReflinked} of them by reflink`,
  );
  if (containersStorage !== null) {
    const { filesReflinked, filesCopied, name } = containersStorage;
    line(
      `  containers-storage: ${name}; ${filesReflinked} files by reflink, ${filesCopied} copied`,
    );
  }
  if (ostree !== null) {
    const { isPresent, filesReflinked, filesWritten } = ostree;
    const what = isPresent
      ? 'already there'
      : `${filesReflinked} files by reflink, ${filesWritten} written`;
    line(`  ostree:             commit ${report.commit}; ${what}`);
  }
  line(`  time:               ${(report.ms.total / 1000).toFixed(2)} s`);
};

/** The text of `unified images`. */
export const imagesText: Text<UnifiedImagesReport> = async (
  { images },
  { line, table, noTrunc, quiet },
) => {
  if (quiet) {
    for (const { manifestDigest } of images) line(manifestDigest);
    return;
  }
  await table(
    ['NAME', 'TYPE', 'CONFIG', 'CONTAINERS-STORAGE', 'COMPOSEFS', 'OSTREE', 'DEPLOYED'],
    images.map((row) => [
      row.names[0] ?? '-',
      row.imageType,
      row.configDigest === null ? '-' : formatDigest(row.configDigest, noTrunc),
      row.containersStorage,
      row.composefs,
      row.ostree,
      row.deployments.map(({ role }) => role).join(', ') || '-',
    ]),
  );
};

/** The text of `unified sync`. */
export const syncText: Text<UnifiedSyncReport> = (report, { line, note }) => {
  if (report.binding !== 'unified') {
    line('Nothing to do: images of this system are not kept in containers-storage');
    return;
  }
  for (const { name, reflinkedFiles, copiedFiles } of report.restored) {
    const files = `${reflinkedFiles} files by reflink, ${copiedFiles} copied`;
    line(report.dryRun ? `Would restore ${name}` : `Restored ${name}: ${files}`);
  }
  for (const { manifestDigest, message } of report.failures) note(`${manifestDigest}: ${message}`);
  line(
    `${countOf(report.checked, 'image')} checked, ${report.alreadyPresent} present, ${report.restored.length} restored, ${report.failures.length} failed`,
  );
};

/** The text of `unified fsck`. */
export const fsckText: Text<UnifiedFsckReport> = (report, { line, noTrunc }) => {
  for (const { step, manifestDigest, error } of report.repairs ?? []) {
    const id = formatDigest(manifestDigest, noTrunc);
    const words = report.dryRun ? 'Would repair' : error === null ? 'Repaired' : 'Cannot repair';
    line(`${words} ${step} of ${id}${error === null ? '' : `: ${error.message}`}`);
  }
  for (const image of report.images) {
    const state = image.pending ? 'PENDING' : image.issues.length === 0 ? 'OK' : 'FAILED';
    line(`${state.padEnd(8)}${image.name}${image.isLive ? '' : ' (not in use)'}`);
    for (const issue of image.issues) line(`        ${issue}`);
    if (image.sharing === null) continue;
    const { files, sharedFiles, copiedFiles, repeatedFiles, uncomparedFiles } = image.sharing;
    line(
      `        extents: ${sharedFiles} of ${files} files shared, ${copiedFiles} copied, ${repeatedFiles} more than once in containers-storage, ${uncomparedFiles} not comparable`,
    );
  }
  if (report.binding === 'disabled') line('Nothing to check: unified storage is not enabled');
  else
    line(
      report.ok
        ? `${countOf(report.images.length, 'image')}, no problems`
        : 'The stores do not agree',
    );
};

/** The text of `unified prune`. */
export const pruneText: Text<UnifiedPruneReport> = (report, { line }) => {
  for (const { names, manifestDigest, containersStorage } of report.removed) {
    const words = report.dryRun ? 'Would remove' : 'Removed';
    const rest =
      containersStorage === 'untagged' ? ' (other names of it stay in containers-storage)' : '';
    line(`${words} ${names[0] ?? manifestDigest}${rest}`);
  }
  for (const { store, name, reasons } of report.kept) {
    line(`Kept in ${store}: ${name}, for ${reasons.join(', ')}`);
  }
  const { ostree, composefs } = report;
  line(
    `ostree:    ${countOf(ostree.objects, 'object')} ${report.dryRun ? 'to remove' : 'removed'}`,
  );
  if (composefs !== null) line(`composefs: ${countOf(composefs.removed, 'object')} removed`);
};

/** The text of `unified relabel`. */
export const relabelText: Text<UnifiedRelabelReport> = (report, { line, note }) => {
  if (!report.hasPolicy) {
    note('No SELinux policy was found, so nothing is labelled; name a root with --policy-root');
    return;
  }
  const words = report.dryRun ? 'would be labelled' : 'labelled';
  line(`${countOf(report.labelled, 'name')} ${words}, ${report.present} had a label`);
  line(`${report.without} without a label in the policy`);
  line(
    `Skipped: ${countOf(report.deployments, 'deployment')}, ${countOf(report.mounts, 'mount point')}`,
  );
};
