import type { MountReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `mount`. */
export const text: Text<MountReport> = (report, { line }) => {
  const { name, mount } = report;
  if (report.dryRun) {
    line(`Would mount ${name} (${mount.imageId}) over ${mount.target}`);
    return;
  }
  const writable = report.mount.readOnly ? '' : ', writable';
  const verity = report.mount.verity ? ', fs-verity enforced' : '';
  const server = report.mount.serverPid;
  const served = server === undefined ? '' : `, served by process ${server} until it is unmounted`;
  line(`Mounted ${name} over ${mount.target}${writable}${verity}${served}`);
};
