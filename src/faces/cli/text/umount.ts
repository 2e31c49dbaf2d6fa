import type { UmountReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `umount`. */
export const text: Text<UmountReport> = ({ dryRun, unmounted: { image, target } }, { line }) => {
  line(`${dryRun ? 'Would unmount' : 'Unmounted'} ${image} from ${target}`);
};
